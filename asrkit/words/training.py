"""The one training loop, for every family: accumulate, sum, estimate, until the objective stops rising."""

import functools
import logging
from dataclasses import dataclass, replace

import numpy as np

from asrkit import families
from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.words.entries import log_entry
from asrkit.words.stepwise import Held, Progress, batch_frames, kept_progress, mini_batches, stepwise
from asrkit.words.sums import Sum

log = logging.getLogger("asrkit")

CONVERGED, LIMIT, DECREASED = "converged", "iteration limit", "decreased"
VITERBI, BAUM_WELCH, BOTH, STEPWISE = "viterbi", "baum-welch", "both", "stepwise"
ROUNDING = 1e-6  # of the objective, or nats a frame: what densities in float32 may seem to lose
BATCH = 1 << 15  # frames of several words whose utterances advance together
SAMPLE = 200_000  # frames of a word that training starts from, where it has more


@dataclass(frozen=True)
class TrainConfig:
    """How every family is trained, whatever its models."""

    method: str = option(
        VITERBI,
        "re-estimate along the best path, over all paths, or both in turn; stepwise: along the best path after each mini-batch of a few "
        "passes over the data",
        choices=(VITERBI, BAUM_WELCH, BOTH, STEPWISE),
    )
    max_iters: int = option(40, "iterations at the most", minimum=1)
    growth_iters: int = option(8, "iterations at the most before Gaussians are split", minimum=1)
    tol: float = option(1e-3, "converged when an iteration gains less than this, in nats a frame", minimum=0)
    seed: int = option(0, "seed of everything drawn by chance", minimum=0)
    calibrate: bool = option(
        True, "learn how sure the model may be, from parts of the recordings held out in turn"
    )

    phrases: bool = option(False, "a text line of several words is one class, a phrase")
    passes: int = option(3, "of method stepwise: passes over the data", minimum=1, later=True)
    batch_frames: int = option(
        0,
        "of method stepwise: frames of a word after which its model is estimated anew; 0: a sixth of its parameters, 500 at least",
        minimum=0,
        later=True,
    )
    rounds: int = option(
        0,
        "of method stepwise: how often mini-batches that are in memory are gone through before others are read; 0: so often that a pass "
        "has 84 of a word, 7 times at the most",
        minimum=0,
        later=True,
    )
    step_exponent: float = option(
        0.51,
        "of method stepwise: a mini-batch's statistics count as its number to minus this; above 0.5",
        minimum=0.5,
        maximum=1,
        later=True,
    )

    def __post_init__(self):
        check_fields(self)
        if self.step_exponent <= 0.5:
            raise SettingsError(
                f"step_exponent={self.step_exponent:g} is not above 0.5, where steps stay too large to settle (take 0.51)"
            )


def train_words(family_name, family_config, train_config, data, indices=None):
    """Train a model for every word, all of them advancing together: one pass over the data an iteration.

    Parameters
    ----------
    family_name : str
        A name of `asrkit.families`.
    data : dict of str to BlockSource
        Each word's training utterances.
    indices : dict of str to int, optional
        Place of each word in the vocabulary, where `data` is a part of it; with the seed it fixes all chance.

    Returns
    -------
    dict of str to (WordModel, list of dict)
        The model and one entry an iteration, of the start that was kept; `objective` never falls. A word's
        result does not depend on the other words.
    """
    return train_beside(family_name, [family_config], train_config, data, indices)[0]


