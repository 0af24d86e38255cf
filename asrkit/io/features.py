"""A data directory's features as a model wants them: read, checked, normalised, with deltas.

What can't be used is not dropped in silence: every utterance comes back as features or as a reason.
"""

import logging
from dataclasses import dataclass, fields

import numpy as np

from asrkit.audio.endpoint import EndpointConfig
from asrkit.config import flag_name, from_conf, option, read_conf
from asrkit.errors import DataError, UsageError
from asrkit.features.frontend import FrontEnd, MfccConfig, SslConfig, cmvn_stats, transform_many
from asrkit.features.warp import warp_feats, warp_matrix
from asrkit.io.archive import read_matrix, read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.models.base import chunks

MFCC_RECORD = "frontend.conf"  # beside feats.scp: the settings that made the features
ENDPOINT_RECORD = "endpoint.conf"  # beside segments: the settings that found them

log = logging.getLogger("asrkit")


class FeatureSet:
    """Model features of a data directory, read anew each time they are gone through, a few utterances at a
    time.

    Attributes
    ----------
    data : DataDir
    frontend : FrontEnd
    skipped : dict of str to str
        Why an utterance has no features; complete after all were gone through.
    lengths : dict of str to int
        Frames of each utterance that has; likewise.
    warps : dict of str to (C, C)
        Matrices by which copies are made of every utterance, `utt 0.92` beside `utt`; no name of Kaldi's
        holds a space.
    """

    def __init__(self, data, frontend, stats, allow_pipes, warps=None):
        self.data, self.frontend, self.warps = data, frontend, warps or {}
        self.skipped, self.lengths = {}, {}
        self._stats, self._allow_pipes = stats, allow_pipes

    def __iter__(self):
        """Yield (utt, model features), in the order of feats.scp, each followed by its copies."""
        self.skipped.clear()
        self.lengths.clear()
        for some in chunks(
            usable_matrices(self.data, self.data.feats, self.skipped, self._allow_pipes, self.frontend.dim)
        ):
            copies = [self._transformed(some)]
            for name, matrix in self.warps.items():
                copies.append(
                    self._transformed([(utt, warp_feats(feats, matrix)) for utt, feats in some], name)
                )
            for together in zip(*copies, strict=True):
                yield from together

    def word(self, utt):
        """What an utterance, or the one it is a copy of, says."""
        return self.data.text.get(utt.partition(" ")[0], "")

    def _transformed(self, some, warp=None):
        stats = [self._stats.get((self.data.speaker(utt), warp)) for utt, _ in some]
        for (utt, _), feats in zip(
            some, transform_many([feats for _, feats in some], self.frontend.transform, stats), strict=True
        ):
            name = f"{utt} {warp}" if warp else utt
            self.lengths[name] = len(feats)
            yield name, feats

    def read(self, utt):
        """Model features of one utterance, or a DataError."""
        skipped = {}
        some = list(
            usable_matrices(
                self.data, {utt: self.data.feats[utt]}, skipped, self._allow_pipes, self.frontend.dim
            )
        )
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


def read_kind(path):
    """What frontend.conf says of how features were made: MfccConfig, SslConfig, or None where there is no
    such file.
    """
    try:
        flags = {flag for _, flag, _ in read_conf(path)} if path.exists() else set()
    except UsageError:
        flags = set()  # told below
    own = {f"--{flag_name(field)}" for field in fields(SslConfig) if field.name.startswith("ssl")}
    return read_record(SslConfig if flags & own else MfccConfig, path)


