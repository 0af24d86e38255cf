"""Score the pronunciation of one utterance from Python: features and an alignment in, scores out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike
from asrkit.errors import DataError, told
from asrkit.features.frontend import unusable
from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.baselines import kinds_of, score_baselines
from asrkit.phones.phone import overlap
from asrkit.phones.phone_set import PhoneSet, strangers
from asrkit.phones.tokens import fault_reason
from asrkit.runtime import one_thread
from asrkit.workflows.arguments import check_path


@dataclass(frozen=True)
class PhoneScore:
    """How typical one phone of an utterance is; NaN and None where there is no score.

    Attributes
    ----------
    phone : str
    start_s, end_s : float
        As they were given.
    log_likelihood : float
        log P(frames | phone), nats; of several frames their mean.
    posterior : float
        log P(phone | frames) among all phones that have a model.
    ratio : float
        The log-likelihood less that of the strongest other phone, `rival`.
    z, percentile : float
        Where the log-likelihood stands among the tokens that the phone was trained on: in their standard
        deviations from their mean, and how many per cent of them are below it.
    component : int or None
        The Gaussian that explains the phone best.
    rival : str or None
    num_frames : int
        How many frames were scored.
    baselines : dict of str to float
        Scores of the baselines that the model has, by the names of their columns in phones.tsv.
    reason : str
        Why there is no score; empty where there is.
    """

    phone: str
    start_s: float
    end_s: float
    log_likelihood: float
    posterior: float
    ratio: float
    z: float
    percentile: float
    component: int | None
    rival: str | None
    num_frames: int
    baselines: dict[str, float]
    reason: str


class PronunciationScorer:
    """Scores how typical the phones of utterances are, as `asrkit mixgop score` does (MixGoP).

    Parameters
    ----------
    phone_set : PhoneSet
        The models; `load` reads them of a folder.

    Examples
    --------
    A model is trained on one utterance of two phones, ten frames each; then one phone is said for the other.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from asrkit.features.transform import TransformConfig
    >>> from asrkit.io.alignment import write_alignment
    >>> from asrkit.io.files import write_table
    >>> from asrkit.phones.mixgop import MixgopConfig
    >>> from asrkit.phones.phone import Phone
    >>> from asrkit.workflows.mixgop_train import mixgop_train
    >>> from asrkit.workflows.pronunciation import PronunciationScorer
    >>> rng = np.random.default_rng(0)
    >>> def say(phones):
    ...     return np.concatenate([rng.normal(3 * (phone == "IY"), 1, (10, 2)) for phone in phones])
    >>> phones = 20 * ["AA", "IY"]
    >>> times = [Phone(phone, 0.1 * i, 0.1 * (i + 1)) for i, phone in enumerate(phones)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "u1.npy", say(phones))
    ...     write_table(Path(folder) / "feats.scp", {"u1": f"{folder}/u1.npy"})
    ...     write_alignment(folder, {"u1": times}, {})
    ...     config = MixgopConfig(num_gauss=1, min_tokens=20, pooling="mean")
    ...     _ = mixgop_train(folder, folder, f"{folder}/exp", config, transform=TransformConfig(delta_order=0))
    ...     scorer = PronunciationScorer.load(f"{folder}/exp")
    >>> scorer.phones
    ('AA', 'IY')
    >>> good, bad = scorer.score(say(["AA", "AA"]), [("AA", 0.0, 0.1), ("IY", 0.1, 0.2)])
    >>> good.posterior > bad.posterior, bad.rival
    (True, 'AA')
    """

    def __init__(self, phone_set: PhoneSet):
        if not isinstance(phone_set, PhoneSet):
            raise DataError(
                f"phone_set is {told(phone_set)}, it should be a PhoneSet: PronunciationScorer.load reads a model"
            )
        self.phone_set = phone_set
        self._bank = phone_set.bank()
        self._baseline_kinds = kinds_of(phone_set.baselines)

    @classmethod
    def load(cls, exp: PathLike) -> "PronunciationScorer":
        """Read the model of `asrkit mixgop train`.

        Parameters
        ----------
        exp : path
            Folder with final.npz, or a model file.

        Raises
        ------
        DataError
            The file is missing, is none of MixGoP's, or its content is damaged.
        """
        return cls(read_mixgop(check_path(exp, "exp", "a model file or its folder")))

    @property
    def phones(self) -> tuple[str, ...]:
        """The phones that have a model."""
        return self._bank.phones

    @one_thread()
    def score(
        self,
        feats: np.ndarray,
        alignment: Sequence[tuple[str, float, float]],
        *,
        posterior: bool = True,
        speaker_stats: np.ndarray | None = None,
        max_unscored: float = 0.1,
    ) -> list[PhoneScore]:
        """Score the phones of one utterance.

        Parameters
        ----------
        feats : numpy.ndarray
            Floats (T, D): features as they are stored, of the model's kind; normalisation and deltas are done
            here.
        alignment : sequence of (str, float, float)
            Each phone, its start and its end in seconds from the start of the utterance, in any order.
        posterior : bool
            False leaves out what needs all phones' models (posterior, ratio, rival), and is much quicker.
        speaker_stats : numpy.ndarray, optional
            Floats (2, D + 1), the speaker's sums as `compute-cmvn` writes them, for a model of features that are
            normalised by speaker; without, the utterance is all that is known of its speaker.
        max_unscored : float
            Share of the phones that may be of none that the training knew: beyond it, the phone set is another.

        Returns
        -------
        list of PhoneScore
            One for each phone, in the order of `alignment`. A phone without a model, of no length, or behind
            the end of the features has no score, and a reason.

        Raises
        ------
        DataError
            Naming the argument that can't be used, and why; or the phone sets of `alignment` and the model differ.
        """
        frontend = self.phone_set.frontend
        feats = check_feats(feats, frontend.dim)
        phones, starts_s, ends_s = check_alignment(alignment)
        if speaker_stats is not None:
            check_speaker_stats(speaker_stats, frontend.dim)
        if not phones:
            return []
        if told := strangers(phones, self.phone_set.counts, max_unscored):
            raise DataError(f"alignment: {told} (max_unscored={max_unscored:g})")
        (model_feats,) = frontend.model_features([feats], [speaker_stats])
        tokens = self.phone_set.cut(model_feats, phones, starts_s, ends_s)
        scores = self._bank.score(tokens, posterior)
        baselines = score_baselines(self.phone_set.baselines, tokens)
        return [
            PhoneScore(
                phone=phone,
                start_s=starts_s[i],
                end_s=ends_s[i],
                log_likelihood=float(scores.loglik[i]),
                posterior=float(scores.posterior[i]),
                ratio=float(scores.ratio[i]),
                z=float(scores.z[i]),
                percentile=float(scores.pct[i]),
                component=int(scores.comp[i]) if scores.comp[i] >= 0 else None,
                rival=self.phones[scores.rival[i]] if scores.rival[i] >= 0 else None,
                num_frames=int(tokens.frames[i]),
                baselines=dict(zip(self._baseline_kinds, baselines[i].tolist())),
                reason=fault_reason(tokens.faults[i], phone),
            )
            for i, phone in enumerate(phones)
        ]


def check_feats(feats: Any, dim: int) -> np.ndarray:
    """Refuse what is no matrix of features, by a DataError; the others as float32 (T, D)."""
    wanted = f"a numpy array of floats (frames, {dim}), features as they are stored"
    if not isinstance(feats, np.ndarray):
        raise DataError(f"feats is a {type(feats).__name__}, not {wanted}")
    if feats.dtype.kind != "f":
        raise DataError(f"feats is an array of {feats.dtype}, not {wanted}")
    if feats.ndim != 2 or feats.shape[1] != dim:
        raise DataError(f"feats is an array of shape {feats.shape}, not {wanted}")
    with np.errstate(over="ignore"):
        feats = np.ascontiguousarray(feats, dtype=np.float32)
    reason = unusable(feats)
    if reason:
        raise DataError(f"feats: {reason} (compute the features again, or leave the utterance out)")
    return feats


def check_alignment(alignment: Any) -> tuple[list[str], list[float], list[float]]:
    """Refuse what is no alignment, by a DataError; the others as phones, starts and ends, a list each."""
    wanted = "(phone, start_s, end_s)"
    if not isinstance(alignment, (list, tuple)):
        raise DataError(f"alignment is a {type(alignment).__name__}, not a list of {wanted}")
    phones, spans = [], []
    for i, entry in enumerate(alignment):
        if not isinstance(entry, (list, tuple)) or len(entry) != 3:
            raise DataError(f"alignment[{i}] is {entry!r}, not {wanted}")
        phone, *times = entry
        if not isinstance(phone, str) or len(phone.split()) != 1:
            raise DataError(f"alignment[{i}]: {phone!r} is no phone, one word as in the training's alignment")
        if not all(isinstance(time, Real) and math.isfinite(time) for time in times):
            raise DataError(
                f"alignment[{i}]: '{phone}' from {times[0]!r} to {times[1]!r}, not two times in seconds"
            )
        start_s, end_s = map(float, times)
        if start_s < 0:
            raise DataError(
                f"alignment[{i}]: '{phone}' starts at {start_s:g} s (times count from the start of the utterance)"
            )
        if end_s < start_s:
            raise DataError(
                f"alignment[{i}]: '{phone}' ends at {end_s:g} s, before it starts at {start_s:g} s"
            )
        phones.append(composed(phone))
        spans.append((start_s, end_s))
    order = sorted(range(len(phones)), key=spans.__getitem__)
    for before, after in zip(order, order[1:]):
        if overlap(spans[before][1], spans[after][0]):
            raise DataError(
                f"alignment[{after}]: '{phones[after]}' starts at {spans[after][0]:g} s, before '{phones[before]}' "
                f"ends at {spans[before][1]:g} s (phones of an utterance follow each other)"
            )
    return phones, [start_s for start_s, _ in spans], [end_s for _, end_s in spans]


def check_speaker_stats(stats: Any, dim: int) -> None:
    if not isinstance(stats, np.ndarray) or stats.dtype.kind != "f" or stats.shape != (2, dim + 1):
        found = (
            f"an array of {stats.dtype}, shape {stats.shape}"
            if isinstance(stats, np.ndarray)
            else f"a {type(stats).__name__}"
        )
        raise DataError(f"speaker_stats is {found}, not a numpy array of floats (2, {dim + 1})")
    if not np.isfinite(stats).all() or not stats[0, -1] > 0:
        raise DataError("speaker_stats holds NaN or infinite values, or counts no frames (sum them again)")
