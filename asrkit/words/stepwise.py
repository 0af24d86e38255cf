"""Stepwise EM: a new model after each mini-batch instead of each pass, so that a few passes over the data are a training.

Online EM of Cappé and Moulines (2009), "On-line expectation-maximization algorithm for latent data models", in mini-batches as
Liang and Klein (2009), "Online EM for unsupervised models".
"""

from dataclasses import replace

import numpy as np

from asrkit.words.entries import log_entry

VITERBI = "viterbi"
PASSES_DONE = "passes done"
FIRST = 2  # k0 of the step sizes: from the second step on (k + k0)^-exponent
A_PARAMETER, LEAST = 1 / 6, 500  # frames of a mini-batch for each parameter, and at the least
WARM = 0.25  # of a pass, or of what a size has of it: sums are gathered before the first estimate
ENOUGH, MOST_ROUNDS = (
    84,
    7,
)  # mini-batches of a pass; where it has fewer, they are gone through again, so often at the most
HELD, TOGETHER = 1 << 15, 8  # frames that stay in memory meanwhile, but so many mini-batches at the least


class Progress:
    """How far a stepwise training is: all that decides about what follows, so that it can be kept and gone on from.

    Attributes
    ----------
    model : WordModel
    step : int
        Mini-batches that are done, of all passes and rounds.
    size_step : int
        Of these, those since the model last grew.
    sums : WordStats or None
        The interpolated statistics, as of all data; None before the model's first mini-batch.
    mean : WordStats or None
        The statistics of the last pass's last rounds, added up; None before them.
    num_mean : int
        Of how many mini-batches.
    passed : list
        Objective, frames, utterances, skipped of this pass's mini-batches so far, each in its last round, by the model of its moment.
    entries : list of dict
        The log.
    """

    def __init__(self, model, sizes=()):
        """Begin; `sizes` are the numbers of Gaussians that the model grows to in turn."""
        self.model, self.sizes = model, list(sizes)
        self.step = self.size_step = self.phase = self.num_mean = 0
        self.sums = self.mean = None
        self.passed, self.entries = [0.0, 0, 0, 0], []

    def facts(self):
        """What is no array, as JSON values."""
        names = "sizes", "step", "size_step", "phase", "num_mean", "passed", "entries"
        return {name: vars(self)[name] for name in names}

    def to_arrays(self):
        """What is arrays: dict of `model.NAME`, `sums.NAME`, `mean.NAME`."""
        parts = {"model": self.model, "sums": self.sums, "mean": self.mean}
        return {
            f"{place}.{name}": array
            for place, part in parts.items()
            if part is not None
            for name, array in part.to_arrays().items()
        }

    @classmethod
    def of(cls, model, config):
        """Begin with a model, which will grow as its schedule says."""
        return cls(model, [size for size in model.schedule(config) if size > model.num_gauss])

    @classmethod
    def from_kept(cls, family, name, facts, arrays, block):
        """Make the one that `kept_progress` had under `name` anew; `block` is some data of its word."""
        parts = {"model": {}, "sums": {}, "mean": {}}
        for key, array in arrays.items():
            whose, _, rest = key.partition("/")
            place, _, own = rest.partition(".")
            if whose == name:
                parts[place][own] = array
        progress = cls(family.from_arrays(parts["model"]))
        vars(progress).update(facts[name])
        like = progress.model.accumulate(block, VITERBI).scaled(1.0)
        for place in ("sums", "mean"):
            if parts[place]:
                setattr(progress, place, like.filled(parts[place]))
        return progress


def kept_progress(progress):
    """(facts, arrays) of several, dict of name to Progress: what `from_kept` makes them of."""
    arrays = {
        f"{name}/{place}": array for name, own in progress.items() for place, array in own.to_arrays().items()
    }
    return {name: own.facts() for name, own in progress.items()}, arrays


def batch_frames(train_config, family, family_config, model):
    """Frames of a mini-batch: as asked for, or by the parameters that the word's model should get."""
    grows = family.wanted_gaussians(family_config, model.num_states) / model.num_gauss if family.grows else 1
    return train_config.batch_frames or max(LEAST, round(A_PARAMETER * model.num_parameters * grows))


def mini_batches(source, frames, seed):
    """Cut a word's utterances into mini-batches of about `frames` frames: list of BlockSource.

    Which utterances stand together is drawn, so that no mini-batch is of one speaker alone; in it they have the order of the data.
    Where one mini-batch holds all, it is the source itself.
    """
    lengths = source.lengths
    count = min(len(lengths), max(1, round(int(lengths.sum()) / frames)))
    if count == 1:
        return [source]
    order = np.random.default_rng(seed).permutation(len(lengths))
    return [source.part(np.sort(order[place::count])) for place in range(count)]


class Held:
    """A mini-batch that is read once for all its rounds."""

    def __init__(self, source):
        self._source, self._blocks, self.lengths = source, None, source.lengths

    def __iter__(self):
        return iter(self._source if self._blocks is None else self._blocks)

    def hold(self):
        """Read it and keep it in memory."""
        self._blocks = list(self)

    def release(self):
        """Let it go; who goes through it again reads it again."""
        self._blocks = None


