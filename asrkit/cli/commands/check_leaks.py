"""Has the training heard what is tested? Speakers, utterances and recordings that TRAIN and TEST share; exit
status 1 if any.

Looked for are speakers on both sides; utterance ids on both sides; copies of one original (utt2uniq, as
perturb writes it); the same recording by its file or its samples; and near-duplicates, a recording once more
at another gain, trimmed, resampled, in another format or with faint noise. These are found by the band
energies of a stretch and proved by the wave: the correlation of the waves (300 to 2800 Hz, spectrum
flattened) at the best lag is at least --threshold. Two takes of a word by one speaker reached 0.79 in 1036 x
1036 recordings of TIDIGITS and 0.85 in 2520 x 480 of FSDD; the same recording with noise at 20 dB stays above
0.9 in 99 of 100 cases, resampled, trimmed by 5 ms or as MP3 above 0.96. Where a side has no wav.scp features
are compared (feats.scp); they show gain, trimming and resampling (threshold 0.93, takes reach 0.92), not
noise and not codecs.
"""

import functools
import hashlib
import os

from asrkit.audio import duplicates
from asrkit.cli.commands.compute_mfcc import cut
from asrkit.config import add_flag, add_options, from_args
from asrkit.errors import DataError
from asrkit.io.archive import is_pipe, read_scp, resolve
from asrkit.io.audio import read_audio
from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, read_data_dir
from asrkit.io.features import ReadConfig, check_skipped, unusable
from asrkit.runtime import ordered_map

EXAMPLE = """example:
  asrkit check-leaks data/train data/test
  asrkit check-leaks data/train data/test --allow-shared-speakers true
"""

CHUNK = 50  # recordings a unit of work
PAIRS = 400
FRAMES_ALIKE = 0.93  # the threshold where there are only features


def add_arguments(parser):
    parser.add_argument("train", metavar="TRAIN", help="data directory")
    parser.add_argument("test", metavar="TEST", help="data directory")
    add_flag(parser, "allow-shared-speakers", False, "speakers on both sides are said, but are no leak")
    add_flag(parser, "max", 5, "how many of each kind are named", minimum=0)
    add_flag(
        parser,
        "threshold",
        0.88,
        "correlation of two waves from which they are one recording",
        minimum=0,
        maximum=1,
    )
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_options(parser, ReadConfig)


def main(args):
    train, test = read_data_dir(args.train), read_data_dir(args.test)
    leaks = 0
    shared = shared_speakers(train, test)
    if shared is None:
        print("speakers: not known, a side has no utt2spk")
    else:
        speakers = {test.utt2spk[utt] for utt in test.utt2spk}
        print(
            f"speakers on both sides: {len(shared)} of {len(speakers)} in {args.test}{named(shared, args.max)}"
        )
        if shared:
            print("  an error rate of this split is that of known speakers; of others it says nothing")
            leaks += 0 if args.allow_shared_speakers else len(shared)
    known = set(train.utts)
    ids = [utt for utt in test.utts if utt in known]
    leaks += say("utterance ids on both sides", ids, args.max)
    copies = shared_originals(train, test)
    leaks += say("copies of one original (utt2uniq)", copies, args.max)
    same, alike, how = compare_recordings(train, test, args)
    leaks += say("the same recordings", [f"{a} = {b} ({why})" for a, b, why in same], args.max)
    leaks += say(f"near-duplicates ({how})", [f"{a} ~ {b} ({score:.3f})" for a, b, score in alike], args.max)
    print(f"{leaks} leaks" if leaks else f"no leaks found, {len(train.utts)} x {len(test.utts)} utterances")
    return 1 if leaks else 0


def named(names, most):
    """`: a, b, ...`"""
    shown = ", ".join(names[:most])
    return f": {shown}{', ...' if len(names) > most else ''}" if shown else ""


def say(what, found, most):
    print(f"{what}: {len(found)}")
    for line in found[:most]:
        print(f"  {line}")
    return len(found)


def shared_speakers(train, test):
    if not train.utt2spk or not test.utt2spk:
        return None
    known = set(train.utt2spk.values())
    return [speaker for speaker in dict.fromkeys(test.utt2spk.values()) if speaker in known]


def shared_originals(train, test):
    """`test utterance = train utterance (of original)` where one of the two is a perturbed copy."""
    of_train, of_test = (side_table(data, ORIGINALS, data.utts) for data in (train, test))
    first = {}
    for utt in train.utts:
        first.setdefault(of_train.get(utt, utt), utt)
    found = []
    for utt in test.utts:
        original = of_test.get(utt, utt)
        if original in first and utt != first[original]:
            found.append(f"{utt} = {first[original]} (of {original})")
    return found


