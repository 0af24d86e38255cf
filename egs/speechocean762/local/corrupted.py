#!/usr/bin/env python3
"""Stage 5: do the scores fall when speech is corrupted? With the words of the Free Spoken Digit Dataset.

make   DATA is FSDD as a data directory with features. The fifths of a recording are its phones (7_1 to 7_5). OUT/train has the
       recordings of the four speakers that are first in the alphabet; OUT/noise, OUT/warp and OUT/smear have
       recordings of the others at five levels, 0 untouched, with phones.ctm, the level of every phone as its
       rating, and utt2uniq.
table  What `asrkit mixgop score` and `evaluate` left in EXP/noise, EXP/warp and EXP/smear -> EXP/table.txt, EXP/corrupted.png.
       With --most noise=-0.4,warp=-0.5 the exit status is 1 where the log-likelihood's tau by phone is
       higher.

noise  white, 20, 10, 0, -10 dB below the recording
warp   one half of the recording 12.5, 25, 37.5, 50 % slower, the other as much faster, as on an uneven tape. The length stays;
       sounds leave the fifth that they belong to, and pitch and formants move with the speed. Where the tape
       is slow nothing is left at the upper end of the spectrum: features must not look there (compute-mfcc
       --high-freq: half of the highest)
smear  a room that takes 0.1, 0.2, 0.4, 0.8 s to fall silent (by 60 dB), from whose far end one hears 10 dB less of the voice
       than of the room
example: local/corrupted.py make data/fsdd data/corrupted
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from asrkit.audio.perturbation import chance, change_speed, mix, reverberate
from asrkit.errors import DataError
from asrkit.io.alignment import write_ctm
from asrkit.io.audio import read_audio, write_wav
from asrkit.io.data_dir import ORIGINALS, DataDir, read_data_dir, subset, write_data_dir
from asrkit.io.files import atomic_write, c_sorted, write_table
from asrkit.io.ratings import read_ratings, read_scores
from asrkit.phones.phone import Phone

PARTS = 5
TRAIN_SPEAKERS = 4
LEVELS = {
    "noise": (None, 20, 10, 0, -10),
    "warp": (0, 0.125, 0.25, 0.375, 0.5),
    "smear": (0, 0.1, 0.2, 0.4, 0.8),
}
NAMES = {
    "noise": ("none", "20 dB", "10 dB", "0 dB", "-10 dB"),
    "warp": ("none", "12.5 %", "25 %", "37.5 %", "50 %"),
    "smear": ("none", "0.1 s", "0.2 s", "0.4 s", "0.8 s"),
}
ROOM_DRR_DB = -10.0
KINDS = ("loglik", "posterior")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    maker, teller = commands.add_parser("make"), commands.add_parser("table")
    maker.add_argument("data", type=Path)
    maker.add_argument("out", type=Path)
    maker.add_argument(
        "--recordings", type=int, default=15, help="of each word by each test speaker (default 15)"
    )
    maker.add_argument("--test-speakers", help="others than the last in the alphabet, with commas between")
    maker.add_argument("--seed", type=int, default=0)
    teller.add_argument("out", type=Path, help="OUT of make")
    teller.add_argument("exp", type=Path)
    teller.add_argument("--most", default="", help="most that a tau may be, as noise=-0.4,warp=-0.5")
    args = parser.parse_args()
    try:
        if args.command == "table":
            return table(args.out, args.exp, limits(args.most, parser))
        make(args.data, args.out, args.recordings, args.test_speakers, args.seed)
    except DataError as error:
        print(f"corrupted.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def limits(text, parser):
    """`noise=-0.4,warp=-0.5` as a dict."""
    try:
        most = {kind: float(value) for kind, value in (pair.split("=") for pair in text.split(",") if pair)}
        if set(most) <= set(LEVELS):
            return most
    except ValueError:
        pass
    return parser.error(
        f"--most={text}: wanted is {','.join(f'{kind}=-0.4' for kind in LEVELS)}, or some of it"
    )


# What is done to the recordings


def warp_time(samples, change):
    """The first half 1 - `change` times as fast, the second 1 + `change` times; halves of what is heard.

    Both are cut from the whole at that speed, so that they meet in the same moment of the recording, without
    a click.
    """
    half = len(samples) // 2
    slow, fast = change_speed(samples, 1 - change), change_speed(samples, 1 + change)
    return np.concatenate([slow[:half], fast[len(fast) - (len(samples) - half) :]])


def corrupt(kind, level, samples, rate_hz, rng):
    """A recording at one of five levels of corruption, of the same length, in [-1, 1]."""
    amount, samples = LEVELS[kind][level], np.asarray(samples, dtype=np.float64)
    if level == 0:
        return samples
    if kind == "noise":
        out = mix(samples, rng.standard_normal(len(samples)), amount)
    elif kind == "warp":
        out = warp_time(samples, amount)
    else:
        out = reverberate(samples, rate_hz, amount, ROOM_DRR_DB, rng)
    return out * min(1, 0.9999 / max(np.abs(out).max(initial=0), 1e-9))


# make


def make(source, out, recordings, test_speakers, seed):
    data = read_data_dir(source, require=("wav.scp", "text", "feats.scp"))
    speakers = c_sorted(set(data.utt2spk.values()))
    test = test_speakers.split(",") if test_speakers else speakers[TRAIN_SPEAKERS:]
    strange = sorted(set(test) - set(speakers))
    if strange or not test or not set(test) < set(speakers):
        raise DataError(
            f"{source}: speakers {' '.join(speakers)}; the test needs some of them, the training others, not {' '.join(strange or test)}"
        )
    train = [utt for utt in data.utts if data.speaker(utt) not in test]
    write_data_dir(subset(data, train), out / "train")
    audio = {utt: read_audio(data.wav[utt], base=data.path) for utt in data.utts}
    parts = {utt: fifths(data.text[utt], len(samples) / rate) for utt, (samples, rate) in audio.items()}
    write_ctm(out / "train" / "phones.ctm", {utt: parts[utt] for utt in train})
    originals = first(data, set(data.utts) - set(train), recordings)
    for kind in LEVELS:
        folder = (out / kind / "wavs").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wav, original = {}, {}
        for utt in originals:
            samples, rate = audio[utt]
            for level in range(len(LEVELS[kind])):
                copy = f"{utt}-{kind}{level}"
                wav[copy], original[copy] = str(folder / f"{copy}.wav"), utt
                # The same chance at all levels: the same noise, but for its strength.
                write_wav(wav[copy], corrupt(kind, level, samples, rate, chance(seed, utt, 1, "noise")), rate)
        text, utt2spk = (
            {copy: table[utt] for copy, utt in original.items()} for table in (data.text, data.utt2spk)
        )
        write_data_dir(DataDir(out / kind, wav, text, utt2spk), out / kind)
        write_table(out / kind / ORIGINALS, original)
        write_ctm(out / kind / "phones.ctm", {copy: parts[utt] for copy, utt in original.items()})
        with atomic_write(out / kind / "ratings.tsv") as stream:
            stream.write("utt\tidx\trating\n")
            stream.writelines(
                f"{copy}\t{idx}\t{copy[-1]}\n" for copy in c_sorted(original) for idx in range(PARTS)
            )
    trained = c_sorted({data.speaker(utt) for utt in train})
    print(
        f"{out}: {len(train)} recordings of {' '.join(trained)} to train; {len(originals)} of {' '.join(c_sorted(test))} at five levels each"
    )


def fifths(word, duration_s):
    """Five phones of equal length that tile a recording."""
    ends = duration_s * np.arange(PARTS + 1) / PARTS
    return tuple(Phone(f"{word}_{i + 1}", float(ends[i]), float(ends[i + 1])) for i in range(PARTS))


def first(data, utts, count):
    """The first `count` recordings of each word by each speaker; -2 is before -10."""
    found = {}
    for utt in sorted(utts, key=lambda utt: (len(utt), utt)):
        found.setdefault((data.speaker(utt), data.text[utt]), []).append(utt)
    return c_sorted(utt for some in found.values() for utt in some[:count])


# table


def table(data, exp, most):
    heads = [
        "corruption",
        *(f"level {level}" for level in range(5)),
        "tau loglik",
        "tau posterior",
        "utterance: loglik",
        "posterior",
    ]
    cells, panels, bad = [], {}, []
    for kind in LEVELS:
        ratings = read_ratings(data / kind / "ratings.tsv").by_utt
        scores = read_scores(exp / kind / "score", KINDS)
        levels = np.array(
            [ratings[utt][int(idx)] for utt, idx in zip(scores.columns["utt"], scores.columns["idx"])]
        )
        panels[kind] = {name: [scores.columns[name][levels == level] for level in range(5)] for name in KINDS}
        with open(exp / kind / "evaluation" / "evaluation.json", encoding="utf-8") as stream:
            rows = {row["kind"]: row for row in json.load(stream)["rows"]}
        taus = [against_level(rows[name][tau]) for tau in ("phone_tau", "utt_tau") for name in KINDS]
        means = [f"{np.nanmean(values):.2f}" for values in panels[kind]["loglik"]]
        cells.append([kind, *means, *(f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in taus)])
        if not taus[0][0] <= most.get(kind, np.inf):
            bad.append(
                f"{kind}: tau {taus[0][0]:.3f} of the log-likelihood, at most {most[kind]:g} was to come"
            )
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip()
        for line in (heads, *cells)
    ]
    lines += [
        "level: mean log-likelihood of a phone. tau: Kendall's tau-b of score against level, by phone, then by utterance; minus what",
        "asrkit mixgop evaluate says, where a plus is agreement. [ ]: 95 % of draws of whole recordings; of these speakers, not of others",
    ]
    print("\n".join(lines))
    with atomic_write(exp / "table.txt") as stream:
        stream.writelines(line + "\n" for line in lines)
    from asrkit.plots.ratings import plot_levels  # late: matplotlib is slow to import

    with atomic_write(exp / "corrupted.png", "wb") as stream:
        plot_levels(panels, NAMES, stream)
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


def against_level(estimate):
    """An estimate of agreement, of a rating that is the worse the higher, as one of score against level."""
    return -estimate["value"], -estimate["high"], -estimate["low"]


if __name__ == "__main__":
    sys.exit(main())
