"""What is known of a speaker from the recordings heard so far."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import cmvn_stats


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
    stats : float64 (2, dim + 1)
        Statistics for their normalisation, as `cmvn_stats` gives them.
    """

    dim: int
    kind: FeatureKind
    recordings: int
    stats: np.ndarray

    @classmethod
    def of_nobody(cls, frontend: FrontEnd) -> "Memory":
        """Nothing is known."""
        return cls(frontend.dim, frontend.kind, 0, np.zeros((2, frontend.dim + 1)))

    def after(self, stored: np.ndarray) -> "Memory":
        """What is known after one more recording, given its stored features (T, dim)."""
        return replace(self, recordings=self.recordings + 1, stats=self.stats + cmvn_stats(stored))