def train_beside(
    family_name,
    family_configs,
    train_config,
    data,
    indices=None,
    *,
    commons=None,
    starts=None,
    histories=None,
    steps=None,
    run=None,
):
    """What `train_words` gives for each of several settings of a family: list of dict.

    Parameters
    ----------
    commons : dict of (start, place of the settings) to what `Family.common_start` gave, optional
        For settings whose trainings start from it.
    starts : dict of str to WordModel, optional
        What each word's training starts from, where that is not the family's to choose.
    histories : list, optional
        Takes a dict for each of the settings: each word's models, one an entry of its log.
    steps : asrkit.io.kept_steps.KeptSteps, optional
        Of stepwise training: where it keeps how far it is, and finds what a killed one has left.
    run : Here, or asrkit.words.spread.Spread, optional
        Where first models and sums are made; in this process by default.

    Notes
    -----
    Where two trainings want the same model accumulated, both get the one sum. So mixtures of 2, 4 and 8
    Gaussians go the way that they share only once, and each becomes what it would have become alone, byte for
    byte.
    """
    family = families.load(family_name)
    indices = {word: index for index, word in enumerate(data)} if indices is None else indices
    trainings, wanted, done, models, progress = {}, {}, {}, {}, {}
    stepping, parts = train_config.method == STEPWISE, {}
    facts, arrays = (steps and steps.load()) or ({}, {})

    def count(config):
        return 1 if starts else family.num_starts(config)

    run = Here() if run is None else run
    chosen = {
        word: [
            (start, place) for place, config in enumerate(family_configs) for start in range(count(config))
        ]
        for word in data
    }
    missing = {
        word: [own for own in chosen[word] if not starts and _named((word, *own)) not in facts]
        for word in data
    }
    make = functools.partial(first_models, family_name, family_configs, train_config.seed, commons or {})
    items = [(word, indices[word], data[word], own) for word, own in missing.items() if own]
    firsts = {key: model for found in run.map(make, items) for key, model in found.items()}
    for word, source in data.items():
        for start, place in chosen[word]:
            key, config = (word, start, place), family_configs[place]
            models[key] = None if histories is None else []
            first = starts[word] if starts else firsts.get(key)
            if not stepping:
                training = _train(first, config, train_config, models[key])
            else:
                if _named(key) in facts:
                    some = next(iter(source.part(np.array([0]))))
                    progress[key] = Progress.from_kept(family, _named(key), facts, arrays, some)
                else:
                    progress[key] = Progress.of(first, config)
                frames = batch_frames(train_config, family, config, progress[key].model)
                if (word, frames) not in parts:
                    cut = mini_batches(source, frames, [train_config.seed, indices[word]])
                    parts[word, frames] = [Held(own) for own in cut]
                training = stepwise(progress[key], config, train_config, parts[word, frames], models[key])
            trainings[key], wanted[key] = training, next(training)
    while wanted:
        alike = _alike(wanted) if len(family_configs) > 1 else {key: [key] for key in wanted}
        for first, stats in run.accumulate({key: wanted[key] for key in alike}, data).items():
            for key in alike[first]:
                try:
                    wanted[key] = trainings[key].send(stats)
                except StopIteration as stop:
                    done[key] = stop.value
                    del wanted[key]
        if wanted and steps and steps.due():
            steps.save(*kept_progress({_named(key): own for key, own in progress.items()}))
    found = []
    for place, config in enumerate(family_configs):
        keys = {word: [(word, start, place) for start in range(count(config))] for word in data}
        found.append({word: _best_start(word, [done[key] for key in own]) for word, own in keys.items()})
        if histories is not None:
            kept = {word: entries[-1]["start"] for word, (_, entries) in found[-1].items()}
            histories.append({word: models[own[kept[word]]] for word, own in keys.items()})
    return found


def first_models(family_name, family_configs, seed, commons, item):
    """What the trainings of a word start from: dict of (word, start, place of the settings) to WordModel.

    Parameters
    ----------
    commons : dict of (start, place of the settings) to what `Family.common_start` gave
    item : (word, its index, BlockSource, list of (start, place of the settings))
    """
    word, index, source, chosen = item
    family, sample, found = families.load(family_name), source.sample(SAMPLE), {}
    for start, place in chosen:
        common = commons.get((start, place))
        own = sample if common is None else replace(sample, common=common)
        rng = np.random.default_rng([seed, index, start])
        found[word, start, place] = family.init(family_configs[place], own, rng, start)
    return found


def _named(key):
    """Give a training's key as a name in a file; a word may hold any character."""
    word, start, place = key
    return f"{word.encode().hex()}.{start}.{place}"


def _alike(wanted):
    """Which wishes are for the same sums: dict of the first of them to all."""
    same = {}
    for key, (model, method, *part) in wanted.items():
        arrays = tuple((name, array.shape, array.tobytes()) for name, array in model.to_arrays().items())
        same.setdefault((key[0], method, *map(id, part), arrays), []).append(key)
    return {keys[0]: keys for keys in same.values()}


