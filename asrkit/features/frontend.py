"""From samples to model features: the kind of features, what happens to them, and how the speech was found.

All of it travels inside a model, so that a model goes from a recording to a word alone. Arrays in, arrays out, no paths.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asrkit.config import from_dict
from asrkit.errors import DataError, SettingsError, told
from asrkit.features.kind import FeatureKind, load
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.projection import Projection
from asrkit.features.transform import Prior, TransformConfig, transform_many
from asrkit.features.warp import log_scale, log_volumes, warp_feats

if TYPE_CHECKING:
    from asrkit.audio.endpoint import EndpointConfig

log = logging.getLogger("asrkit")

# Features are float32, which ends at 3.4e38: normalisation, deltas and warping need room. Below 1.2e-38 it loses digits.
LARGEST, SMALLEST = 1e37, 1e-37
SHORT_S = 0.5  # a recording so short is a trimmed word, though it may have less sound than speech must last


@dataclass(frozen=True)
class FrontEnd:
    """What features a model was trained on.

    Attributes
    ----------
    dim : int
        Dimension of the stored features, before deltas.
    kind : FeatureKind
        How they were made; `GivenFeatures()` where nobody said it.
    transform : TransformConfig
    endpoint : EndpointConfig or None
        How the speech was found in the training recordings; None where nobody looked.
    prior : Prior or None
        Of a transform that remembers: mean and variance of the stored features of the training.
    projection : Projection or None
        What comes after deltas.

    Raises
    ------
    SettingsError
        The transform starts from a prior, and there is none, or one of other dimensions; or the projection is of others.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit import FrontEnd
    >>> frontend = FrontEnd.of("mfcc", sample_rate_hz=8000, delta_order=2)
    >>> samples = np.random.default_rng(0).uniform(-0.1, 0.1, 8000).astype(np.float32)
    >>> frontend.features(samples).shape
    (98, 39)
    """

    dim: int
    kind: FeatureKind
    transform: TransformConfig
    endpoint: "EndpointConfig | None" = None
    prior: Prior | None = None
    projection: Projection | None = None

    def __post_init__(self) -> None:
        if self.projection is not None and len(self.projection.center) != self.dim * self.num_orders:
            raise SettingsError(
                f"the projection is of {len(self.projection.center)} dimensions, the features with deltas have "
                f"{self.dim * self.num_orders}"
            )
        if not self.transform.remembers:
            return
        if self.prior is None:
            raise SettingsError(
                f"cmvn={self.transform.cmvn}: prior= is missing, the mean and variance of a training (a trained model's "
                "frontend has them)"
            )
        if len(self.prior.mean) != self.dim:
            raise SettingsError(f"prior has {len(self.prior.mean)} dimensions, the features have {self.dim}")

    @classmethod
    def of(
        cls,
        kind: str = "mfcc",
        *,
        endpoint: "EndpointConfig | None" = None,
        prior: Prior | None = None,
        projection: Projection | None = None,
        **settings: Any,
    ) -> "FrontEnd":
        """Build a front end from flat settings: those of the kind of features and those of the transform.

        Raises
        ------
        SettingsError
            There is no such kind or setting, or it can't have that value.
        """
        if endpoint is not None:
            from asrkit.audio.endpoint import (
                EndpointConfig,  # late, here and below: stored features need none of it
            )

            if not isinstance(endpoint, EndpointConfig):
                raise SettingsError(f"endpoint={endpoint!r} is no EndpointConfig")
        names = set(TransformConfig.__dataclass_fields__)
        after = {name: settings.pop(name) for name in names & set(settings)}
        made = from_dict(load(kind), settings)
        if made.dim is None:
            raise SettingsError(
                f"kind={kind!r}: these settings do not say how many dimensions the features have"
            )
        return cls(made.dim, made, from_dict(TransformConfig, after), endpoint, prior, projection)

    @property
    def model_dim(self) -> int:
        """Dimension of the model features: with deltas, and projected."""
        return self.dim * self.num_orders if self.projection is None else self.projection.dim

    @property
    def num_orders(self) -> int:
        """The statics, and each order of deltas: what is there before a projection."""
        return self.transform.delta_order + 1

    @property
    def num_blocks(self) -> int:
        """Equal parts of a model frame that have a meaning each: statics and orders of deltas; a projection mixes them."""
        return self.num_orders if self.projection is None else 1

    @property
    def dimension_names(self) -> list[str]:
        """Names of the model features' dimensions: those of the kind, `Δ` before each for its deltas, `ΔΔ` for accelerations;
        `PCA 1` or `LDA 1` and so on where they are projected.
        """
        if self.projection is not None:
            return [f"{self.projection.method.upper()} {k}" for k in range(1, self.projection.dim + 1)]
        names = self.kind.dimension_names(self.dim)
        return [f"{'Δ' * order}{name}" for order in range(self.transform.delta_order + 1) for name in names]

    @property
    def rate_hz(self) -> int | None:
        """Samples a second that `features` is given."""
        return self.kind.rate_hz

    def check_hears(self) -> None:
        """Raise a DataError where features can't be made of samples."""
        if not self.kind.hears:
            self.kind.compute(np.zeros(0, dtype=np.float32))
        if self.kind.dim != self.dim:
            raise DataError(
                f"the model was trained on stored features of {self.dim} dimensions, of a recording come {self.kind.dim} "
                f"(train on features as {self.kind.title} makes them)"
            )

    def features(
        self, samples: np.ndarray, *, endpoint: bool | None = None, name: str = "the recording"
    ) -> np.ndarray:
        """Make model features of one recording: of what `stored` makes, float32 (T, model_dim); its parameters and errors."""
        return self.model_features([self.stored(samples, endpoint=endpoint, name=name)], [None])[0]

    def model_features(
        self, stored: Sequence[np.ndarray], stats: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        """Turn stored features into model features, several utterances at once.

        Parameters
        ----------
        stored : list of (T, dim)
        stats : list of (2, dim + 1) or None
            What is known of each one's speaker, as in `transform`.

        Returns
        -------
        list of float32 (T, model_dim)
        """
        feats = transform_many(stored, self.transform, stats, self.prior)
        if self.projection is None:
            return feats
        # each alone, for BLAS rounds a row by how many rows there are
        return [self.projection.apply(own) for own in feats]

    def copies(self, stored: np.ndarray, factors: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Make model features of one recording and of its copies with a warped frequency axis.

        Parameters
        ----------
        stored : float32 (T, dim)
        factors : sequence of float
            1, the recording itself, the first.

        Returns
        -------
        float32 (T, K, model_dim)
            The recording's, and then those of each copy.
        (K,)
            What belongs to the log density of a frame of each, as `log_volumes` of asrkit.features.warp says; NaN where
            `check_warpable` refuses.
        """
        matrices = [self.kind.warp_matrix(factor) for factor in factors[1:]]
        each = [stored, *(warp_feats(stored, matrix) for matrix in matrices)]
        feats, scales = self.model_features(each, [None] * len(each)), np.zeros(len(each))
        if self.projection is not None:
            scales[:] = np.nan
        elif self.transform.scales:
            scales = np.array([log_scale(*pair) for pair in zip(each, feats, strict=True)])
        return np.stack(feats, axis=1), log_volumes(matrices, self.dim, self.transform.delta_order, scales)

    def check_warpable(self) -> None:
        """Raise a DataError where such features have no copies with a warped frequency axis that could be compared."""
        if self.projection is not None:
            # of what is left of a frame nobody knows how much volume the copy's fills
            raise DataError(
                f"{self.projection.method} features can't be compared with warped ones (leave test_warps= out)"
            )
        matrix = self.kind.warp_matrix(1.1)
        if matrix is None or self.dim % len(matrix):
            given = "how the model's features were made is not known"
            why = given if self.kind == GivenFeatures() else f"{self.kind.title} features can't be warped"
            raise DataError(f"{why} (leave test_warps= out)")

    def stored(
        self, samples: np.ndarray, *, endpoint: bool | None = None, name: str = "the recording"
    ) -> np.ndarray:
        """Make features of one recording as they are stored: before normalisation and deltas.

        Parameters
        ----------
        samples : float32 (N,)
            In [-1, 1), at `rate_hz`.
        endpoint : bool, optional
            Find the speech first, as it was found for training; false takes all of the recording. By default as training did; where
            that took recordings whole, one that is clearly not trimmed is cut, and is none the less whole if nothing is found.
        name : str
            What the warning calls it that is logged where something else than the word may have been found.

        Returns
        -------
        numpy.ndarray
            float32 (T, dim), T at least 1.

        Raises
        ------
        DataError
            There is nothing to hear, no speech, or less than a window of it.
        """
        start, end = self.speech(samples, endpoint=endpoint, name=name)
        feats = self.kind.compute(samples[start:end])
        if not len(feats):
            raise DataError(f"{(end - start) / self._known_hz():.3f} s, shorter than one window")
        reason = unusable(feats)
        if reason:
            raise DataError(f"{reason} (record or convert it again)")
        return feats

    def _known_hz(self) -> int:
        self.check_hears()
        assert self.rate_hz is not None  # features of a kind that hears
        return self.rate_hz

    def speech(
        self, samples: np.ndarray, *, endpoint: bool | None = None, name: str = "the recording"
    ) -> tuple[int, int]:
        """Find what `stored` makes features of: the first sample and the one behind the last; its parameters and errors."""
        from asrkit.audio.endpoint import EndpointConfig, find_speech
        from asrkit.audio.level import silence_reason

        rate_hz = self._known_hz()
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype.kind != "f":
            raise DataError(
                f"samples is {told(samples)}, it should be a numpy array of floats in [-1, 1), (N,)"
            )
        silent = silence_reason(samples)
        if silent:
            raise DataError(f"{silent} (check the microphone)")
        whole = 0, len(samples)
        if endpoint is False:
            return whole
        found = find_speech([samples], rate_hz, self.endpoint or EndpointConfig())
        if found is None:
            short = len(samples) < SHORT_S * rate_hz
            if endpoint or (self.endpoint is not None and not short):
                raise DataError("no speech found (endpoint=false takes the whole recording)")
            if not short:
                log.warning("%s: no speech found, the whole recording is taken", name)
            return whole
        # without being asked only where training did, or where a recording is not trimmed
        if not endpoint and self.endpoint is None and not found.untrimmed:
            return whole
        if found.doubt:
            log.warning("%s: %s", name, found.doubt)
        return int(found.start_s * rate_hz), min(int(found.end_s * rate_hz), len(samples))

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as JSON values."""
        return {
            "dim": self.dim,
            "kind": self.kind.name,
            "settings": asdict(self.kind),
            "transform": asdict(self.transform),
            "endpoint": None if self.endpoint is None else asdict(self.endpoint),
            "prior": None if self.prior is None else asdict(self.prior),
            # no line of files without it: they are what they were
            **({} if self.projection is None else {"projection": self.projection.to_dict()}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FrontEnd":
        """Build it from what `to_dict` gave, of this asrkit or of format version 2."""
        if "mfcc" in values:
            kind, settings = next(
                ((name, values[name]) for name in ("mfcc", "ssl") if values.get(name) is not None),
                ("given", {}),
            )
            values = {**values, "kind": kind, "settings": settings}
        endpoint, prior, projection = (values.get(name) for name in ("endpoint", "prior", "projection"))
        if endpoint is not None:
            from asrkit.audio.endpoint import EndpointConfig

            endpoint = from_dict(EndpointConfig, endpoint)
        return cls(
            values["dim"],
            from_dict(load(values["kind"]), values["settings"]),
            from_dict(TransformConfig, values["transform"]),
            endpoint,
            None if prior is None else Prior.from_dict(prior),
            None if projection is None else Projection.from_dict(projection),
        )

    def difference(self, dim: int, made: FeatureKind) -> str | None:
        """Say how features of dimension `dim` that were made so differ in kind; None if they do not."""
        given = GivenFeatures()
        if (made == given) != (self.kind == given):
            known, unknown = ("the model's", "these") if made == given else ("these", "the model's")
            return (
                f"how {known} were made is known, how {unknown} were is not "
                f"(frontend.conf beside feats.scp says it; write it if they are alike)"
            )
        if type(made) is not type(self.kind):
            return f"these are {made.title}, the model's are {self.kind.title}"
        differences = self.kind.differences(made)
        if differences:
            return ", ".join(differences)
        if dim != self.dim:
            return f"dimension is {dim}, the model's is {self.dim}"
        return None


def unusable(feats: np.ndarray) -> str | None:
    """Say why a feature matrix can't be used; None where it can."""
    # The sum of squares of nearly all lies so, and then every value is finite and the largest neither too large nor too small.
    if feats.ndim == 2 and feats.dtype.kind == "f" and 1e-30 < np.vdot(feats, feats) < 1e30:
        return None
    if feats.ndim != 2:
        return f"its features are a vector of {feats.size}, not a matrix"
    if not len(feats):
        return "no frames"
    if not feats.shape[1]:
        return "frames without any dimension"
    if not np.isfinite(feats).all():
        return f"{int((~np.isfinite(feats)).any(axis=1).sum())} of {len(feats)} frames hold NaN or infinite values"
    size = np.abs(feats)
    if size.max() > LARGEST:
        beyond = int((size > LARGEST).any(axis=1).sum())
        return f"{beyond} of {len(feats)} frames hold values beyond {LARGEST:g}, too large for float32"
    if 0 < size.max() < SMALLEST:
        return f"no value is larger than {size.max():.2g}, too small for float32"
    return None


def why_unusable(matrices: Sequence[np.ndarray]) -> list[str | None]:
    """Say what `unusable` says of each of several feature matrices; quicker, where there are many small ones."""
    if not all(feats.ndim == 2 and feats.size for feats in matrices) or not matrices:
        return [unusable(feats) for feats in matrices]
    starts = np.cumsum([0] + [feats.size for feats in matrices[:-1]])
    peaks = np.maximum.reduceat(np.abs(np.concatenate(matrices, axis=None)), starts)  # NaN if any value is
    fine = (peaks == 0) | ((peaks >= SMALLEST) & (peaks <= LARGEST))
    return [None if good else unusable(feats) for good, feats in zip(fine.tolist(), matrices, strict=True)]
