"""Estimators for scikit-learn: word models in pipelines, grid searches and cross-validation.

A sample is a sequence: X is a list, or an object array, of (frames, dims) arrays of different lengths, or of recordings.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from asrkit.audio.samples import check_rate, check_samples, resample
from asrkit.config import from_dict
from asrkit.errors import DataError, SettingsError
from asrkit.features import kind as kinds
from asrkit.features.frontend import unusable
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import cmvn_stats, transform_many
from asrkit.io.audio import read_audio
from asrkit.io.features import ReadConfig, features_of_arrays
from asrkit.runtime import one_thread, ordered_map
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.recognizer import Recognizer
from asrkit.workflows.train import open_features, train_opened


class _Settings(BaseEstimator):
    """An estimator whose further settings are parameters like those of its signature."""

    _signature: tuple[str, ...]

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self, name, value)
        self._others = tuple(settings)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*self._signature, *self._others)}

    def set_params(self, **params: Any) -> "_Settings":
        known = self._known()
        for name, value in params.items():
            if name not in self._signature and name not in known:
                raise SettingsError(f"{name}=: no parameter of {type(self).__name__} ({', '.join(known)})")
            if name not in self._signature and name not in self._others:
                self._others = (*self._others, name)
            setattr(self, name, value)
        return self

    @property
    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._others}


class WordClassifier(ClassifierMixin, _Settings):
    """Classify sequences of feature vectors by one trained word model a class.

    Parameters
    ----------
    family : str
        A name of `asrkit.families.names()`.
    features : FeatureKind, optional
        How the features were made, such as `Mfcc().kind`: without it there are no copies with a warped frequency axis.
    method : {"viterbi", "forward"}
        A class's score: its best path, or the sum over all.
    n_jobs : int, optional
        Processes of `fit`; the models do not depend on it.
    **settings
        Those of `asrkit train`: `num_states=8`, `delta_order=2`, `cmvn="speaker"`, ...

    Attributes
    ----------
    classes_ : (W,) array
        In sorted order.
    recognizer_ : Recognizer
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

    _signature = ("family", "features", "method", "n_jobs")

    def __init__(
        self,
        family: str = "chmm",
        *,
        features: FeatureKind | None = None,
        method: str = "viterbi",
        n_jobs: int | None = None,
        **settings: Any,
    ) -> None:
        self.family, self.features, self.method, self.n_jobs = family, features, method, n_jobs
        super().__init__(**settings)

    def _known(self) -> list[str]:
        from asrkit.words.settings import fields_of

        return list(fields_of(self.family))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    @one_thread()
    def fit(self, X: Sequence, y: Sequence, groups: Sequence | None = None) -> "WordClassifier":
        """Train a model for every class.

        Parameters
        ----------
        X : list or object array of (T, D) arrays
        y : (U,)
            Their classes.
        groups : (U,), optional
            Their speakers, for `cmvn="speaker"`.

        Raises
        ------
        DataError
            X are no such sequences, or differ in their dimensions, or y or groups have another length.
        SettingsError
            A setting that there is not, or a value that it can't have.
        """
        settings = TrainingSettings.of(self.family, **self._settings)
        X = _sequences(X)
        labels = _labels(y, len(X), "y")
        speakers = None if groups is None else _labels(groups, len(X), "groups")
        self.classes_, index = np.unique(labels, return_inverse=True)
        # Words of a vocabulary are texts in C-locale order: numbers of equal width keep the order of the classes.
        names = [f"{i:0{len(str(len(self.classes_)))}d}" for i in range(len(self.classes_))]
        utts = [f"{u:0{len(str(len(X)))}d}" for u in range(len(X))]
        features = features_of_arrays(
            dict(zip(utts, X, strict=True)),
            {utt: names[i] for utt, i in zip(utts, index, strict=True)},
            None if speakers is None else {utt: str(own) for utt, own in zip(utts, speakers, strict=True)},
            kind=self.features,
            transform_config=settings.transform,
            warps=settings.warp.factors if self.features is not None else (1.0,),
        )
        read = ReadConfig()
        opened = open_features(features, None, settings, read, write_codebook=False)
        trained = train_opened(opened, [settings], read, self.n_jobs or 1)[0]
        self.recognizer_ = Recognizer(trained.vocabulary, self.method)
        self.n_features_in_ = X[0].shape[1]
        return self

    @one_thread()
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
            float64 (U, W): log-likelihoods, -inf where a class has no path of that length.
        """
        check_is_fitted(self, "recognizer_")
        X = _sequences(X, self.n_features_in_)
        vocabulary = self.recognizer_.vocabulary
        stats: list = [None] * len(X)
        if groups is not None and vocabulary.frontend.transform.cmvn == "speaker":
            sums: dict = {}
            speakers = _labels(groups, len(X), "groups")
            for speaker, feats in zip(speakers, X, strict=True):
                sums[speaker] = sums.get(speaker, 0) + cmvn_stats(feats)
            stats = [sums[speaker] for speaker in speakers]
        feats = transform_many(X, vocabulary.frontend.transform, stats)
        return self.recognizer_._scorer.scores([(str(u), own) for u, own in enumerate(feats)])

    def predict(self, X: Sequence, groups: Sequence | None = None) -> np.ndarray:
        """Find the class of each sequence: the likeliest; (U,).

        Raises
        ------
        DataError
            A sequence is too short for every class.
        """
        scores = self.decision_function(X, groups)
        lost = np.flatnonzero(~np.isfinite(scores).any(axis=1))
        if len(lost):
            raise DataError(
                f"X[{lost[0]}] has {len(X[lost[0]])} frames, too few for every class (num_states=)"
            )
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Sequence, groups: Sequence | None = None) -> np.ndarray:
        """Give posterior probabilities of the classes, all equally likely beforehand; (U, W).

        They come of likelihoods that take frames for independent, and are nearly always close to 0 and 1.
        """
        scores = self.decision_function(X, groups)
        peak = scores.max(axis=1, keepdims=True)
        likelihoods = np.exp(scores - np.where(np.isfinite(peak), peak, 0.0))
        likelihoods[~np.isfinite(peak[:, 0])] = 1.0  # no class has a path: nothing is known
        return likelihoods / likelihoods.sum(axis=1, keepdims=True)


class Mfcc(TransformerMixin, _Settings):
    """Turn recordings into lists of feature arrays.

    Parameters
    ----------
    rate_hz : int, optional
        Samples a second of recordings that are arrays; the features' own rate where it is not given.
    kind_name : str
        Another kind of features than MFCC: a name of `asrkit.features.kind.names()`.
    n_jobs : int, optional
        Processes.
    **settings
        Those of `asrkit compute-mfcc`: `sample_rate_hz=8000`, `num_ceps=13`, ...

    Attributes
    ----------
    kind : FeatureKind
        For `WordClassifier(features=...)`.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit.sklearn import Mfcc
    >>> sounds = [np.random.default_rng(i).normal(0, 0.1, 4000) for i in range(2)]
    >>> [feats.shape for feats in Mfcc(sample_rate_hz=8000).fit_transform(sounds)]
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

    def _known(self) -> list[str]:
        return list(kinds.load(self.kind_name).__dataclass_fields__)

    @property
    def kind(self) -> FeatureKind:
        return from_dict(kinds.load(self.kind_name), self._settings)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Sequence, y: Any = None) -> "Mfcc":
        """Check the settings; nothing is learned."""
        _ = self.kind
        return self

    def transform(self, X: Sequence) -> list[np.ndarray]:
        """Compute the features of recordings.

        Parameters
        ----------
        X : list of paths, binary files, or (N,) arrays of samples

        Returns
        -------
        list of float32 (T, D) arrays

        Raises
        ------
        DataError
            A recording can't be read, or is shorter than one window.
        """
        if isinstance(X, (str, bytes, os.PathLike)) or not isinstance(X, (Sequence, np.ndarray)):
            raise DataError(f"X is a {type(X).__name__}, it should be a list of recordings")
        kind = self.kind
        items = [(f"X[{index}]", recording) for index, recording in enumerate(X)]
        jobs = self.n_jobs or 1
        return list(ordered_map(_Computing(kind, self.rate_hz), items, jobs=jobs, label="recordings"))


