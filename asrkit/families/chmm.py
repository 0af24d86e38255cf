"""Continuous HMM: a left-right model whose states are Gaussian mixtures, grown by splitting."""

from dataclasses import dataclass

from asrkit.config import check_fields, option
from asrkit.models.hmm import Hmm, choose_num_states, init_uniform, left_right
from asrkit.models.mixture import MIXTURES

OBSERVATIONS = "features"


@dataclass(frozen=True)
class Config:
    num_states: int = option(12, "states a word; fewer where its recordings are too short", minimum=1)
    num_gauss: int = option(4, "Gaussians a state, reached by doubling", minimum=1)
    covariance: str = option("diag", "covariance form", choices=("diag", "full"))
    min_count: float = option(10.0, "frames below which no Gaussian is split off", minimum=1)
    variance_floor: float = option(0.01, "least variance, as a fraction of the word's variance in each dimension", minimum=0, maximum=1)
    weight_floor: float = option(1e-5, "least mixture weight", minimum=0, maximum=1)
    transition_floor: float = option(1e-4, "least probability of an allowed transition", minimum=0, maximum=1)

    def __post_init__(self):
        check_fields(self)


def init(config, block, rng):
    """Uniform segmentation, one Gaussian a state. Nothing is drawn from `rng`."""
    num_states = choose_num_states(block, config)
    emission = MIXTURES[config.covariance].from_data(block.obs, num_states, config.variance_floor)
    return init_uniform(left_right(num_states, emission), block, config)


def from_arrays(arrays):
    arrays = dict(arrays)
    arcs = [arrays.pop(name) for name in ("log_start", "log_trans", "log_exit")]
    return Hmm(*arcs, MIXTURES["full" if "covariances" in arrays else "diag"](**arrays))
