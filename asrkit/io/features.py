"""A data directory's features as a model wants them: read, checked, normalised, with deltas.

What can't be used is not dropped in silence: every utterance comes back as features or as a reason.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asrkit.characters import WORD_BYTES, alike_in_columns, phrase
from asrkit.config import format_conf, from_conf, option, read_conf
from asrkit.errors import DataError, SettingsError
from asrkit.features.frontend import LARGEST, FrontEnd, unusable
from asrkit.features.kind import FeatureKind, load, names
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.projection import LDA, Projection, ProjectionConfig
from asrkit.features.transform import Prior, TransformConfig, cmvn_stats, count_deltas
from asrkit.features.warp import log_scale, warp_feats
from asrkit.io.archive import read_matrix, read_scp
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.files import line_of
from asrkit.models.base import WarpedCopy, chunks, is_recording
from asrkit.runtime import one_thread

KIND_RECORD = "frontend.conf"  # beside feats.scp: the kind of features and the settings that made them
ENDPOINT_RECORD = "endpoint.conf"  # beside segments: the settings that found them
KIND = "--kind"  # the line of frontend.conf that names the kind
LOOKED_AT = (
    3,
    30,
)  # utterances that are looked at for deltas that are there already: as many, or more where they are short
LONG = 16  # frames of which one utterance tells it
DELTA_WINDOW = TransformConfig.delta_window  # Kaldi's, and so the likeliest of features that others have made

log = logging.getLogger("asrkit")


class FeatureSet:
    """Model features of a data directory, made anew each time they are gone through, a few utterances at a time.

    Attributes
    ----------
    data : DataDir
        Its words and speakers; of features that came as arrays it has no files.
    frontend : FrontEnd
    skipped : dict of str to str
        Why an utterance has no features; complete after all were gone through.
    lengths : dict of key to int
        Frames of each utterance that has, and of its copies; likewise.
    warps : dict of str to (C, C)
        Matrices by which copies are made of every utterance, by their factors.
    memories : tuple of str
        What is known of a speaker when an utterance is normalised: "none", the utterance alone; "speaker", all utterances up to
        this one, too; "whole", all utterances. With several, every utterance and its copies are there once for each.
    """

    def __init__(
        self,
        data: DataDir,
        frontend: FrontEnd,
        matrices: "Callable[[dict, dict, int], Iterator[tuple[str, np.ndarray]]]",
        stats: dict | None = None,
        warps: dict[str, np.ndarray] | None = None,
        name: str | None = None,
        memories: tuple[str, ...] = ("none",),
        shortest: int = 1,
    ):
        """
        Parameters
        ----------
        matrices : callable
            (dict of utt to its entry of feats.scp, dict for the reasons of those skipped, dimension) -> pairs of utt and stored
            features, float32 (T, dim).
        stats : dict, optional
            CMVN statistics (2, dim + 1) by (speaker, factor or None).
        name : str, optional
            Of features in memory: the argument that holds them.
        shortest : int
            Frames below which no word is heard in an utterance, so that nothing of it is remembered.
        """
        self.data, self.frontend, self.warps = data, frontend, warps or {}
        self.skipped, self.lengths = {}, {}
        self._stats, self._matrices, self._name = stats or {}, matrices, name
        self.memories = memories if frontend.transform.remembers else ("whole",)
        self._shortest = shortest

    def __iter__(self):
        """Yield (key, model features), in the order of feats.scp, each followed by its copies."""
        return ((key, own) for key, own, _ in self._all())

    def scaled(self):
        """Yield (key, model features, by how much normalisation has scaled them: `log_scale` of asrkit.features.warp)."""
        scales = self.frontend.transform.scales
        return ((key, own, log_scale(stored, own) if scales else 0.0) for key, own, stored in self._all())

    def _all(self):
        """Yield (key, model features, stored ones)."""
        self.skipped.clear()
        self.lengths.clear()
        heard: dict = {}  # statistics by (speaker, factor) of the utterances so far
        for some in chunks(self._matrices(self.data.feats, self.skipped, self.frontend.dim)):
            copies = []
            for factor, matrix in {None: None, **self.warps}.items():
                own = some if factor is None else [(utt, warp_feats(feats, matrix)) for utt, feats in some]
                copies += [self._transformed(own, factor, memory, heard) for memory in self.memories]
            for together in zip(*copies, strict=True):
                yield from together

    @property
    def num_copies(self):
        """How often every utterance is there."""
        return (1 + len(self.warps)) * len(self.memories)

    def place(self, table):
        """Where errors say that something stands: a file of the data directory, or the argument that holds the features."""
        return self._name or str(self.data.path / table)

    def word(self, key):
        """What an utterance, or the one it is a copy of, says."""
        return self.data.text.get(key if is_recording(key) else key.utt, "")

    def _transformed(self, some, factor, memory, heard):
        feats = self.frontend.model_features(
            [feats for _, feats in some], self._known(some, factor, memory, heard)
        )
        for (utt, stored), own in zip(some, feats, strict=True):
            other = "" if memory == self.memories[0] else memory
            key = WarpedCopy(utt, factor or "1", other) if factor or other else utt
            self.lengths[key] = len(own)
            yield key, own, stored

    def _known(self, some, factor, memory, heard):
        """What is known of each utterance's speaker: statistics (2, dim + 1), or None."""
        speakers = [(self.data.speaker(utt), factor) for utt, _ in some]
        if memory != "speaker":
            return [self._stats.get(speaker) if memory == "whole" else None for speaker in speakers]
        known = []
        for speaker, (_, feats) in zip(speakers, some, strict=True):
            known.append(heard.get(speaker, 0) + cmvn_stats(feats))
            if len(feats) >= self._shortest:
                heard[speaker] = known[-1]
        return known

    def read(self, utt):
        """Model features of one utterance, or a DataError; of a speaker of whom nothing was heard before it."""
        skipped = {}
        some = list(self._matrices({utt: self.data.feats[utt]}, skipped, self.frontend.dim))
        if skipped:
            raise DataError(f"{self.place('feats.scp')}: utterance '{utt}': {skipped[utt]}")
        return next(self._transformed(some, None, self.memories[0], {}))[1]

    def stored(self, utts):
        """Stored features of some utterances, as a front end is given them: dict of utt to float32 (T, dim), of those that can be used."""
        return dict(self._matrices({utt: self.data.feats[utt] for utt in utts}, {}, self.frontend.dim))

    def frame_shift_s(self):
        """Seconds a frame: from the settings, else from the file frame_shift, else Kaldi's 10 ms, where
        durations do not contradict that (a DataError).
        """
        from asrkit.io.durations import (  # late: it reads recordings
            stated_frame_shift_s,
            unstated_frame_shift_s,
        )

        stated_s = stated_frame_shift_s(self.data, self.frontend.kind)
        if stated_s is None:
            return unstated_frame_shift_s(self.data, lambda utt: len(self.read(utt)))
        return stated_s


