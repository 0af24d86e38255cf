"""Discrete HMM: a left-right model over the symbols of a vector-quantisation codebook."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm, choose_num_states, init_uniform, left_right

OBSERVATIONS = "codes"


@dataclass(frozen=True)
class Config:
    num_states: int = option(12, "states a word; fewer where its recordings are too short", minimum=1)
    num_symbols: int = option(512, "size of the codebook, which decides it", minimum=1)
    symbol_floor: float = option(1e-5, "least probability of a symbol in a state", minimum=0, maximum=1)
    transition_floor: float = option(1e-4, "least probability of an allowed transition", minimum=0, maximum=1)

    def __post_init__(self):
        check_fields(self)


def init(config, block, rng):
    """Uniform segmentation; symbol probabilities are the parts' relative frequencies. Nothing is drawn from `rng`."""
    num_states = choose_num_states(block, config)
    emission = Categorical(np.full((num_states, config.num_symbols), -np.log(config.num_symbols)))
    return init_uniform(left_right(num_states, emission), block, config)


def from_arrays(arrays):
    return Hmm(arrays["log_start"], arrays["log_trans"], arrays["log_exit"], Categorical(arrays["log_probs"]))
