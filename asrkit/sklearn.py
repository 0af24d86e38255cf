"""Estimators for scikit-learn: word models in pipelines, grid searches and cross-validation.

A sample is a sequence: X is a list, or an object array, of (frames, dims) arrays of different lengths, or of recordings.
"""

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from asrkit import families
from asrkit.audio.samples import check_rate
from asrkit.config import nearest
from asrkit.errors import DataError, SettingsError, told
from asrkit.features import kind as kinds
from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import TransformConfig, cmvn_stats
from asrkit.io.facts import count_facts
from asrkit.io.features import ReadConfig, features_of_arrays
from asrkit.io.remarks import Remarks, warn_of
from asrkit.models.base import chunks
from asrkit.runtime import count_jobs, one_thread, ordered_map
from asrkit.words.confidence import posteriors
from asrkit.words.decoding import METHODS, Scorer
from asrkit.words.settings import TrainingSettings, fields_of
from asrkit.workflows.arguments import check_feats, check_kind, is_vocabulary_word, make_kind, read_recording
from asrkit.workflows.recognizer import Recognizer
from asrkit.workflows.train import open_features, train_opened


class InputError(DataError, ValueError):
    """X, y or groups can't be used; a ValueError, too, as users of scikit-learn expect."""


@contextlib.contextmanager
def _value_errors() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise InputError(str(error)) from None


class _Settings(BaseEstimator):
    """An estimator whose further settings are parameters like those of its signature."""

    _signature: tuple[str, ...]

    def __init__(self, **settings: Any) -> None:
        self._check_names(settings)
        for name, value in settings.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self._signature}, **self._settings}

    def set_params(self, **params: Any) -> "_Settings":
        self._check_names({name: value for name, value in params.items() if name not in self._signature})
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _check_names(self, settings: Mapping[str, Any]) -> None:
        known = self._known()
        unknown = next((name for name in settings if name not in known), None)
        if unknown is not None:
            meant = nearest(unknown, [*known, *self._signature])
            raise SettingsError(f"{unknown}=: no parameter of {type(self).__name__}{meant}")

    @property
    def _settings(self) -> dict[str, Any]:
        known = self._known()
        return {name: value for name, value in vars(self).items() if name in known}

    def _known(self) -> Set[str]:
        """The names that settings may have."""
        raise NotImplementedError


@functools.cache
def _training_names() -> Set[str]:
    return frozenset(name for family in families.names() for name in fields_of(family))


@functools.cache
def _feature_names() -> Set[str]:
    able = [kind for kind in map(kinds.load, kinds.names()) if kind.hears]
    return frozenset(field.name for kind in able for field in fields(kind))


