"""Which recordings of a training sound most like another one?"""

from collections.abc import Sequence

import numpy as np

from asrkit.families.dtw import local_distances, resample, warp
from asrkit.models.base import Block

FRAMES = 16  # that recordings are stretched or shrunk to
NEAR = 50  # that are warped: those whose frames, pair by pair, lie nearest


class Neighbours:
    """Recordings among which the nearest are looked for.

    Attributes
    ----------
    utts : tuple of str
    """

    def __init__(self, utts: Sequence[str], feats: Sequence[np.ndarray]) -> None:
        """
        Parameters
        ----------
        utts : sequence of str
        feats : sequence of float (T, D)
            Model features.
        """
        self.utts = tuple(utts)
        frames = self._stretched(feats)
        self._mean = frames.mean(axis=(0, 1))
        deviation = frames.std(axis=(0, 1))
        self._scale = np.where(deviation > 0, deviation, 1.0)
        self._frames = ((frames - self._mean) / self._scale).astype(np.float32)

    @staticmethod
    def _stretched(feats: Sequence[np.ndarray]) -> np.ndarray:
        return resample(Block.from_items(("", own) for own in feats), FRAMES)

    def nearest(self, feats: np.ndarray, count: int, without: str = "") -> list[tuple[str, float]]:
        """Find the nearest recordings by dynamic time warping, among those that are near frame by frame.

        Parameters
        ----------
        feats : float (T, D)
        count : int
        without : str
            An utterance that is left out: the recording itself.

        Returns
        -------
        list of (str, float)
            Utterances and their distances, the nearest first: the mean over the path of the distance of two frames in standard deviations
            of each dimension, its root mean square over dimensions.
        """
        own = ((self._stretched([feats])[0] - self._mean) / self._scale).astype(np.float32)
        apart = np.square(self._frames - own).sum(axis=(1, 2))
        near = [int(k) for k in np.argsort(apart, kind="stable")[: NEAR + 1] if self.utts[k] != without][
            :NEAR
        ]
        if not near:
            return []
        cost = local_distances(own[None].astype(np.float64), self._frames[near].astype(np.float64))
        paid = warp(cost)[-1, -1] / (2 * FRAMES * np.sqrt(own.shape[1]))
        order = np.argsort(paid, kind="stable")[:count]
        return [(self.utts[near[k]], float(paid[k])) for k in order]
