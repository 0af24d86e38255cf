"""GMM: one Gaussian mixture a word, blind to the order of frames. A start of k-means, or of others, then EM."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import check_fields, option
from asrkit.families.base import MAP, MLLR, MLLR_MAP, SharesCovariances, gaussians_of, shared_frames
from asrkit.models.base import Stats, WordModel, WordStats
from asrkit.models.codebook import kmeans
from asrkit.models.mixture import MIXTURES
from asrkit.models.mixture_base import Mixture
from asrkit.models.quick import Densities
from asrkit.models.scale import standard

KMEANS, RANDOM, SHARED = STARTS = ("kmeans", "random", "shared")
CLUSTERED = 1000  # frames of each cluster that training starts from, at the least where there are as many


@dataclass(frozen=True)
class Config:
    num_gauss: int = option(64, "Gaussians of each word's mixture", minimum=1)
    covariance: str = option("diag", "covariance form", choices=("diag", "full"))
    min_count: float = option(
        20.0, "frames each Gaussian must have on average; fewer Gaussians where a word has less", minimum=1
    )
    num_starts: int = option(2, "k-means starts; of the trained models the likeliest is kept", minimum=1)
    variance_floor: float = option(
        0.01, "least variance, as a fraction of the word's variance in each dimension", minimum=0, maximum=1
    )
    min_occ: float = option(3.0, "frames below which a Gaussian is removed", minimum=0)
    weight_floor: float = option(1e-5, "least mixture weight", minimum=0, maximum=1)
    kmeans_iters: int = option(20, "Lloyd iterations of the k-means start", minimum=1)
    shared_frames: float = shared_frames()
    init: str = option(
        KMEANS,
        "where EM starts: k-means clusters of the word's frames; frames drawn by chance, each with the word's covariance and the same weight; "
        "or clusters of all words' frames",
        choices=STARTS,
        later=True,
    )
    update_weights: bool = option(
        True, "re-estimate the weights; else they stay as the start has them", later=True
    )

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class MixtureWordStats(WordStats):
    emission: Stats

    @property
    def occupancy(self):
        """(1,): frames of the one state."""
        return np.array([self.frames])


@dataclass(frozen=True)
class WordMixture(WordModel):
    """A word as one mixture over its frames: the likelihood of an utterance is the product over its frames."""

    emission: Mixture  # S = 1
    num_states = shortest = 1

    @property
    def num_gauss(self):
        return self.emission.num_gauss

    @property
    def num_parameters(self):
        return self.emission.num_parameters

    @property
    def components(self):
        return self.emission.components

    @property
    def floored(self):
        return self.emission.floored

    @property
    def inside(self):
        return self.emission.inside

    def check(self, width):
        self.emission.check(1, width)

    def log_likelihood(self, block):
        return self.bank([self], exact=True).scores(block)[:, 0]

    def align(self, block):
        """There is one state, so there is one path."""
        return self.log_likelihood(block), np.zeros(len(block.obs), dtype=np.int32)

    def frame_scores(self, block):
        """Its density."""
        added = self.emission.log_likelihood(block.obs)[:, 0]
        return added, np.zeros(len(block.obs), dtype=np.int32)

    def accumulate(self, block, method="viterbi"):
        """Both methods are the same here: gamma is 1."""
        gamma = np.ones((len(block.obs), 1))
        used = block.lengths > 0
        emission, log_like = self.emission.accumulate_scored(
            block.obs, gamma, prepared=block.prepared(self.emission)
        )
        return MixtureWordStats(log_like, len(block.obs), int(used.sum()), int((~used).sum()), emission)

    @staticmethod
    def bank(models, exact=False):
        return MixtureBank(models, exact)

    def estimate(self, stats, config):
        new = self.emission.estimate(stats.emission, config)
        return WordMixture(new if config.update_weights else new.with_weights_of(self.emission))

    def adapt(self, stats, prior, config):
        return WordMixture(self.emission.adapt(stats.emission, prior, config))

    def log_prior(self, adapted, prior):
        return self.emission.log_prior(adapted.emission, prior)

    def sample(self, rng, length=40):
        return self.emission.sample(np.zeros(length, dtype=int), rng)

    def to_arrays(self):
        return self.emission.to_arrays()


class MixtureBank:
    """Many words' mixtures as the states of one; densities are in float32, their sums in float64, all of it with `exact`."""

    def __init__(self, models, exact=False):
        self._emission = type(models[0].emission).stack([model.emission for model in models], 1)
        self._exact = exact or self._emission.quick is None

    def densities(self, block):
        """log p(x | word) as Densities of one state."""
        shape = (1, len(self._emission.log_weights))
        return Densities.of(self._emission, block, shape, exact=self._exact)

    def scores(self, block, method="viterbi", densities=None):
        """Log-likelihoods, float64 (U, W); both methods are the same here. An utterance without frames has none."""
        densities = densities or self.densities(block)
        log_obs = densities.relative[:, 0].take(densities.schedule.columns, axis=0)
        spoken = block.lengths > 0
        scores = np.full((len(spoken), log_obs.shape[1]), -np.inf)
        if spoken.any():
            sums = np.add.reduceat(log_obs, block.offsets[:-1][spoken], axis=0, dtype=np.float64)
            scores[spoken] = sums + densities.peaks[spoken, None]
        return scores

    def paths(self, block, densities, words):
        """There is one state."""
        return np.zeros(len(block.obs), dtype=np.int32)


