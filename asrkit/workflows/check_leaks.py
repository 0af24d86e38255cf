"""Look for what a training set and a test set share: speakers, utterances, recordings, near-duplicates."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from asrkit.audio import duplicates
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.archive import read_scp
from asrkit.io.audio import located, read_audio
from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, DataDir, read_data_dir
from asrkit.io.features import ReadConfig, check_skipped, unusable
from asrkit.io.pipes import is_pipe
from asrkit.io.recordings import CHUNK, cut, in_chunks
from asrkit.io.remarks import Remarks, warn_of
from asrkit.io.speakers import REMEDY, unknown_speakers, who_is_unknown
from asrkit.runtime import ordered_map

PAIRS = 400  # pairs a unit of work
Signature = tuple[np.ndarray, str]  # frames (T, D), hash of the samples or features
MIN_FRAMES_SCORE = 0.93  # the threshold where there are only features


@dataclass(frozen=True)
class Leaks:
    """What two data directories share.

    Attributes
    ----------
    test_dir : path
    num_train, num_test : int
        Utterances of each.
    speakers : list of str or None
        Speakers on both sides; None where a side has no utt2spk.
    num_test_speakers : int
    speakers_allowed : bool
        Shared speakers are no leak.
    utts : list of str
        Utterance ids on both sides.
    copies : list of (str, str, str)
        Utterance of the test, of the training, and the original that one of them is a perturbed copy of.
    same : list of (str, str, str)
        Utterance of the test, of the training, and why they are the same recording.
    alike : list of (str, str, float)
        Near-duplicates: utterance of the test, of the training, and their score, highest first.
    compared : {"sound", "features"}
        What `same` and `alike` were found by.
    unknown : str
        Whose speakers are not known; empty where all are.
    """

    test_dir: PathLike
    num_train: int
    num_test: int
    speakers: list[str] | None
    num_test_speakers: int
    speakers_allowed: bool
    utts: list[str]
    copies: list[tuple[str, str, str]]
    same: list[tuple[str, str, str]]
    alike: list[tuple[str, str, float]]
    compared: str
    unknown: str = ""

    @property
    def count(self) -> int:
        """How many leaks there are."""
        speakers = 0 if self.speakers_allowed else len(self.speakers or ())
        return speakers + len(self.utts) + len(self.copies) + len(self.same) + len(self.alike)

    def lines(self, most: int = 5) -> list[str]:
        """Each kind of leak with how many there are, the first `most` by name, and how many in all."""
        kinds = {
            "utterance ids on both sides": self.utts,
            "copies of one original (utt2uniq)": [
                f"{utt} = {other} (of {original})" for utt, other, original in self.copies
            ],
            "the same recordings": [f"{utt} = {other} ({why})" for utt, other, why in self.same],
            f"near-duplicates (by {self.compared})": [
                f"{utt} ~ {other} ({score:.3f})" for utt, other, score in self.alike
            ],
        }
        lines = self._speaker_lines(most)
        for kind, found in kinds.items():
            lines += [f"{kind}: {len(found)}", *(f"  {line}" for line in found[:most])]
        none = f"no leaks found, {self.num_train} x {self.num_test} utterances"
        none += ", but a voice may be on both sides" * bool(self.unknown)
        return [*lines, f"{self.count} leaks" if self.count else none]

    def _speaker_lines(self, most: int) -> list[str]:
        unknown = [f"  {self.unknown}: a voice may be on both sides ({REMEDY})"] if self.unknown else []
        if self.speakers is None:
            return ["speakers: not known", *unknown]
        shown = ", ".join(self.speakers[:most])
        names = f": {shown}{', ...' if len(self.speakers) > most else ''}" if shown else ""
        lines = [
            f"speakers on both sides: {len(self.speakers)} of {self.num_test_speakers} in {self.test_dir}{names}"
        ]
        if self.speakers:
            lines.append("  an error rate of this split is that of known speakers; of others it says nothing")
        if self.num_test_speakers == 1 and self.speakers and not self.speakers_allowed:
            lines.append(
                "  1 speaker alone: allow_shared_speakers=true where that is meant, as with by=random of crossval"
            )
        return lines + unknown


def check_leaks(
    train_dir: PathLike,
    test_dir: PathLike,
    *,
    allow_shared_speakers: bool = False,
    threshold: float = 0.88,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> Leaks:
    """Look for speakers, utterances and recordings that a training set and a test set share.

    Near-duplicates are a recording once more at another gain, trimmed, resampled, in another format or with
    faint noise. Where a side has no wav.scp features are compared.

    Parameters
    ----------
    train_dir, test_dir : path
        Data directories.
    allow_shared_speakers : bool
        Speakers on both sides are no leak.
    threshold : float
        Correlation of two waves from which they are one recording, 0 to 1.
    read : ReadConfig, optional
        How many recordings may fail, and whether pipes are run.
    jobs : int
        Processes.

    Returns
    -------
    Leaks

    Raises
    ------
    DataError
        Nothing can be compared, or too many recordings fail.
    """
    train, test = read_data_dir(train_dir), read_data_dir(test_dir)
    read = read or ReadConfig()
    by_sound = bool(train.wav and test.wav)
    if not by_sound and not (train.feats and test.feats):
        raise DataError(
            f"{train_dir} and {test_dir}: neither wav.scp nor feats.scp in both, nothing to compare"
        )
    same, alike = compare_recordings(train, test, by_sound, threshold, read, jobs)
    known = set(train.utts)
    unknown = who_is_unknown(train, test)
    return Leaks(
        test_dir=test_dir,
        num_train=len(train.utts),
        num_test=len(test.utts),
        speakers=shared_speakers(train, test),
        num_test_speakers=len(set(test.utt2spk.values())),
        speakers_allowed=allow_shared_speakers,
        utts=[utt for utt in test.utts if utt in known],
        copies=shared_originals(train, test),
        same=same,
        alike=alike,
        compared="sound" if by_sound else "features",
        unknown=unknown,
    )


def shared_speakers(train: DataDir, test: DataDir) -> list[str] | None:
    """List speakers on both sides, or None where a side does not know its own."""
    if any(len(unknown_speakers(data)) == len(data.utts) for data in (train, test)):
        return None
    known = set(train.utt2spk.values())
    return [speaker for speaker in dict.fromkeys(test.utt2spk.values()) if speaker in known]


def shared_originals(train: DataDir, test: DataDir) -> list[tuple[str, str, str]]:
    """List (test utterance, train utterance, original) where one of the two is a perturbed copy."""
    of_train, of_test = (side_table(data, ORIGINALS, data.utts) for data in (train, test))
    first: dict[str, str] = {}
    for utt in train.utts:
        first.setdefault(of_train.get(utt, utt), utt)
    found = []
    for utt in test.utts:
        original = of_test.get(utt, utt)
        if original in first and utt != first[original]:
            found.append((utt, first[original], original))
    return found


def compare_recordings(
    train: DataDir, test: DataDir, by_sound: bool, threshold: float, read: ReadConfig, jobs: int
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, float]]]:
    """Find the recordings of both sides that are the same or nearly so.

    Returns
    -------
    same : list of (str, str, str)
        Utterance of `test`, of `train`, and why they are the same.
    alike : list of (str, str, float)
        Utterance of `test`, of `train`, and their score, highest first.
    """
    signed_train, signed_test = (signatures(data, by_sound, jobs, read) for data in (train, test))
    same = same_recordings(train, test, signed_train, signed_test)
    known = {(utt, other) for utt, other, _ in same}
    train_utts, test_utts = list(signed_train), list(signed_test)
    indices = duplicates.candidates(
        *([frames for frames, _ in signed.values()] for signed in (signed_train, signed_test))
    )
    pairs = [pair for i, j in indices if (pair := (test_utts[j], train_utts[i])) not in known]
    score = functools.partial(score_pairs, train, test, by_sound, read.allow_pipes)
    scored = ordered_map(score, in_chunks(pairs, PAIRS), jobs=jobs, label="candidates")
    scores = [score for chunk in scored for score in chunk]
    least = threshold if by_sound else MIN_FRAMES_SCORE
    alike = [(utt, other, score) for (utt, other), score in zip(pairs, scores) if score >= least]
    return same, sorted(alike, key=lambda found: -found[2])


def signatures(data: DataDir, by_sound: bool, jobs: int, read: ReadConfig) -> dict[str, Signature]:
    """Make a dict of utterance to (frames, hash of its samples or features)."""
    items = list((data.segments or data.wav) if by_sound else data.feats)
    sign = functools.partial(sign_chunk, data, by_sound, read.allow_pipes)
    found, skipped, remarks = {}, {}, {}
    for signed, lost, odd in ordered_map(
        sign, in_chunks(items, CHUNK), jobs=jobs, label=f"{CHUNK} recordings a step"
    ):
        found.update(signed)
        skipped.update(lost)
        remarks.update(odd)
    warn_of(remarks, used=False)
    check_skipped(skipped, read.max_skipped, "read", len(found))
    if not found:
        raise DataError(f"{data.path}: no recording could be used")
    return found


def sign_chunk(
    data: DataDir, by_sound: bool, allow_pipes: bool, utts: list[str]
) -> tuple[dict[str, Signature], dict[str, str], dict[str, Remarks]]:
    """Make the signatures of some utterances: dicts of utterance to signature, to reason, to Remarks."""
    signed, lost = {}, {}
    remarks: dict[str, Remarks] = {}
    for utt in utts:
        try:
            if by_sound:
                note = functools.partial(remarks.setdefault, utt)
                own, rate_hz = read_samples(data, utt, allow_pipes, rate_hz=None, on_remarks=note)
                samples = own if rate_hz == duplicates.RATE_HZ else read_samples(data, utt, allow_pipes)[0]
                frames = duplicates.band_energies(samples)
            else:
                own = frames = read_stored(data, utt, allow_pipes)
        except DataError as error:
            lost[utt] = str(error)
        else:
            signed[utt] = frames, hashlib.sha256(own.tobytes()).hexdigest()
    return signed, lost, remarks


def read_samples(
    data: DataDir,
    utt: str,
    allow_pipes: bool,
    rate_hz: int | None = duplicates.RATE_HZ,
    on_remarks: Callable[[Remarks], object] = lambda _: None,
) -> tuple[np.ndarray, int]:
    """Read the samples (N,) of an utterance and their rate in Hz; `rate_hz` None leaves them as recorded."""
    segment = data.segments.get(utt)
    name = segment.recording if segment else utt
    if name not in data.wav:
        raise DataError(
            f"{data.path / 'segments'}: recording '{name}' of utterance '{utt}' is not in wav.scp (asrkit fix-data removes it)"
        )
    samples, own_hz = read_audio(
        data.wav[name],
        rate=rate_hz,
        base=data.path,
        stated=segment.channel if segment else None,
        allow_pipes=allow_pipes,
        on_remarks=on_remarks,
    )
    rate_hz = rate_hz or own_hz
    return cut(samples, rate_hz, segment.start_s, segment.end_s) if segment else samples, rate_hz


def read_stored(data: DataDir, utt: str, allow_pipes: bool) -> np.ndarray:
    """Read the stored features of an utterance, (T, D) without the first column, which the gain decides."""
    ((_, feats),) = read_scp(
        {utt: data.feats[utt]}, base=data.path, allow_pipes=allow_pipes, path=data.path / "feats.scp"
    )
    reason = unusable(feats)
    if reason:
        raise DataError(f"{data.path / 'feats.scp'}: utterance '{utt}': {reason}")
    return feats[:, 1:] if feats.shape[1] > 1 else feats


def same_recordings(
    train: DataDir, test: DataDir, of_train: dict[str, Signature], of_test: dict[str, Signature]
) -> list[tuple[str, str, str]]:
    """List pairs that are the same file, at overlapping times, or have the same samples."""
    places: dict[str, list[str]] = {}
    for utt in of_train:
        places.setdefault(place(train, utt)[0], []).append(utt)
    hashes = {digest: utt for utt, (_, digest) in reversed(of_train.items())}
    found = []
    for utt, (_, digest) in of_test.items():
        file, start_s, end_s = place(test, utt)
        match = overlapping(train, places.get(file, ()) if file else (), start_s, end_s)
        if match:
            found.append((utt, match, "the same file"))
        elif digest in hashes:
            found.append((utt, hashes[digest], "the same samples" if file else "the same features"))
    return found


def overlapping(data: DataDir, utts: Iterable[str], start_s: float, end_s: float) -> str | None:
    """The first of some utterances of one file that overlaps a time, or None."""
    for utt in utts:
        _, own_start_s, own_end_s = place(data, utt)
        if own_start_s < end_s and start_s < own_end_s:
            return utt
    return None


def place(data: DataDir, utt: str) -> tuple[str, float, float]:
    """(file and channel, start, end in s) of an utterance; no file where there is none or a pipe."""
    segment = data.segments.get(utt)
    spec = data.wav.get(segment.recording if segment else utt, "")
    if not spec or is_pipe(spec):
        return "", 0.0, float("inf")
    end_s = segment.end_s if segment and segment.end_s >= 0 else float("inf")
    channel = f" channel {segment.channel}" if segment and segment.channel else ""
    return located(spec, data.path) + channel, segment.start_s if segment else 0.0, end_s


def score_pairs(
    train: DataDir, test: DataDir, by_sound: bool, allow_pipes: bool, pairs: list[tuple[str, str]]
) -> list[float]:
    """Score how alike some pairs (utterance of `test`, of `train`) are, 0 to 1."""
    read = {}
    for data, utts in ((test, {utt for utt, _ in pairs}), (train, {other for _, other in pairs})):
        for utt in utts:
            read[data.path, utt] = (
                duplicates.band_wave(read_samples(data, utt, allow_pipes)[0])
                if by_sound
                else read_stored(data, utt, allow_pipes)
            )
    compare = duplicates.same_wave if by_sound else duplicates.same_frames
    return [compare(read[test.path, utt], read[train.path, other]) for utt, other in pairs]
