"""A data directory's features as a model wants them: read, checked, normalised, with deltas.

What can't be used is not dropped in silence: every utterance comes back as features or as a reason.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.config import from_conf, option
from asrkit.endpoint import EndpointConfig
from asrkit.errors import DataError, UsageError
from asrkit.frontend import FrontEnd, MfccConfig, cmvn_stats, transform_many
from asrkit.io.archive import read_matrix, read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.models.base import chunks

MFCC_RECORD = "frontend.conf"  # beside feats.scp: the settings that made the features
ENDPOINT_RECORD = "endpoint.conf"  # beside segments: the settings that found them


class FeatureSet:
    """Model features of a data directory, read anew each time they are gone through, a few utterances at a time.

    Attributes
    ----------
    data : DataDir
    frontend : FrontEnd
    skipped : dict of str to str
        Why an utterance has no features; complete after all were gone through.
    lengths : dict of str to int
        Frames of each utterance that has; likewise.
    """

    def __init__(self, data, frontend, stats, allow_pipes):
        self.data, self.frontend = data, frontend
        self.skipped, self.lengths = {}, {}
        self._stats, self._allow_pipes = stats, allow_pipes

    def __iter__(self):
        """Yield (utt, model features), in the order of feats.scp."""
        self.skipped.clear()
        self.lengths.clear()
        for some in chunks(usable_matrices(self.data, self.data.feats, self.skipped, self._allow_pipes, self.frontend.dim)):
            yield from self._transformed(some)

    def _transformed(self, some):
        stats = [self._stats.get(self.data.speaker(utt)) for utt, _ in some]
        for (utt, _), feats in zip(some, transform_many([feats for _, feats in some], self.frontend.transform, stats), strict=True):
            self.lengths[utt] = len(feats)
            yield utt, feats

    def read(self, utt):
        """Model features of one utterance, or a DataError."""
        skipped = {}
        some = list(usable_matrices(self.data, {utt: self.data.feats[utt]}, skipped, self._allow_pipes, self.frontend.dim))
        if skipped:
            raise DataError(f"{self.data.path / 'feats.scp'}: utterance '{utt}': {skipped[utt]}")
        return next(self._transformed(some))[1]

    def frame_shift_s(self):
        """Seconds a frame: from the settings, else from the file frame_shift, else Kaldi's 10 ms."""
        if self.frontend.mfcc is not None:
            return self.frontend.mfcc.frame_shift_ms / 1000
        path = self.data.path / "frame_shift"
        try:
            return float(path.read_text()) if path.exists() else 0.01
        except ValueError:
            raise DataError(f"{path}: no number of seconds (Kaldi writes 0.01)") from None


def read_record(config_class, path):
    """Settings that a command left beside its results, or None where it left none."""
    if not path.exists():
        return None
    try:
        return from_conf(config_class, path)
    except UsageError as error:
        raise DataError(f"{error} (the command that wrote it writes it anew)") from None


def read_features(directory, *, need_text=False, transform_config=None, frontend=None, allow_pipes=False):
    """Open the features of a data directory and check what can be checked without reading them all.

    Parameters
    ----------
    need_text : bool
        Every utterance must have a transcript of exactly one word.
    transform_config : TransformConfig, optional
        For training: what to do with the stored features.
    frontend : FrontEnd, optional
        For everything else: the model's; features of another kind are refused.

    Returns
    -------
    FeatureSet

    Raises
    ------
    DataError
        Files are missing or contradict each other, or the features are not what the model was trained on.
    """
    data = read_data_dir(directory, require=("text", "feats.scp") if need_text else ("feats.scp",))
    if need_text:
        check_words(data)
    mfcc = read_record(MfccConfig, data.path / MFCC_RECORD)
    skipped = {}
    first = next(usable_matrices(data, data.feats, skipped, allow_pipes), None)
    if first is None:
        raise DataError(f"{data.path / 'feats.scp'}: no utterance has features that can be used{first_reasons(skipped)}")
    dim = first[1].shape[1]
    if frontend is None:
        endpoint = read_record(EndpointConfig, data.path / ENDPOINT_RECORD)
        frontend = FrontEnd(dim, mfcc, transform_config, endpoint)
    else:
        refuse_other_kind(frontend, dim, mfcc, data.path)
    stats = speaker_stats(data, dim, allow_pipes) if frontend.transform.cmvn == "speaker" else {}
    return FeatureSet(data, frontend, stats, allow_pipes)