def compare_recordings(train, test, args):
    """What is heard on both sides.

    Returns
    -------
    same : list of (str, str, str)
        Utterance of TEST, of TRAIN, and why they are the same.
    alike : list of (str, str, float)
        The same with the score.
    how : str
        What was compared.
    """
    read = from_args(ReadConfig, args)
    by_sound = bool(train.wav and test.wav)
    if not by_sound and not (train.feats and test.feats):
        raise DataError(
            f"{args.train} and {args.test}: neither wav.scp nor feats.scp in both, nothing to compare"
        )
    sides = [signatures(data, by_sound, args.nj, read) for data in (train, test)]
    same = same_recordings(train, test, *sides)
    known = {(a, b) for a, b, _ in same}
    utts = [list(side) for side in sides]
    pairs = duplicates.candidates(*([frames for frames, _ in side.values()] for side in sides))
    pairs = [(utts[1][j], utts[0][i]) for i, j in pairs if (utts[1][j], utts[0][i]) not in known]
    chunks = [pairs[i : i + PAIRS] for i in range(0, len(pairs), PAIRS)]
    likeness = functools.partial(alike_chunk, train, test, by_sound, read.allow_pipes)
    threshold = args.threshold if by_sound else FRAMES_ALIKE
    alike = [
        (a, b, score)
        for chunk, scores in zip(chunks, ordered_map(likeness, chunks, jobs=args.nj, label="candidates"))
        for (a, b), score in zip(chunk, scores)
        if score >= threshold
    ]
    alike.sort(key=lambda found: -found[2])
    return same, alike, "by sound" if by_sound else "by features"


def signatures(data, by_sound, jobs, read):
    """Dict of utterance to (frames, hash of its samples or features)."""
    items = list((data.segments or data.wav) if by_sound else data.feats)
    chunks = [items[i : i + CHUNK] for i in range(0, len(items), CHUNK)]
    sign = functools.partial(sign_chunk, data, by_sound, read.allow_pipes)
    found, skipped = {}, {}
    for signed, lost in ordered_map(sign, chunks, jobs=jobs, label=f"{CHUNK} recordings a step"):
        found.update(signed)
        skipped.update(lost)
    check_skipped(skipped, read.max_skipped, "read", len(found))
    if not found:
        raise DataError(f"{data.path}: no recording could be used")
    return found


def sign_chunk(data, by_sound, allow_pipes, utts):
    signed, lost = {}, {}
    for utt in utts:
        try:
            if by_sound:
                own, rate_hz = recording(data, utt, allow_pipes, rate_hz=None)
                heard = own if rate_hz == duplicates.RATE_HZ else recording(data, utt, allow_pipes)[0]
                frames = duplicates.band_energies(heard)
            else:
                own = frames = features(data, utt, allow_pipes)
        except DataError as error:
            lost[utt] = str(error)
        else:
            signed[utt] = frames, hashlib.sha256(own.tobytes()).hexdigest()
    return signed, lost


def recording(data, utt, allow_pipes, rate_hz=duplicates.RATE_HZ):
    """Samples of an utterance and their rate; `rate_hz` None leaves them as they were recorded."""
    segment = data.segments.get(utt)
    name = segment.recording if segment else utt
    if name not in data.wav:
        raise DataError(
            f"{data.path / 'segments'}: recording '{name}' of utterance '{utt}' is not in wav.scp (asrkit fix-data removes it)"
        )
    samples, own_hz = read_audio(
        data.wav[name], rate=rate_hz, base=data.path, allow_pipes=allow_pipes, on_channels=lambda count: None
    )
    return (
        cut(samples, rate_hz or own_hz, segment.start_s, segment.end_s) if segment else samples
    ), rate_hz or own_hz


def features(data, utt, allow_pipes):
    """Stored features without the first column, which the gain decides."""
    ((_, feats),) = read_scp({utt: data.feats[utt]}, base=data.path, allow_pipes=allow_pipes)
    reason = unusable(feats)
    if reason:
        raise DataError(f"{data.path / 'feats.scp'}: utterance '{utt}': {reason}")
    return feats[:, 1:] if feats.shape[1] > 1 else feats


def same_recordings(train, test, of_train, of_test):
    """Pairs that are the same file, at overlapping times, or have the same samples."""
    places = {}
    for utt in of_train:
        places.setdefault(place(train, utt)[0], []).append(utt)
    hashes = {digest: utt for utt, (_, digest) in reversed(of_train.items())}
    found = []
    for utt, (_, digest) in of_test.items():
        file, start_s, end_s = place(test, utt)
        times = ((other, place(train, other)) for other in places.get(file, ()) if file)
        match = next((other for other, (_, start, end) in times if start < end_s and start_s < end), None)
        if match:
            found.append((utt, match, "the same file"))
        elif digest in hashes:
            found.append((utt, hashes[digest], "the same samples" if file else "the same features"))
    return found


def place(data, utt):
    """(file, start, end in seconds) of an utterance; no file where there is none or a pipe."""
    segment = data.segments.get(utt)
    spec = data.wav.get(segment.recording if segment else utt, "")
    if not spec or is_pipe(spec):
        return "", 0.0, float("inf")
    end_s = segment.end_s if segment and segment.end_s >= 0 else float("inf")
    return os.path.realpath(resolve(spec, data.path)), segment.start_s if segment else 0.0, end_s


def alike_chunk(train, test, by_sound, allow_pipes, pairs):
    """The likeness of some pairs (utterance of TEST, of TRAIN)."""
    heard = {}
    for data, utts in ((test, {a for a, _ in pairs}), (train, {b for _, b in pairs})):
        for utt in utts:
            read = (
                features(data, utt, allow_pipes)
                if not by_sound
                else duplicates.band_wave(recording(data, utt, allow_pipes)[0])
            )
            heard[data.path, utt] = read
    compare = duplicates.same_wave if by_sound else duplicates.same_frames
    return [compare(heard[test.path, a], heard[train.path, b]) for a, b in pairs]