def capped(config, block):
    """How many Gaussians the frames of a Block are enough for."""
    return max(1, min(config.num_gauss, int(len(block.obs) / config.min_count)))


def drawn_gaussians(config, block, rng):
    """Gaussians at frames drawn by chance, all with the word's covariance and the same weight: a Mixture of one state."""
    one = MIXTURES[config.covariance].from_data(block.obs, 1, config.variance_floor, block.variance)
    one = one.estimate(one.accumulate(block.obs, np.ones((len(block.obs), 1))), config)
    num_gauss = capped(config, block)
    means = block.obs[rng.choice(len(block.obs), num_gauss, replace=False)].astype(np.float64)
    return one.repeated(num_gauss).with_means(means[None])


def shared_gaussians(config, block):
    """The clusters of all words' frames, with their shares of these: a Mixture of one state.

    A word with too few frames for all of them has those that most of its frames are in, and no variance is below the word's own floor.
    """
    mixture = block.common
    floor = MIXTURES[config.covariance].from_data(block.obs, 1, config.variance_floor, block.variance)
    mixture = replace(mixture, variance_floor=floor.variance_floor, center=floor.center)
    if capped(config, block) < mixture.num_gauss:
        occ = mixture.accumulate(block.obs, np.ones((len(block.obs), 1))).occ[0]
        mixture = mixture.picked(np.sort(np.argsort(-occ, kind="stable")[: capped(config, block)]))
    return mixture.with_spread(getattr(mixture, mixture.spread))


def cluster_gaussians(config, block, rng):
    """One Gaussian for each k-means cluster of a Block, as M states of one component each, and their shares of the
    frames (M,). Of many frames a part is clustered, spread evenly: EM moves the Gaussians anyway.
    """
    obs = block.obs
    num_gauss = capped(config, block)
    some = obs[:: max(1, len(obs) // (CLUSTERED * num_gauss))].astype(np.float64)
    mean, unit = standard(some)
    _, labels = kmeans((some - mean) / unit, num_gauss, rng, max_iters=config.kmeans_iters)
    states = MIXTURES[config.covariance].from_data(obs, num_gauss, config.variance_floor, block.variance)
    stats = states.accumulate(some, np.eye(num_gauss)[labels])
    return states.estimate(stats, config), stats.occ[:, 0] / len(some)


class Gmm(SharesCovariances):
    """Gaussian mixtures without time."""

    Config = Config
    has_codes = False
    has_states = False
    has_gaussians = True
    gaussians_a_state = False
    grows = False
    adds_up = True
    can_align = True
    adaptations = (MAP, MLLR, MLLR_MAP)

    def rules(self, facts, chosen):
        """Few full Gaussians whose covariances the words share as far as they have few frames. With 19 recordings a word (six
        speakers of TIDIGITS) 4 of them made a quarter of the errors of 64 diagonal ones; with 76 speakers 8 made 1 of 1236, 4 made 2, and
        a second start changed nothing. Iterations that gain less than 0.005 nats a frame, a third, changed no more than chance: down to 0.001, 0.003
        and 0.01 there were 449, 457 and 455 errors of 2700 with two of FSDD's speakers held out in turn. Who asks for diagonal covariances gets as many as were best with many recordings of one microphone.
        """
        if chosen.get("covariance") == "diag":
            form = {"num_gauss": 64, "num_starts": 2, "variance_floor": 0.01, "shared_frames": 0.0}
            return {"cmvn": "map", "delta_window": 2, "tol": 0.001, "covariance": "diag", **form}
        form = {
            "num_gauss": 4 if facts.recordings < 100 else 8,
            "num_starts": 1,
            "variance_floor": 0.1,
            "shared_frames": 300.0,
        }
        return {"cmvn": "map", "delta_window": 4, "tol": 0.005, "covariance": "full", **form}

    def describe(self, config):
        return gaussians_of(config)

    def init(self, config, block, rng, start=0):
        """k-means clusters, each a Gaussian with its cluster's mean, covariance and share of the frames; or as `config.init` says."""
        if config.init == RANDOM:
            return WordMixture(drawn_gaussians(config, block, rng))
        if config.init == SHARED:
            return WordMixture(shared_gaussians(config, block))
        return WordMixture(self._clustered(config, block, rng))

    def starts_in_common(self, config):
        return config.init == SHARED

    def common_start(self, config, block, rng):
        return self._clustered(config, block, rng)

    def _clustered(self, config, block, rng):
        clusters, share = cluster_gaussians(config, block, rng)
        share = np.maximum(share, config.weight_floor)
        arrays = clusters.to_arrays()
        beside = {
            name: arrays[name].swapaxes(0, 1) for name in arrays if name not in ("variance_floor", "center")
        }
        arrays = {**arrays, **beside, "log_weights": np.log(share / share.sum())[None]}
        return MIXTURES[config.covariance](**arrays)

    def num_starts(self, config):
        return config.num_starts

    def from_arrays(self, arrays):
        return WordMixture(MIXTURES["full" if "covariances" in arrays else "diag"](**arrays))