def usable_matrices(data, scp, skipped, allow_pipes, dim=None):
    """Yield (utt, stored features float32 (T, D)) for what can be used of `scp`; the reasons for the others go to `skipped`."""
    try:
        for utt, feats in read_scp(scp, base=data.path, allow_pipes=allow_pipes):
            reason = unusable(feats)
            if reason:
                skipped[utt] = reason
                continue
            if dim not in (None, feats.shape[1]):
                raise DataError(
                    f"utterance '{utt}' has dimension {feats.shape[1]}, those before it {dim} "
                    f"(compute all features with one setting: asrkit compute-mfcc)"
                )
            dim = feats.shape[1]
            yield utt, np.ascontiguousarray(feats, dtype=np.float32)
    except DataError as error:
        raise DataError(f"{data.path / 'feats.scp'}: {error}") from None


def check_words(data):
    """Every utterance with features says exactly one word, and every word has features."""
    text, feats = data.path / "text", data.path / "feats.scp"
    for number, (utt, word) in enumerate(data.text.items(), 1):
        if utt not in data.feats:
            raise DataError(f"{text}:{number}: utterance '{utt}' is not in feats.scp (asrkit fix-data {data.path} removes it)")
        if len(word.encode()) > 1000:
            raise DataError(f"{text}:{number}: utterance '{utt}' says a word of {len(word.encode())} bytes, 1000 are allowed")
        if len(word.split()) != 1:
            said = f"'{word}'" if word else "nothing"
            raise DataError(f"{text}:{number}: utterance '{utt}' says {said}, one word is needed (cut it, or leave it out)")
    for number, utt in enumerate(data.feats, 1):
        if utt not in data.text:
            raise DataError(f"{feats}:{number}: utterance '{utt}' is not in text (asrkit fix-data {data.path} removes it)")


def unusable(feats):
    """Why a feature matrix can't be used, or None."""
    if feats.ndim != 2:
        return f"its features are a vector of {feats.size}, not a matrix"
    if not len(feats):
        return "no frames"
    if not feats.shape[1]:
        return "frames without any dimension"
    if not np.isfinite(feats).all():
        return f"{int((~np.isfinite(feats)).any(axis=1).sum())} of {len(feats)} frames hold NaN or infinite values"
    return None


def refuse_other_kind(frontend, dim, mfcc, where):
    difference = frontend.difference(dim, mfcc)
    if difference:
        raise DataError(f"{where}: features of another kind than the model's: {difference} (asrkit compute-mfcc with the model's settings)")


def speaker_stats(data, dim, allow_pipes):
    """CMVN statistics by speaker: from cmvn.scp where it is there, else summed over the directory's utterances."""
    if not data.cmvn:
        return sum_by_speaker(data, usable_matrices(data, data.feats, {}, allow_pipes, dim))
    stats = {}
    for speaker in {data.speaker(utt): None for utt in data.feats}:
        if speaker not in data.cmvn:
            raise DataError(f"{data.path / 'cmvn.scp'}: speaker '{speaker}' is missing (asrkit compute-cmvn {data.path})")
        stats[speaker] = read_matrix(data.cmvn[speaker], base=data.path).astype(np.float64)
        if stats[speaker].shape != (2, dim + 1):
            raise DataError(
                f"{data.path / 'cmvn.scp'}: speaker '{speaker}': statistics of shape {stats[speaker].shape} "
                f"for features of dimension {dim} (asrkit compute-cmvn {data.path})"
            )
    return stats


def sum_by_speaker(data, items):
    """Kaldi's CMVN statistics, one a speaker, in the order the speakers appear."""
    stats = {}
    for utt, feats in items:
        speaker = data.speaker(utt)
        stats[speaker] = stats.get(speaker, 0) + cmvn_stats(feats)
    return stats


def first_reasons(skipped, most=3):
    """`: a: reason; b: reason; and 5 more` for an error or summary line."""
    if not skipped:
        return ""
    shown = "; ".join(f"{utt}: {reason}" for utt, reason in list(skipped.items())[:most])
    return f": {shown}" + (f"; and {len(skipped) - most} more" if len(skipped) > most else "")


def summary(verb, done, skipped):
    """`decoded 299, skipped 1 (theo_2_9: 3 frames < 5 states)`."""
    names = first_reasons(skipped)[2:]
    return f"{verb} {done}, skipped {len(skipped)}" + (f" ({names})" if skipped else "")


def check_skipped(skipped, most, verb, done):
    """Raise where more utterances had to be skipped than the user allows."""
    if len(skipped) > most:
        raise DataError(f"{summary(verb, done, skipped)}: more than --max-skipped {most} (mend or remove them, or raise it)")


@dataclass(frozen=True)
class ReadConfig:
    max_skipped: int = option(0, "utterances that may be unusable before the command fails", minimum=0)
    allow_pipes: bool = option(False, "run shell pipes found in scp files")