def read_features(
    directory, *, need_text=False, transform_config=None, frontend=None, allow_pipes=False, warps=(1.0,)
):
    """Open the features of a data directory and check what can be checked without reading them all.

    Parameters
    ----------
    need_text : bool
        Every utterance must have a transcript of exactly one word.
    transform_config : TransformConfig, optional
        For training: what to do with the stored features.
    frontend : FrontEnd, optional
        For everything else: the model's; features of another kind are refused.
    warps : tuple of float
        For training: factors of the frequency axis, 1 the first; every other makes a copy of each utterance.

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
    made = read_kind(data.path / MFCC_RECORD)
    skipped = {}
    first = next(usable_matrices(data, data.feats, skipped, allow_pipes), None)
    if first is None:
        raise DataError(
            f"{data.path / 'feats.scp'}: no utterance has features that can be used{first_reasons(skipped)}"
        )
    dim = first[1].shape[1]
    if frontend is None:
        endpoint = read_record(EndpointConfig, data.path / ENDPOINT_RECORD)
        mfcc, ssl = (made if isinstance(made, kind) else None for kind in (MfccConfig, SslConfig))
        frontend = FrontEnd(dim, mfcc, transform_config, endpoint, ssl)
    else:
        refuse_other_kind(frontend, dim, made, data.path)
    matrices = warp_matrices(warps, frontend)
    stats = {}
    if frontend.transform.cmvn == "speaker":
        for name, matrix in {None: None, **matrices}.items():
            own = speaker_stats(data, dim, allow_pipes, matrix)
            stats.update({(speaker, name): sums for speaker, sums in own.items()})
    return FeatureSet(data, frontend, stats, allow_pipes, matrices)


def warp_matrices(factors, frontend):
    """Dict of the factor, as text, to its matrix; empty, with a warning, where nobody knows how the features
    were made.
    """
    if len(factors) == 1:
        return {}
    if frontend.mfcc is None or frontend.dim % frontend.mfcc.num_ceps:
        log.warning(
            "no warped copies to train on: how the features were made is not known (%s beside feats.scp says it)",
            MFCC_RECORD,
        )
        return {}
    return {f"{factor:g}": warp_matrix(factor, frontend.mfcc) for factor in factors[1:]}


def usable_matrices(data, scp, skipped, allow_pipes, dim=None):
    """Yield (utt, stored features float32 (T, D)) for what can be used of `scp`; the reasons for the others
    go to `skipped`.
    """
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
            raise DataError(
                f"{text}:{number}: utterance '{utt}' is not in feats.scp (asrkit fix-data {data.path} removes it)"
            )
        if len(word.encode()) > 1000:
            raise DataError(
                f"{text}:{number}: utterance '{utt}' says a word of {len(word.encode())} bytes, 1000 are allowed"
            )
        if len(word.split()) != 1:
            said = f"'{word}'" if word else "nothing"
            raise DataError(
                f"{text}:{number}: utterance '{utt}' says {said}, one word is needed (cut it, or leave it out)"
            )
    for number, utt in enumerate(data.feats, 1):
        if utt not in data.text:
            raise DataError(
                f"{feats}:{number}: utterance '{utt}' is not in text (asrkit fix-data {data.path} removes it)"
            )


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


def refuse_other_kind(frontend, dim, made, where):
    difference = frontend.difference(dim, made)
    if difference:
        command = "compute-ssl" if frontend.ssl else "compute-mfcc"
        raise DataError(
            f"{where}: features of another kind than the model's: {difference} (asrkit {command} with the model's settings)"
        )


def speaker_stats(data, dim, allow_pipes, warp=None):
    """CMVN statistics by speaker: from cmvn.scp where it is there and nothing is warped, else summed over the
    directory's utterances.
    """
    if not data.cmvn or warp is not None:
        items = usable_matrices(data, data.feats, {}, allow_pipes, dim)
        return sum_by_speaker(
            data, items if warp is None else ((utt, warp_feats(feats, warp)) for utt, feats in items)
        )
    stats = {}
    for speaker in {data.speaker(utt): None for utt in data.feats}:
        if speaker not in data.cmvn:
            raise DataError(
                f"{data.path / 'cmvn.scp'}: speaker '{speaker}' is missing (asrkit compute-cmvn {data.path})"
            )
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
        raise DataError(
            f"{summary(verb, done, skipped)}: more than --max-skipped {most} (mend or remove them, or raise it)"
        )


@dataclass(frozen=True)
class ReadConfig:
    max_skipped: int = option(0, "utterances that may be unusable before the command fails", minimum=0)
    allow_pipes: bool = option(False, "run shell pipes found in scp files")