def read_record(config_class, path):
    """Settings that a command left beside its results, or None where it left none."""
    if not path.exists():
        return None
    try:
        return from_conf(config_class, path, without=(KIND,))
    except SettingsError as error:
        raise DataError(f"{error} (the command that wrote it writes it anew)") from None


def read_kind(path: Path) -> FeatureKind:
    """Read frontend.conf: how features were made; GivenFeatures where there is no such file."""
    if not path.exists():
        return GivenFeatures()
    try:
        lines = read_conf(path)
    except SettingsError as error:
        raise DataError(f"{error} (the command that wrote it writes it anew)") from None
    found = kind_name({flag: value for _, flag, value in lines})
    if found not in names():
        raise DataError(f"{path}: {KIND}={found} is none of {', '.join(names())}")
    return read_record(load(found), path)


def kind_name(values: dict[str, str | None]) -> str | None:
    """Which kind the settings of a frontend.conf are of, by flag: an asrkit that knew two kinds alone did not name them."""
    old = "ssl" if any(flag.startswith("--ssl-") for flag in values) else "mfcc"
    return values.get(KIND, old)


def format_kind(kind: FeatureKind) -> str:
    """Write the text of frontend.conf."""
    return f"{KIND}={kind.name}\n{format_conf(kind)}"


