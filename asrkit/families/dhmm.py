"""Discrete HMM: a left-right model over the symbols of a vector-quantisation codebook, or of one for each stream."""

import math
from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import option, parse_numbers, shortened
from asrkit.errors import SettingsError
from asrkit.families.base import MAP, HmmFamily, counted, states_of
from asrkit.models.categorical import Categorical
from asrkit.models.codebook import closeness
from asrkit.models.hmm import Hmm
from asrkit.models.topology import HmmConfig, init_hmm


@dataclass(frozen=True)
class Config(HmmConfig):
    num_symbols: int = option(
        512,
        "symbols (of each stream), as many as the codebook has vectors: it is made of that size, or must have it",
        minimum=1,
    )
    symbol_floor: float = option(1e-5, "least probability of a symbol in a state", minimum=0, maximum=1)
    stream_weights: str = option(
        "", "factors of the streams' log-probabilities, by commas, such as 1,0.8,0.5; '' for 1 each"
    )
    smooth: float = option(
        0.0,
        "frames that count for what near symbols say of each other, beside those of a state: helps where these are few; 0: none",
        minimum=0,
    )

    def __post_init__(self):
        super().__post_init__()
        _ = self.weights  # refuses what is no list of weights

    @property
    def weights(self):
        """(K,) weights of the streams; None where they are 1 each."""
        weights = parse_numbers("stream_weights", self.stream_weights, 0, 1000)
        if weights and not any(weights):
            raise SettingsError(
                f"stream_weights={shortened(self.stream_weights)}: one of them must be above 0"
            )
        return np.array(weights) if weights else None

    def check_streams(self, num_streams):
        """Raise a SettingsError unless the weights are those of so many streams."""
        weights = self.weights
        if weights is not None and (len(weights) != num_streams or num_streams == 1):
            raise SettingsError(
                f"stream_weights={shortened(self.stream_weights)}: {len(weights)} weights for a codebook of {num_streams} "
                "streams (give one each, or none)"
            )


class Dhmm(HmmFamily):
    """Discrete HMMs."""

    Config = Config
    has_codes = True
    has_gaussians = False
    adaptations = (MAP,)

    def rules(self, facts, chosen):
        """A codebook for the statics and for each order of deltas, tables smoothed between near symbols, which fades with data: fewer
        errors than one codebook of 512 with six speakers (23 for 90 of 2100), and with 71 of TIDIGITS (6 for 11 of 2072).
        """
        return {
            "cmvn": "map",
            "codebook_streams": 0,
            "codebook_size": 512,
            "codebook_tol": 0.01,
            "smooth": 100.0,
        }

    def describe(self, config):
        smoothed = f", smoothed (μ {config.smooth:g})" if config.smooth else ""
        return f"{states_of(config)}, {counted(config.num_symbols, 'symbol')}{smoothed}"

    def init(self, config, block, rng, start=0):
        """Uniform segmentation (a random one for later starts); symbol probabilities are the parts' relative
        frequencies.
        """
        config.check_streams(math.prod(block.obs.shape[1:]))
        shape = *block.obs.shape[1:], config.num_symbols
        return init_hmm(
            lambda n: Categorical(np.full((n, *shape), -np.log(config.num_symbols)), config.weights),
            block,
            config,
            rng,
            start,
        )

    def from_arrays(self, arrays):
        emission = Categorical(arrays["log_probs"], arrays.get("stream_weights"))
        return Hmm(arrays["log_start"], arrays["log_trans"], arrays["log_exit"], emission)

    def finishes_by_sums(self, config):
        return config.smooth > 0

    def finish(self, models, config, sums=None, codebook=None):
        """Make one more iteration, whose tables are smoothed between near symbols; none without `config.smooth`."""
        if not config.smooth or sums is None:
            return models
        near, finished = closeness(codebook), {}
        for word, model in models.items():
            emission = model.emission.smoothed(sums[word].emission, near, config)
            finished[word] = replace(model.estimate(sums[word], config), emission=emission)
        return finished
