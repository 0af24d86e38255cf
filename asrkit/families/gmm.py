"""GMM: one Gaussian mixture a word, blind to the order of frames. k-means start, then EM."""

from dataclasses import dataclass

import numpy as np

from asrkit.codebook import kmeans
from asrkit.config import check_fields, option
from asrkit.models.base import Stats, WordStats
from asrkit.models.mixture import MIXTURES, Mixture

OBSERVATIONS = "features"


@dataclass(frozen=True)
class Config:
    num_gauss: int = option(32, "Gaussians of each word's mixture", minimum=1)
    covariance: str = option("diag", "covariance form", choices=("diag", "full"))
    min_count: float = option(20.0, "frames each Gaussian must have on average; fewer Gaussians where a word has less", minimum=1)
    num_starts: int = option(2, "k-means starts; of the trained models the likeliest is kept", minimum=1)
    variance_floor: float = option(0.01, "least variance, as a fraction of the word's variance in each dimension", minimum=0, maximum=1)
    weight_floor: float = option(1e-5, "least mixture weight", minimum=0, maximum=1)
    kmeans_iters: int = option(20, "Lloyd iterations of the k-means start", minimum=1)

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class MixtureWordStats(WordStats):
    emission: Stats


@dataclass(frozen=True)
class WordMixture:
    """A word as one mixture over its frames: the likelihood of an utterance is the product over its frames."""

    emission: Mixture  # S = 1
    num_states = 1

    @property
    def num_gauss(self):
        return self.emission.num_gauss

    @property
    def num_floored(self):
        return self.emission.num_floored

    def check(self, width):
        self.emission.check(1, width)

    def log_likelihood(self, block):
        total = np.concatenate([[0.0], np.cumsum(self.emission.log_likelihood(block.obs)[:, 0])])
        scores = total[block.offsets[1:]] - total[block.offsets[:-1]]
        return np.where(block.lengths > 0, scores, -np.inf)

    def align(self, block):
        """There is one state, so there is one path."""
        return self.log_likelihood(block), np.zeros(len(block.obs), dtype=np.int32)

    def accumulate(self, block, method="viterbi"):
        """Both methods are the same here: gamma is 1."""
        gamma = np.ones((len(block.obs), 1))
        used = block.lengths > 0
        emission, log_like = self.emission.accumulate_scored(block.obs, gamma)
        return MixtureWordStats(log_like, len(block.obs), int(used.sum()), int((~used).sum()), emission)

    def estimate(self, stats, config):
        return WordMixture(self.emission.estimate(stats.emission, config))

    def grow(self, stats, config):
        """k-means gave the mixture its full size."""
        return None

    def sample(self, rng, length=40):
        return self.emission.sample(np.zeros(length, dtype=int), rng)

    def to_arrays(self):
        return self.emission.to_arrays()


def init(config, block, rng):
    """k-means clusters, each a Gaussian with its cluster's mean, covariance and share of the frames."""
    obs = block.obs.astype(np.float64)
    num_gauss = max(1, min(config.num_gauss, int(len(obs) / config.min_count)))
    scale = np.maximum(obs.std(axis=0), 1e-5)
    _, labels = kmeans(obs / scale, num_gauss, rng, max_iters=config.kmeans_iters)
    # The clusters are estimated as states of their own and then laid side by side as components of one.
    states = MIXTURES[config.covariance].from_data(obs, num_gauss, config.variance_floor)
    stats = states.accumulate(obs, np.eye(num_gauss)[labels])
    emission = states.estimate(stats, config)
    arrays = {name: value.swapaxes(0, 1) for name, value in emission.to_arrays().items() if name != "variance_floor"}
    share = stats.occ[:, 0] / len(obs)
    arrays["log_weights"] = np.log(np.maximum(share, config.weight_floor))[None]
    arrays["log_weights"] -= np.log(np.exp(arrays["log_weights"]).sum())
    return from_arrays({**arrays, "variance_floor": emission.variance_floor})


def from_arrays(arrays):
    return WordMixture(MIXTURES["full" if "covariances" in arrays else "diag"](**arrays))