def read_features(
    directory,
    *,
    need_text=False,
    transform_config=None,
    projection_config=None,
    frontend=None,
    allow_pipes=False,
    warps=(1.0,),
    memories=("none",),
    shortest=1,
    phrases=False,
):
    """Open the features of a data directory and check what can be checked without reading them all.

    Parameters
    ----------
    directory : path or DataDir
    need_text : bool
        Every utterance must have a transcript of exactly one word, or, with `phrases`, of any.
    transform_config : TransformConfig, optional
        For training: what to do with the stored features.
    projection_config : ProjectionConfig, optional
        For training: what is estimated on all of them, copies included, and comes after that.
    frontend : FrontEnd, optional
        For everything else: the model's; features of another kind are refused.
    warps : tuple of float
        For training: factors of the frequency axis, 1 the first; every other makes a copy of each utterance.
    memories : tuple of str
    shortest : int
        As in `FeatureSet`.

    Returns
    -------
    FeatureSet

    Raises
    ------
    DataError
        Files are missing or contradict each other, or the features are not what the model was trained on.
    """
    if isinstance(directory, DataDir):
        data = directory
    else:
        data = (
            read_words(directory, phrases) if need_text else read_data_dir(directory, require=("feats.scp",))
        )
    made = read_kind(data.path / KIND_RECORD)
    endpoint = None
    if (data.path / ENDPOINT_RECORD).exists():
        from asrkit.audio.endpoint import EndpointConfig  # late: few stored features have one

        endpoint = read_record(EndpointConfig, data.path / ENDPOINT_RECORD)

    def matrices(scp, skipped, dim):
        return usable_matrices(data, scp, skipped, allow_pipes, dim)

    return open_features(
        data,
        matrices,
        made,
        endpoint,
        transform_config,
        frontend,
        warps,
        memories=memories,
        shortest=shortest,
        allow_pipes=allow_pipes,
        projection_config=projection_config,
    )


def read_words(directory, phrases=False):
    """Read a data directory that can be trained on: DataDir.

    Parameters
    ----------
    phrases : bool
        A text line of several words is one class, a phrase; they are in the form that `phrase` gives.
    """
    data = read_data_dir(directory, require=("text", "feats.scp"))
    if phrases:
        data = replace(data, text={utt: phrase(said) for utt, said in data.text.items()})
    check_words(data, phrases)
    return data


def features_of_arrays(
    arrays,
    words,
    speakers=None,
    *,
    kind=None,
    endpoint=None,
    transform_config=None,
    projection_config=None,
    frontend=None,
    warps=(1.0,),
    memories=("none",),
    reasons=None,
    name="data",
):
    """Open features that are in memory.

    Parameters
    ----------
    arrays : dict of str to (T, D)
        Stored features by utterance; those that can't be used are skipped, as in a data directory.
    words : dict of str to str
        What each says; empty where nobody knows.
    speakers : dict of str to str, optional
        Who says it; the utterance itself where nobody knows.
    kind : FeatureKind, optional
        How they were made.
    reasons : dict of str to str, optional
        Why further utterances have no features.
    name : str
        The argument that holds them, for errors.

    Returns
    -------
    FeatureSet
    """
    reasons = reasons or {}
    data = DataDir(
        path=Path(name),
        text=dict(words),
        utt2spk=dict(speakers or {}),
        feats=dict.fromkeys([*arrays, *reasons], ""),
    )

    def matrices(scp, skipped, dim):
        skipped.update((utt, reasons[utt]) for utt in scp if utt in reasons)
        return checked_matrices(((utt, arrays[utt]) for utt in scp if utt not in reasons), skipped, dim)

    made = kind or GivenFeatures()
    return open_features(
        data,
        matrices,
        made,
        endpoint,
        transform_config,
        frontend,
        warps,
        name,
        memories,
        projection_config=projection_config,
    )


