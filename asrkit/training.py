"""The one training loop, for every family: accumulate, sum, estimate, until the objective stops rising."""

import logging
from dataclasses import dataclass

import numpy as np

from asrkit import families
from asrkit.config import check_fields, option

log = logging.getLogger("asrkit")

CONVERGED, LIMIT, DECREASED = "converged", "iteration limit", "decreased"


@dataclass(frozen=True)
class TrainConfig:
    method: str = option("viterbi", "re-estimate along the best path, or over all paths", choices=("viterbi", "baum-welch"))
    max_iters: int = option(40, "iterations at the most, at each number of Gaussians", minimum=1)
    tol: float = option(1e-3, "converged when an iteration gains less than this, in nats a frame", minimum=0)
    seed: int = option(0, "seed of everything drawn by chance", minimum=0)

    def __post_init__(self):
        check_fields(self)


def train_word(family_name, family_config, train_config, block, word, word_index):
    """Train one word's model.

    Parameters
    ----------
    family_name : str
        A name of `asrkit.families`.
    block : Block
        The word's training utterances.
    word_index : int
        Place of the word in the vocabulary; with the seed it fixes all chance.

    Returns
    -------
    model : WordModel
    log : list of dict
        One entry an iteration of the start that was kept; `objective` never falls.
    """
    family = families.load(family_name)
    best = None
    starts = getattr(family_config, "num_starts", 1)
    for start in range(starts):
        rng = np.random.default_rng([train_config.seed, word_index, start])
        model, entries = _train_start(family.init(family_config, block, rng), family_config, train_config, block)
        if best is None or entries[-1]["objective"] > best[1][-1]["objective"]:
            best = model, entries, start
    model, entries, kept = best
    for entry in entries:
        entry.update(word=word, start=kept)
    if any(entry["ending"] == DECREASED for entry in entries):
        log.warning("%s: the objective fell; this is an error in asrkit, please report it. The better model is kept", word)
    return model, entries


def _train_start(model, family_config, train_config, block):
    entries = []
    stats = model.accumulate(block, train_config.method)
    phase = 0
    while True:
        _record(entries, model, stats, phase)
        ending = LIMIT
        for _ in range(train_config.max_iters):
            new = model.estimate(stats, family_config)
            new_stats = new.accumulate(block, train_config.method)
            gain = new_stats.log_like - stats.log_like
            if gain < -1e-9 * abs(stats.log_like):
                ending = DECREASED
                break
            model, stats = new, new_stats
            _record(entries, model, stats, phase)
            if gain <= train_config.tol * max(stats.frames, 1):
                ending = CONVERGED
                break
        entries[-1]["ending"] = ending
        grown = _grow(model, stats, family_config, train_config, block)
        if grown is None:
            return model, entries
        model, stats = grown
        phase += 1


def _grow(model, stats, family_config, train_config, block):
    """The next larger model, re-estimated until it explains the data at least as well as the smaller one did.

    Splitting moves components apart by guesswork and may cost some likelihood for the moment; one or two
    re-estimations win it back. Where five do not, growth ends.
    """
    larger = model.grow(stats, family_config)
    if larger is None:
        return None
    for _ in range(5):
        larger = larger.estimate(larger.accumulate(block, train_config.method), family_config)
        larger_stats = larger.accumulate(block, train_config.method)
        if larger_stats.log_like >= stats.log_like:
            return larger, larger_stats
    return None


def _record(entries, model, stats, phase):
    entries.append({
        "iteration": len(entries),
        "phase": phase,
        "objective": stats.log_like,
        "per_frame": stats.log_like / max(stats.frames, 1),
        "frames": stats.frames,
        "utts": stats.utts,
        "skipped": stats.skipped,
        "states": model.num_states,
        "gaussians": model.num_gauss,
        "floored": model.num_floored,
        "ending": None,
    })