class _Computing:
    """The features of one recording; goes to other processes."""

    def __init__(self, kind: FeatureKind, rate_hz: int | None) -> None:
        self.kind, self.rate_hz = kind, rate_hz

    def __call__(self, item: tuple[str, Any]) -> np.ndarray:
        name, recording = item
        wanted: Any = self.kind.rate_hz  # None where `compute` will refuse
        if isinstance(recording, np.ndarray):
            own = wanted if self.rate_hz is None else check_rate(self.rate_hz)
            samples = resample(check_samples(recording, name), own, wanted)
        elif isinstance(recording, (str, os.PathLike)) or callable(getattr(recording, "read", None)):
            samples, _ = read_audio(recording, rate=wanted)
        else:
            raise DataError(
                f"{name} is a {type(recording).__name__}, it should be a path, a binary file or an array of samples"
            )
        feats = self.kind.compute(samples)
        if not len(feats):
            raise DataError(f"{name}: {len(samples) / wanted:.3f} s, shorter than one window")
        return feats


def _sequences(X: Any, width: int | None = None) -> list[np.ndarray]:
    """X as a list of float32 (T, D) arrays."""
    if isinstance(X, (str, bytes)) or not isinstance(X, (Sequence, np.ndarray)):
        raise DataError(f"X is a {type(X).__name__}, it should be a list of (frames, dims) arrays")
    if not len(X):
        raise DataError("X is empty, it should hold sequences")
    found: list[np.ndarray] = []
    for index, feats in enumerate(X):
        feats = np.asarray(feats)
        if feats.dtype.kind not in "fiu":
            raise DataError(f"X[{index}] is of type {feats.dtype}, it should be float")
        reason = unusable(feats)
        if reason:
            raise DataError(f"X[{index}]: {reason}, it should be a (frames, dims) array of finite numbers")
        wanted = width or (found[0].shape[1] if found else feats.shape[1])
        if feats.shape[1] != wanted:
            raise DataError(
                f"X[{index}] has {feats.shape[1]} dimensions, it should have {wanted} as the others"
            )
        found.append(np.ascontiguousarray(feats, dtype=np.float32))
    return found


def _labels(values: Any, count: int, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or len(values) != count:
        raise DataError(
            f"{name} has shape {values.shape}, it should be ({count},): one for each sequence of X"
        )
    return values


__all__ = ["Mfcc", "WordClassifier"]
