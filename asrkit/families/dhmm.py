"""Discrete HMM: a left-right model over the symbols of a vector-quantisation codebook."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import option
from asrkit.families.base import MAP, HmmFamily, counted, states_of
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.models.topology import HmmConfig, init_hmm


@dataclass(frozen=True)
class Config(HmmConfig):
    num_symbols: int = option(
        512,
        "symbols, as many as the codebook has vectors: it is made of that size, or must have it",
        minimum=1,
    )
    symbol_floor: float = option(1e-5, "least probability of a symbol in a state", minimum=0, maximum=1)


class Dhmm(HmmFamily):
    """Discrete HMMs."""

    Config = Config
    has_codes = True
    has_gaussians = False
    adaptations = (MAP,)

    def describe(self, config):
        return f"{states_of(config)}, {counted(config.num_symbols, 'symbol')}"

    def init(self, config, block, rng, start=0):
        """Uniform segmentation (a random one for later starts); symbol probabilities are the parts' relative
        frequencies.
        """
        return init_hmm(
            lambda n: Categorical(np.full((n, config.num_symbols), -np.log(config.num_symbols))),
            block,
            config,
            rng,
            start,
        )

    def from_arrays(self, arrays):
        return Hmm(
            arrays["log_start"], arrays["log_trans"], arrays["log_exit"], Categorical(arrays["log_probs"])
        )