def _best_start(word, results):
    kept = max(range(len(results)), key=lambda start: results[start][1][-1]["objective"])
    model, entries = results[kept]
    for entry in entries:
        entry.update(word=word, start=kept)
    if any(entry["ending"] == DECREASED for entry in entries):
        log.warning(
            "%s: the objective fell; this is an error in asrkit, please report it. The better model is kept",
            word,
        )
    return model, entries


def accumulate(wanted, data):
    """The sums of many models, each over its word's data.

    Parameters
    ----------
    wanted : dict of (word, ...) to (WordModel, method), or to (WordModel, method, BlockSource)
        The latter over a part of the data alone, where it is not None.
    data : dict of word to BlockSource

    Returns
    -------
    dict of (word, ...) to WordStats

    Notes
    -----
    Blocks are cut by the data and a model's sums added in the order of its blocks, as `Sum` adds; which of them stand
    in one batch changes the speed and nothing else.
    """
    sums = {}
    for keys, pairs, method in _batches(wanted, data):
        for key, stats in zip(keys, type(pairs[0][0]).accumulate_many(pairs, method), strict=True):
            sums.setdefault(key, Sum()).add(stats)
    return {key: own.total for key, own in sums.items()}


class Here:
    """The work of a training, done in this process."""

    map = staticmethod(map)
    accumulate = staticmethod(accumulate)


def _batches(wanted, data):
    for method in sorted({method for _, method, *_ in wanted.values()}):
        keys, pairs, frames = [], [], 0
        for key, (model, own, *part) in wanted.items():
            if own != method:
                continue
            source = part[0] if part and part[0] is not None else data[key[0]]
            for block in source:
                keys.append(key)
                pairs.append((model, block))
                frames += len(block.obs)
                if frames >= BATCH:
                    yield keys, pairs, method
                    keys, pairs, frames = [], [], 0
        if keys:
            yield keys, pairs, method


def _train(model, family_config, train_config, models=None):
    """One training as a coroutine: yields (model, method), is sent the Stats, and returns (model, entries).

    `models`, a list, takes the model of each entry.
    """
    method = BAUM_WELCH if train_config.method == BAUM_WELCH else VITERBI
    entries, phase = [], 0
    sizes = [size for size in model.schedule(family_config) if size > model.num_gauss]
    stats = yield model, method
    removed = np.zeros(model.num_states, dtype=int)

    def note():
        entries.append(log_entry(model, stats, method, phase, len(entries), removed))
        if models is not None:
            models.append(model)

    while True:
        note()
        ending = LIMIT
        for _ in range(train_config.growth_iters if sizes else train_config.max_iters):
            new = model.estimate(stats, family_config)
            if new is model:  # a family that estimates nothing
                ending = CONVERGED
                break
            new_stats = yield new, method
            removed = model.components - new.components
            gain = new_stats.log_like - stats.log_like
            if gain < -ROUNDING * max(abs(stats.log_like), stats.frames) and not removed.any():
                ending = DECREASED
                break
            model, stats = new, new_stats
            note()
            if gain <= train_config.tol * max(stats.frames, 1) and not removed.any():
                ending = CONVERGED
                break
        removed = np.zeros_like(removed)
        entries[-1]["ending"] = ending
        phase += 1
        if sizes:
            grown = yield from _grow(model, stats, method, family_config, sizes.pop(0))
            if grown is None:
                sizes = []  # what is too little for this size is too little for the next
            else:
                model, stats, removed = grown
        elif train_config.method == BOTH and method == VITERBI and model.num_states > 1:
            method = BAUM_WELCH
            stats = yield model, method
        else:
            return model, entries


def _grow(model, stats, method, family_config, total):
    """The next larger model, re-estimated until it explains the data at least as well as the smaller one did.

    Splitting moves components apart by guesswork and may cost some likelihood for the moment; one or two
    re-estimations win it back. Where five do not, growth ends.
    """
    larger = model.grow(stats, family_config, total)
    if larger is None:
        return None
    split = larger.components
    trial = yield larger, method
    for _ in range(5):
        larger = larger.estimate(trial, family_config)
        trial = yield larger, method
        if trial.log_like >= stats.log_like:
            return larger, trial, split - larger.components
    return None