def open_features(
    data,
    matrices,
    made,
    endpoint,
    transform_config,
    frontend,
    warps,
    name=None,
    memories=("none",),
    shortest=1,
    allow_pipes=False,
    projection_config=None,
):
    """Look at the first features and make the FeatureSet, with the statistics that its normalisation needs."""
    skipped, some, long = {}, [], 0
    for _, feats in matrices(data.feats, skipped, None):
        some.append(feats)
        long += len(feats) >= LONG
        if frontend is not None or long == LOOKED_AT[0] or len(some) == LOOKED_AT[1]:
            break
    if not some:
        raise DataError(
            f"{name or data.path / 'feats.scp'}: no utterance has features that can be used{first_reasons(skipped)}"
        )
    dim = some[0].shape[1]
    projects = frontend is None and projection_config is not None and projection_config.method
    if frontend is None:
        prior = None
        if transform_config.remembers:
            prior = Prior.of(sum(cmvn_stats(feats) for _, feats in matrices(data.feats, {}, dim)))
        frontend = FrontEnd(dim, made, transform_config, endpoint, prior)
        warn_of_deltas(data, some, transform_config)
    else:
        refuse_other_kind(frontend, dim, made, data.path)
    copies = warp_matrices(warps, frontend)
    stats = {}
    if frontend.transform.cmvn == "speaker" or (frontend.transform.remembers and "whole" in memories):
        for factor, matrix in {None: None, **copies}.items():
            own = speaker_stats(data, dim, lambda: matrices(data.feats, {}, dim), matrix, allow_pipes)
            stats.update({(speaker, factor): sums for speaker, sums in own.items()})
    rest = matrices, stats, copies, name, memories, shortest
    features = FeatureSet(data, frontend, *rest)
    if projects:
        projection = estimate_projection(features, projection_config)
        features = FeatureSet(data, replace(frontend, projection=projection), *rest)
    return features


@one_thread()
def estimate_projection(features: FeatureSet, config: ProjectionConfig) -> Projection:
    """Estimate a projection on all model features, those of warped copies included: what training will see."""
    asked = f"{config.method}_dim={config.dim}"

    def items():
        for key, feats in features:
            word = features.word(key)
            if config.method == LDA and not word:
                raise DataError(
                    f"{features.place('text')}: {asked}: utterance '{key}' has no word, and its classes are parts of words "
                    "(write the text, or take pca_dim=)"
                )
            yield word, feats

    try:
        return Projection.of(items(), config)
    except ValueError as error:
        raise DataError(f"{features.place('feats.scp')}: {asked}: {error}") from None


def warn_of_deltas(data, some, config):
    """Warn where stored features hold the deltas already that the transform would add."""
    if not config.delta_order:
        return
    together, lengths = np.concatenate(some), [len(feats) for feats in some]
    windows = (DELTA_WINDOW, config.delta_window)
    order = max(count_deltas(together, window, lengths=lengths) for window in windows)
    if order:
        statics = some[0].shape[1] // (order + 1)
        log.warning(
            "%s: the features hold deltas already (columns %d to %d are regressions of the first %d), and delta_order=%d adds them "
            "once more: delta_order=0 takes the features as they are",
            data.path,
            statics + 1,
            some[0].shape[1],
            statics,
            config.delta_order,
        )


def warp_matrices(factors, frontend):
    """Dict of the factor, as text, to its matrix; empty, with a warning, where there is none for such features."""
    if len(factors) == 1:
        return {}
    kind, matrices = frontend.kind, {}
    for factor in factors[1:]:
        matrix = kind.warp_matrix(factor)
        if matrix is None or frontend.dim % len(matrix):
            given = f"how the features were made is not known ({KIND_RECORD} beside feats.scp says it)"
            why = given if kind == GivenFeatures() else f"{kind.title} features can't be warped"
            log.warning("no warped copies to train on: %s", why)
            return {}
        matrices[f"{factor:g}"] = matrix
    return matrices


def checked_matrices(pairs, skipped, dim=None):
    """Yield (utt, stored features float32 (T, D)) for what can be used; the reasons for the others go to `skipped`."""
    for utt, feats in pairs:
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


def usable_matrices(data, scp, skipped, allow_pipes, dim=None):
    """The same of what feats.scp names."""
    try:
        yield from checked_matrices(read_scp(scp, base=data.path, allow_pipes=allow_pipes), skipped, dim)
    except DataError as error:
        raise DataError(f"{data.path / 'feats.scp'}: {error}") from None


