"""All that the benchmark calls of asrkit stands in this file, to be changed with the package.

Whole processes are the command line. In process it needs: features from a data directory, one training, the
scores of all words, one EM iteration of a word's mixture. asrkit's command line keeps to one BLAS thread;
here it does, too.
"""

import dataclasses
import functools
import os
import sys
from pathlib import Path

import kaldiio
import numpy as np
from threadpoolctl import ThreadpoolController

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from asrkit import families
from asrkit.features.transform import TransformConfig, transform
from asrkit.models.base import Block, chunks
from asrkit.words import training
from asrkit.words.decoding import Scorer
from asrkit.words.vocabulary import Vocabulary

VARIANCE_FLOOR = 0.01  # of the data's variance: low, as the peers have hardly any
DEFAULT_METHOD = training.TrainConfig().method
METHODS = tuple(dict.fromkeys([DEFAULT_METHOD, "viterbi", "baum-welch"]))
# what the peers do not do: copies of the recordings, confidence, learning of who is heard
ALIKE = ["--warps=", "--calibrate", "false"]
HEARD_ALIKE = ["--adapt", "none"]
CONF = TOP / "egs" / "digits" / "conf"
PREPARE_DATA = TOP / "egs" / "digits" / "local" / "prepare_data.py"


def command(name, *words):
    """The words that start `asrkit name`, of this checkout."""
    return [sys.executable, "-m", "asrkit", name, *map(str, words)]


def environment(**more):
    """Where commands find this checkout; that this process keeps no bytecode is not theirs: they would compile it at every start."""
    path = os.pathsep.join(filter(None, [str(TOP), os.environ.get("PYTHONPATH")]))
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "PYTHONPATH": path, **{name: str(value) for name, value in more.items()}}


def family_options(family, states, gauss, iterations):
    """Command-line options of a training with that many states, Gaussians, and iterations at each number of
    Gaussians, without what no peer does.
    """
    passes = [
        "--max-iters",
        iterations,
        "--growth-iters",
        iterations,
        "--tol",
        0,
        "--variance-floor",
        VARIANCE_FLOOR,
    ]
    form = ["--covariance", "diag"] if family == "chmm" else []
    return ["--family", family, "--num-states", states, "--num-gauss", gauss, *form, *passes, *ALIKE]


def read_utterances(folder, delta_order):
    """(utt, word, float32 (T, D)) of a data directory, with deltas, as `asrkit train` sees them."""
    config = TransformConfig(delta_order=delta_order)
    text = dict(line.split(None, 1) for line in (folder / "text").read_text(encoding="utf-8").splitlines())
    feats = kaldiio.load_scp(str(folder / "feats.scp"))
    return [
        (utt, word, transform(np.asarray(feats[utt], dtype=np.float32), config, None))
        for utt, word in text.items()
    ]


def one_thread(function):
    """`function` with one BLAS thread."""

    @functools.wraps(function)
    def held(*args, **kwargs):
        with blas().limit(limits=1):
            return function(*args, **kwargs)

    return held


@functools.cache
def blas():
    return ThreadpoolController()


def blocks(by_word):
    """What training takes: dict of word to its block, from dict of word to list of arrays."""
    named = {
        word: [(f"{number:06d}", array) for number, array in enumerate(arrays)]
        for word, arrays in by_word.items()
    }
    return {word: Block.from_items(items) for word, items in named.items()}


@one_thread
def train(family, blocks_by_word, method, iterations, **settings):
    """Train every word.

    Parameters
    ----------
    iterations : int
        Re-estimations at each number of Gaussians.
    settings : fields of the family's Config

    Returns
    -------
    models : dict of word to WordModel
    passes : int
        Most entries of a word's training log.
    """
    floor = {"variance_floor": VARIANCE_FLOOR} if family != "dhmm" else {}
    config = families.load(family).Config(**floor, **settings)
    how = training.TrainConfig(method=method, max_iters=iterations, growth_iters=iterations, tol=0.0)
    # What a training prepares of the frames it keeps, as the command line does; a training starts without
    # any.
    fresh = {word: dataclasses.replace(block, keep=True) for word, block in blocks_by_word.items()}
    trained = training.train_words(family, config, how, fresh)
    return {word: model for word, (model, _) in trained.items()}, max(len(log) for _, log in trained.values())


def scorer(family, models):
    """A function from a list of arrays to the scores of every word, (U, W)."""
    vocabulary = Vocabulary(family, tuple(models), models, {}, None, None, "")
    bank = Scorer(vocabulary)

    @one_thread
    def score(arrays):
        named = ((str(number), array) for number, array in enumerate(arrays))
        return np.concatenate([bank.scores(some) for some in chunks(named)])

    return score


def hmm_arrays(model):
    """log_start, log_trans, and either log_probs, or log_weights, means and variances, as the model file has
    them.
    """
    return model.to_arrays()


def em_step(start, frames, covariance):
    """One EM iteration of a mixture from `start` = (weights, means, covariances): a function that gives the
    same three.
    """
    weights, means, spread = start
    arrays = {
        "log_weights": np.log(weights)[None],
        "means": means[None],
        "variance_floor": np.full(means.shape[1], 1e-6),
    }
    name = {"diag": "variances", "full": "covariances"}[covariance]
    model = families.load("gmm").from_arrays({**arrays, name: spread[None]})
    config = families.load("gmm").Config(num_gauss=len(weights), covariance=covariance)
    block = Block.from_items([("frames", frames)], keep=True)

    @one_thread
    def step():
        new = model.estimate(model.accumulate(block), config).to_arrays()
        return np.exp(new["log_weights"][0]), new["means"][0], new[name][0]

    return step
