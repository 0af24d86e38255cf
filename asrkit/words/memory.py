"""What is known of a speaker from the recordings heard so far."""

from dataclasses import dataclass, field, replace

import numpy as np

from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import cmvn_stats

KEPT = 200  # recordings that are kept to be heard anew, the last ones


@dataclass(frozen=True)
class Memory:
    """What is known of a speaker.

    Attributes
    ----------
    dim : int
        Dimension of the stored features that were heard.
    kind : FeatureKind
        How they were made.
    recordings : int
        How many have been heard.
    stats : float64 (2, dim + 1)
        Statistics for their normalisation, as `cmvn_stats` gives them.
    kept : tuple of float32 (T, dim)
        The last of them, as stored.
    step : int
        How many had been heard when the models were moved last; 0: never.
    step_stats : float64 (2, dim + 1) or None
        The statistics then.
    """

    dim: int
    kind: FeatureKind
    recordings: int
    stats: np.ndarray
    kept: tuple[np.ndarray, ...] = field(default=(), repr=False)
    step: int = 0
    step_stats: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def of_nobody(cls, frontend: FrontEnd) -> "Memory":
        """Nothing is known."""
        return cls(frontend.dim, frontend.kind, 0, np.zeros((2, frontend.dim + 1)))

    def after(self, stored: np.ndarray) -> "Memory":
        """What is known after one more recording, given its stored features (T, dim)."""
        kept = (*self.kept, stored)[-KEPT:]
        return replace(self, recordings=self.recordings + 1, stats=self.stats + cmvn_stats(stored), kept=kept)

    def stepped(self) -> "Memory":
        """The same, the models being moved now."""
        return replace(self, step=self.recordings, step_stats=self.stats)

    @property
    def learned_of(self) -> tuple[np.ndarray, ...]:
        """Those of the kept recordings that had been heard when the models were moved last."""
        return self.kept[: max(len(self.kept) - (self.recordings - self.step), 0)]