def check_words(data, phrases=False):
    """Every utterance with features says exactly one word, or phrase, and every word has features."""
    text, feats = data.path / "text", data.path / "feats.scp"
    for utt, word in data.text.items():
        if utt not in data.feats:
            raise DataError(
                f"{text}:{line_of(text, utt)}: utterance '{utt}' is not in feats.scp (asrkit fix-data {data.path} removes it)"
            )
        fault = word_fault(word, phrases)
        if fault:
            remedy = (
                ", or phrases=true takes a line for one class"
                if len(word.split()) > 1 and not phrases
                else ""
            )
            raise DataError(
                f"{text}:{line_of(text, utt)}: utterance '{utt}' {fault} (cut it, or leave it out{remedy})"
            )
    for utt in data.feats:
        if utt not in data.text:
            raise DataError(
                f"{feats}:{line_of(feats, utt)}: utterance '{utt}' is not in text (asrkit fix-data {data.path} removes it)"
            )
    alike = alike_in_columns(data.text.values())
    if alike:
        raise DataError(f"{text}: {alike}")


def word_fault(text, phrases=False):
    """Say why a transcript is not the one word, or phrase, that can be trained, or None."""
    if len(text.split()) != 1 and not (phrases and text):
        said = f"'{text if len(text) <= 60 else text[:57] + '...'}'" if text else "nothing"
        return f"says {said}, one word is needed"
    size = len(text.encode())
    return f"says a word of {size} bytes, {WORD_BYTES} are allowed" if size > WORD_BYTES else None


def refuse_other_kind(frontend, dim, made, where):
    difference = frontend.difference(dim, made)
    if difference:
        command = frontend.kind.command
        remedy = (
            f"asrkit {command} DIR --like EXP" if command else "give features as the model was trained on"
        )
        raise DataError(f"{where}: features of another kind than the model's: {difference} ({remedy})")


def speaker_stats(data, dim, read, warp=None, allow_pipes=False):
    """CMVN statistics by speaker: from cmvn.scp where it is there and nothing is warped, else summed over the
    features that `read()` yields.
    """
    if not data.cmvn or warp is not None:
        return sum_by_speaker(
            data, read() if warp is None else ((utt, warp_feats(feats, warp)) for utt, feats in read())
        )
    stats = {}
    for speaker in {data.speaker(utt): None for utt in data.feats}:
        if speaker not in data.cmvn:
            raise DataError(
                f"{data.path / 'cmvn.scp'}: speaker '{speaker}' is missing (asrkit compute-cmvn {data.path})"
            )
        try:
            held = read_matrix(data.cmvn[speaker], base=data.path, allow_pipes=allow_pipes)
        except DataError as error:
            raise DataError(f"{data.path / 'cmvn.scp'}: speaker '{speaker}': {error}") from None
        stats[speaker] = held.astype(np.float64)
        if stats[speaker].shape != (2, dim + 1):
            raise DataError(
                f"{data.path / 'cmvn.scp'}: speaker '{speaker}': statistics of shape {stats[speaker].shape} "
                f"for features of dimension {dim} (asrkit compute-cmvn {data.path})"
            )
        count = stats[speaker][0, -1]
        if not (
            count > 0
            and np.isfinite(stats[speaker]).all()
            and abs(stats[speaker][0]).max() <= count * LARGEST
        ):
            raise DataError(
                f"{data.path / 'cmvn.scp'}: speaker '{speaker}': the statistics hold no frames, or NaN, infinite or too large "
                f"values (asrkit compute-cmvn {data.path})"
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


def check_skipped(skipped, most, verb, done, remedy=""):
    """Raise where more utterances had to be skipped than the user allows; `remedy` is what else helps."""
    if len(skipped) > most:
        raise DataError(
            f"{summary(verb, done, skipped)}: more than max_skipped={most} (mend or remove them, or raise it{remedy})"
        )


@dataclass(frozen=True)
class ReadConfig:
    """What may be unusable, and whether scp files may run commands."""

    max_skipped: int = option(0, "utterances that may be unusable before the command fails", minimum=0)
    allow_pipes: bool = option(False, "run shell pipes found in scp files")