class WordClassifier(ClassifierMixin, _Settings):
    """Classify sequences of feature vectors by one trained word model a class.

    Parameters
    ----------
    family : str
        A name of `asrkit.families.names()`.
    features : FeatureKind, optional
        How the features were made, such as `Mfcc().kind`: without it there are no copies with a warped frequency axis.
    score_method : {"viterbi", "forward"}
        A class's score: its best path, or the sum over all.
    n_jobs : int, optional
        Processes of `fit`, as joblib counts them; the models do not depend on it.
    **settings
        Those of `asrkit train`: `num_states=8`, `delta_order=2`, `cmvn="speaker"`, ...

    Attributes
    ----------
    classes_ : (W,) array
        In sorted order.
    recognizer_ : Recognizer
        Its words are the classes where these are words, else their indices.
    n_features_in_ : int
        Dimensions of a frame.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit.sklearn import WordClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [np.linspace(start, -start, 30)[:, None] + rng.normal(0, 0.3, (30, 2)) for start in (2, -2) * 6]
    >>> y = ["fall", "rise"] * 6
    >>> model = WordClassifier("chmm", num_states=3, num_gauss=1, delta_order=0).fit(X, y)
    >>> model.predict(X[:2]).tolist(), model.score(X, y)
    (['fall', 'rise'], 1.0)
    """

    _signature = ("family", "features", "score_method", "n_jobs")

    def __init__(
        self,
        family: str = "chmm",
        *,
        features: FeatureKind | None = None,
        score_method: str = "viterbi",
        n_jobs: int | None = None,
        **settings: Any,
    ) -> None:
        self.family, self.features, self.score_method, self.n_jobs = family, features, score_method, n_jobs
        super().__init__(**settings)

    def _known(self) -> Set[str]:
        return _training_names()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    @one_thread()
    @_value_errors()
    def fit(self, X: Sequence, y: Sequence, groups: Sequence | None = None) -> "WordClassifier":
        """Train a model for every class.

        Parameters
        ----------
        X : list or object array of (T, D) arrays
        y : (U,)
            Their classes.
        groups : (U,), optional
            Their speakers, for `cmvn="speaker"` and for defaults that follow the data.

        Raises
        ------
        InputError
            X are no such sequences, or differ in their dimensions, or y or groups have another length.
        SettingsError
            A setting that there is not, or a value that it can't have.
        """
        jobs = _jobs(self.n_jobs)
        if self.features is not None and not isinstance(self.features, FeatureKind):
            raise SettingsError(f"features={self.features!r} is no FeatureKind, such as Mfcc().kind")
        if not isinstance(self.family, str):
            raise SettingsError(f"family={self.family!r} is none of {', '.join(families.names())}")
        if self.score_method not in METHODS:
            raise SettingsError(f"score_method={self.score_method!r} is none of {', '.join(METHODS)}")
        settings = TrainingSettings.of(self.family, **self._settings)
        X = _sequences(X)
        made = None if self.features is None else self.features.dim
        if made is not None and X[0].shape[1] % made:
            raise DataError(f"X[0] has {X[0].shape[1]} dims, it should have the {made} of features=")
        labels = _labels(y, len(X), "y")
        speakers = None if groups is None else _labels(groups, len(X), "groups")
        try:
            check_classification_targets(labels)
            classes, index = np.unique(labels, return_inverse=True)
        except (TypeError, ValueError) as error:
            raise DataError(f"y is {told(y)}, it should be classes: {error}") from None
        if all(map(is_vocabulary_word, classes)):
            words = [str(own) for own in classes]
        else:  # numbers of equal width: the words of a vocabulary are in C-locale order
            digits = len(str(len(classes) - 1))
            words = [f"{i:0{digits}d}" for i in range(len(classes))]
        utts = [f"X[{u}]" for u in range(len(X))]
        said = {utt: words[i] for utt, i in zip(utts, index, strict=True)}
        who = {} if speakers is None else {utt: str(own) for utt, own in zip(utts, speakers, strict=True)}
        settings = settings.for_data(count_facts(said, who, list(map(len, X))))
        features = features_of_arrays(
            dict(zip(utts, X, strict=True)),
            said,
            who,
            kind=self.features,
            transform_config=settings.transform,
            projection_config=settings.projection,
            warps=settings.warp.factors if self.features is not None else (1.0,),
            memories=settings.warp.memories,
            name="X",
        )
        read = ReadConfig()
        opened = open_features(features, None, settings, read, write_codebook=False)
        trained = train_opened(opened, [settings], read, jobs)[0]
        self.recognizer_ = Recognizer(trained.vocabulary, self.score_method)
        self.classes_, self.n_features_in_ = classes, X[0].shape[1]
        return self

    def decision_function(self, X: Sequence, groups: Sequence | None = None) -> np.ndarray:
        """Score sequences under every class.

        Parameters
        ----------
        X : list or object array of (T, D) arrays
        groups : (U,), optional
            Their speakers, for `cmvn="speaker"`: each is normalised over all that X holds of them.

        Returns
        -------
        numpy.ndarray
            float64 (U, W): log-likelihoods, -inf where a class has no path of that length. Of two classes (U,), as scikit-learn
            has it: the second's less the first's.
        """
        scores = self._scores(X, groups)
        if scores.shape[1] != 2:
            return scores
        both = np.isfinite(scores).any(axis=1)
        return np.subtract(scores[:, 1], scores[:, 0], out=np.zeros(len(scores)), where=both)

    def predict(self, X: Sequence, groups: Sequence | None = None) -> np.ndarray:
        """Find the class of each sequence: the likeliest; (U,).

        Raises
        ------
        InputError
            A sequence is too short for every class.
        """
        scores = self._scores(X, groups)
        lost = np.flatnonzero(~np.isfinite(scores).any(axis=1))
        if len(lost):
            raise InputError(
                f"X[{lost[0]}] has {len(X[lost[0]])} frames, it should have more: no class has a path of so few (num_states=)"
            )
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Sequence, groups: Sequence | None = None) -> np.ndarray:
        """Give posterior probabilities of the classes, all equally likely beforehand; (U, W).

        They are calibrated on sequences that `fit` has held out, and given that one of the classes is there: what the recogniser leaves to `<unk>` is
        divided among the classes in proportion. With `calibrate=False`, or a family that can't be calibrated, they come of likelihoods
        that take frames for independent, and are nearly always close to 0 and 1.
        """
        scores, lengths, sure = self._judged(X, groups)
        if len(sure) and not np.isnan(sure).any():
            shares = posteriors(scores, lengths, np.maximum(sure, 1e-9))[:, :-1]
            shares[~np.isfinite(scores).any(axis=1)] = 1.0  # no class has a path: nothing is known
            return shares / shares.sum(axis=1, keepdims=True)
        peak = scores.max(axis=1, keepdims=True)
        likelihoods = np.exp(scores - np.where(np.isfinite(peak), peak, 0.0))
        likelihoods[~np.isfinite(peak[:, 0])] = 1.0  # no class has a path: nothing is known
        return likelihoods / likelihoods.sum(axis=1, keepdims=True)

    def _scores(self, X: Sequence, groups: Sequence | None) -> np.ndarray:
        return self._judged(X, groups)[0]

    @one_thread()
    @_value_errors()
    def _judged(self, X: Sequence, groups: Sequence | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores (U, W), frames (U,), and how sure it is of the best class (U,), NaN where it does not know."""
        check_is_fitted(self, "recognizer_")
        X = _sequences(X, self.n_features_in_)
        vocabulary = self.recognizer_.vocabulary
        stats: list = [None] * len(X)
        speakers = None if groups is None else _labels(groups, len(X), "groups")
        if speakers is not None:
            sums: dict = {}
            for speaker, feats in zip(speakers, X, strict=True):
                sums[speaker] = sums.get(speaker, 0) + cmvn_stats(feats)
            stats = [sums[speaker] for speaker in speakers]
        made = list(vocabulary.frontend.model_features(X, stats))
        items = ((f"X[{u}]", own) for u, own in enumerate(made))
        # in float64: scikit-learn asks that a sequence's score be the same, to 1e-7, whatever stands beside it
        scorer = Scorer(vocabulary, self.recognizer_.method, exact=True)
        rows = [scorer.judged(some) for some in chunks(items)]
        scores, sure = map(np.concatenate, zip(*rows, strict=True))
        return scores, np.array(list(map(len, made))), sure


class Mfcc(TransformerMixin, _Settings):
    """Turn recordings into lists of feature arrays.

    Parameters
    ----------
    rate_hz : int, optional
        Samples a second, of arrays without a rate of their own.
    kind_name : str
        Another kind of features than MFCC: "fbank".
    n_jobs : int, optional
        Processes, as joblib counts them.
    **settings
        Those of `asrkit compute-mfcc`: `num_ceps=12`, `sample_rate_hz=8000`; without the latter it is `rate_hz`, up to 16 kHz.

    Attributes
    ----------
    kind : FeatureKind
        For `WordClassifier(features=...)`.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit.sklearn import Mfcc
    >>> sounds = [np.random.default_rng(i).normal(0, 0.1, 4000) for i in range(2)]
    >>> [feats.shape for feats in Mfcc(rate_hz=8000).fit_transform(sounds)]
    [(48, 13), (48, 13)]
    """

    _signature = ("rate_hz", "kind_name", "n_jobs")

    def __init__(
        self,
        *,
        rate_hz: int | None = None,
        kind_name: str = "mfcc",
        n_jobs: int | None = None,
        **settings: Any,
    ) -> None:
        self.rate_hz, self.kind_name, self.n_jobs = rate_hz, kind_name, n_jobs
        super().__init__(**settings)

    def _known(self) -> Set[str]:
        return _feature_names()

    @property
    @_value_errors()
    def kind(self) -> FeatureKind:
        rate_hz = None if self.rate_hz is None else check_rate(self.rate_hz)
        return make_kind(check_kind(self.kind_name, "kind_name"), self._settings, rate_hz)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = tags.input_tags.string = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Sequence, y: Any = None) -> "Mfcc":
        """Check the settings; nothing is learned."""
        _, _ = self.kind, _jobs(self.n_jobs)
        return self

    @_value_errors()
    def transform(self, X: Sequence) -> list[np.ndarray]:
        """Compute the features of recordings.

        Parameters
        ----------
        X : list of paths, binary files, (N,) arrays of samples, or pairs of an array and its rate

        Returns
        -------
        list of float32 (T, D) arrays

        Raises
        ------
        InputError
            A recording can't be read, is silent, or is shorter than one window.
        """
        kind = self.kind
        assert kind.dim is not None  # of a kind that hears
        compute = functools.partial(
            _compute, FrontEnd(kind.dim, kind, TransformConfig(delta_order=0)), self.rate_hz
        )
        items = [(f"X[{index}]", own) for index, own in enumerate(_listed(X, "recordings"))]
        made = list(ordered_map(compute, items, jobs=_jobs(self.n_jobs), label="recordings"))
        warn_of({name: odd for (name, _), (_, odd) in zip(items, made, strict=True)})
        return [feats for feats, _ in made]


def _compute(
    frontend: FrontEnd, rate_hz: int | None, item: tuple[str, Any]
) -> tuple[np.ndarray, Remarks | None]:
    """The features of one recording, and what is odd about it."""
    name, recording = item
    remarks: list[Remarks | None] = [None]
    samples, _ = read_recording(
        recording, name, rate_hz, wanted_hz=frontend.rate_hz, on_remarks=remarks.append
    )
    try:
        return frontend.features(samples, endpoint=False), remarks[-1]
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _jobs(n_jobs: Any) -> int:
    if n_jobs is not None and (
        isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or not n_jobs
    ):
        raise SettingsError(f"n_jobs={n_jobs!r} is neither None nor a whole number but 0")
    return count_jobs(None if n_jobs is None else int(n_jobs))


def _listed(X: Any, what: str) -> list:
    """X as a list."""
    wrong = isinstance(X, (str, bytes, os.PathLike, Mapping, Set)) or not hasattr(X, "__len__")
    try:
        found = None if wrong else list(X)
    except TypeError:
        found = None
    if found is None:
        raise DataError(f"X is {told(X)}, it should be a list of {what}")
    if not found:
        raise DataError(f"X is empty, it should be a list of {what}")
    return found


def _sequences(X: Any, width: int | None = None) -> list[np.ndarray]:
    """X as a list of float32 (T, D) arrays."""
    what = "(frames, dims) arrays"
    if isinstance(X, np.ndarray) and X.dtype != object and X.ndim != 3:
        raise DataError(f"X has shape {X.shape}, it should be a list of {what}: [X] if this is one of them")
    found: list[np.ndarray] = []
    for index, feats in enumerate(_listed(X, what)):
        try:
            feats = feats if isinstance(feats, np.ndarray) else np.asarray(feats)
            feats = feats.astype(np.float64) if feats.dtype == object else feats
        except (TypeError, ValueError):
            raise DataError(f"X[{index}] is {told(feats)}, it should be one of {what}") from None
        found.append(check_feats(feats, f"X[{index}]", width))
        width = width or found[0].shape[1]
    return found


def _labels(values: Any, count: int, name: str) -> np.ndarray:
    try:
        labels = np.asarray(values)
    except (TypeError, ValueError):
        labels = np.empty((0, 0))
    if labels.ndim != 1:
        raise DataError(
            f"{name} is {told(values)}, it should have {count} entries, one for each sequence of X"
        )
    if len(labels) != count:
        raise DataError(
            f"{name} has {len(labels)} entries, it should have {count}, one for each sequence of X"
        )
    missing = [i for i, own in enumerate(labels.tolist()) if own is None or own != own]
    if missing:
        raise DataError(f"{name}[{missing[0]}] is {labels[missing[0]]}, it should be known")
    return labels


__all__ = ["InputError", "Mfcc", "WordClassifier"]