def num_rounds(train_config, frames):
    """How often mini-batches of so many `frames` (list) are gone through before others are read.

    As often as a pass has `ENOUGH` of them, once where they are too large to stay in memory.
    """
    if train_config.rounds:
        return train_config.rounds
    if sum(frames) > HELD * len(frames):
        return 1
    return max(1, min(MOST_ROUNDS, -(-ENOUGH // len(frames))))


def visits(frames, rounds):
    """The mini-batches of a pass in their order: list of (place, whether it is the last round).

    Those that stay in memory together, about `HELD` frames or `TOGETHER` mini-batches, whichever is more, are gone through `rounds` times.
    """
    count = len(frames)
    together = max(TOGETHER, HELD * count // sum(frames))
    size = -(-count // -(-count // together))  # of as many such groups, all about as large
    groups = [range(start, min(start + size, count)) for start in range(0, count, size)]
    return [(place, number == rounds - 1) for group in groups for number in range(rounds) for place in group]


def interpolated(sums, stats, step_size):
    """(1 - step_size) sums + step_size stats: Cappé and Moulines (2009), eq. 13."""
    if sums is None or step_size == 1.0:
        return stats
    return sums.scaled(1.0 - step_size) + stats.scaled(step_size)


def step_size(step, warm, count, exponent):
    """How much a mini-batch's statistics count, `step` of them after the first of their size.

    Until the `warm`-th all that came count alike. A mini-batch that is all data is taken for all: then this is batch EM.
    """
    if count == 1:
        return 1.0
    if step < warm:
        return 1.0 / (step + 1)
    return (step - warm + FIRST) ** -exponent


def growth_plan(sizes, count, passes):
    """After which step the model grows to what size: dict of step to size, spread over the first pass.

    Where it has too few mini-batches, over as many passes as it takes; of two sizes at one step the larger is taken at once.
    """
    most = count * passes - 1
    span = max(count, min(len(sizes) + 1, most + 1))
    steps = [min(most, max(1, round(place * span / (len(sizes) + 1)))) for place in range(1, len(sizes) + 1)]
    return dict(zip(steps, sizes, strict=True)) if most > 0 else {}


def stepwise(progress, family_config, train_config, parts, models=None):
    """One stepwise training as a coroutine: yields (model, method, mini-batch), is sent its WordStats, and returns (model, entries).

    The last wish has no mini-batch: it is the likelihood of the final model over all data. That model is made of the mean of the
    last pass's statistics, of each mini-batch's last round, by the model of its moment, as averaging is in Cappé and Moulines
    (2009), section 2.2: else it would be as uncertain as a few mini-batches are.

    Parameters
    ----------
    progress : Progress
        Where it starts or goes on; it is kept up to date.
    parts : list of Held
        Of what `mini_batches` cuts.
    models : list, optional
        Takes the model of each entry.
    """
    count, frames = len(parts), [int(part.lengths.sum()) for part in parts]
    order = visits(frames, num_rounds(train_config, frames))
    total = len(order) * train_config.passes
    plan = growth_plan(progress.sizes, len(order), train_config.passes)
    # No Gaussian goes for what a few mini-batches say.
    lenient = "min_occ" in vars(family_config) and count > 1
    patient = replace(family_config, min_occ=0.0) if lenient else family_config
    while progress.step < total:
        place, last = order[progress.step % len(order)]
        if not last:
            parts[place].hold()
        stats = yield progress.model, VITERBI, parts[place]
        if last:
            parts[place].release()
            own = stats.log_like, stats.frames, stats.utts, stats.skipped
            progress.passed = [before + more for before, more in zip(progress.passed, own, strict=True)]
        stats = stats.scaled(sum(frames) / frames[place])
        warm = warm_steps(plan, progress.step - progress.size_step, count)
        weight = step_size(progress.size_step, warm, count, train_config.step_exponent)
        progress.sums = interpolated(progress.sums, stats, weight)
        if last and progress.step >= total - len(order):
            progress.mean = stats if progress.mean is None else progress.mean + stats
            progress.num_mean += 1
        progress.step += 1
        progress.size_step += 1
        if progress.step % len(order) == 0:
            progress.entries.append(_pass_entry(progress))
            progress.passed = [0.0, 0, 0, 0]
            if models is not None:
                models.append(progress.model)
        if progress.step < total and progress.size_step >= warm:
            progress.model = progress.model.estimate(progress.sums, patient)
        if progress.step in plan:
            larger = progress.model.grow(progress.sums, family_config, plan[progress.step])
            if larger is not None:
                progress.model, progress.sums, progress.mean = larger, None, None
                progress.phase, progress.size_step, progress.num_mean = progress.phase + 1, 0, 0
    mean = progress.mean.scaled(1.0 / progress.num_mean)
    model = progress.model.estimate(mean, family_config)
    stats = yield model, VITERBI, None
    removed = progress.model.components - model.components
    entry = log_entry(model, stats, VITERBI, progress.phase, len(progress.entries), removed)
    if models is not None:
        models.append(model)
    return model, [*progress.entries, {**entry, "ending": PASSES_DONE, "moving": False}]


def warm_steps(plan, since, count):
    """Count the mini-batches that a model gathers before it is first estimated, `since` being the step that it is from."""
    then = min((step for step in plan if step > since), default=since + count)
    return max(1, round(WARM * min(count, then - since)))


def _pass_entry(progress):
    """The entry of a pass: its objective is the sum over its mini-batches, each under the model that met it last."""
    names = "log_like", "frames", "utts", "skipped"
    stats = replace(progress.sums, **dict(zip(names, progress.passed, strict=True)))
    removed = np.zeros(progress.model.num_states, dtype=int)
    entry = log_entry(progress.model, stats, VITERBI, progress.phase, len(progress.entries), removed)
    return {**entry, "moving": True}
