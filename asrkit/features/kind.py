"""What a kind of features must say of itself: the contract of the files in `asrkit/features/kinds`."""

import functools
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from asrkit.errors import SettingsError


class FeatureKind(ABC):
    """How features are made of samples. A subclass is a frozen dataclass of its settings (`asrkit.config.option` fields).

    A new kind is one new file in `asrkit/features/kinds` with one such subclass, whose name is the file's: the command
    `asrkit compute-NAME`, training, decoding and recognising follow from what is declared here.

    Attributes
    ----------
    title : str
        What a person calls them: "MFCC".
    command : str or None
        What makes them of a data directory's recordings.
    hears : bool
        `compute` makes them of samples alone: a model of such features can hear recordings.
    labels : tuple of str
        Settings that are for people, and do not make features another kind.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    title: ClassVar[str]
    command: ClassVar[str | None] = None
    hears: ClassVar[bool] = True
    labels: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """The name of the kind: that of its file. It stands in frontend.conf and in models."""
        return type(self).__module__.rpartition(".")[2]

    @property
    @abstractmethod
    def rate_hz(self) -> int | None:
        """Samples a second that `compute` is given; None where it is given none."""

    @property
    @abstractmethod
    def frame_shift_s(self) -> float | None:
        """Seconds from frame to frame; None where the settings do not say it."""

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """Dimensions of a frame; None where the settings do not say it."""

    @abstractmethod
    def compute(self, samples: np.ndarray) -> np.ndarray:
        """Make features: float32 (N,) samples in [-1, 1) at `rate_hz` -> float32 (T, dim); T is 0 where they are too few."""

    def compute_many(self, recordings: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Make what `compute` makes of each recording, byte for byte; quicker, where a kind knows how."""
        return [self.compute(samples) for samples in recordings]

    def describe(self) -> str:
        """Say in one line what they are."""
        settings = ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))
        return f"{self.title}: {settings}"

    def dimension_names(self, dim: int) -> list[str]:
        """Name the dimensions of a frame, for people: `x0`, `x1`, ... where a kind knows no better."""
        return [f"x{i}" for i in range(dim)]

    def warp_matrix(self, factor: float) -> np.ndarray | None:
        """Give the matrix that warps the frequency axis of features by a factor, (dim, dim); None where there is none."""
        return None

    def differences(self, other: "FeatureKind") -> list[str]:
        """List the settings by which features of the same kind differ, as `name is theirs, the model's is ours`."""
        names = [f.name for f in fields(self) if getattr(other, f.name) != getattr(self, f.name)]
        if all(name in self.labels for name in names):
            return []
        return [f"{n} is {getattr(other, n)}, the model's is {getattr(self, n)}" for n in names]


def names() -> list[str]:
    """Every kind of features, in alphabetic order."""
    from asrkit.features import kinds

    return sorted(module.name for module in pkgutil.iter_modules(kinds.__path__))


@functools.cache
def load(name: str) -> type[FeatureKind]:
    """Get the class of a kind of features; its fields are the settings.

    Raises
    ------
    SettingsError
        There is none of that name.

    Examples
    --------
    >>> from asrkit.features import kind
    >>> kind.load("mfcc")(sample_rate_hz=8000).rate_hz
    8000
    """
    if name not in names():
        raise SettingsError(f"features={name!r} is none of {', '.join(names())}")
    module = importlib.import_module(f"asrkit.features.kinds.{name}")
    return next(
        held
        for held in vars(module).values()
        if isinstance(held, type) and issubclass(held, FeatureKind) and held.__module__ == module.__name__
    )
