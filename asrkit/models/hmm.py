"""Hidden Markov models: time on top of any emission. They see log-likelihoods and know nothing of features."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.models import kernels
from asrkit.models.base import (
    Stats,
    WordModel,
    WordStats,
    check_array,
    check_distribution,
    floored_rows,
    rows_log_prior,
    safe_log,
    smoothed_rows,
)
from asrkit.models.quick import Densities


@dataclass(frozen=True)
class HmmStats(WordStats):
    """Transition counts beside the emission's sums.

    Attributes
    ----------
    start, leave : (S,)
        How often an utterance began in, or ended from, each state.
    trans : (S, S)
        `trans[i, j]`: how often state j followed state i.
    """

    start: np.ndarray
    trans: np.ndarray
    leave: np.ndarray
    emission: Stats

    @property
    def occupancy(self):
        """(S,): frames of each state."""
        return self.start + self.trans.sum(axis=0)

    @property
    def rows(self):
        """(S, S + 1): how often each state was followed by each, and by the end."""
        return np.concatenate([self.trans, self.leave[:, None]], axis=1)


@dataclass(frozen=True)
class Hmm(WordModel):
    """A word model.

    Attributes
    ----------
    log_start : (S,)
        log P(first state).
    log_trans : (S, S)
        `log_trans[i, j]` is log P(state j at t+1 | state i at t); -inf is forbidden and stays so.
    log_exit : (S,)
        log P(the word ends after this frame | state); exp(log_trans).sum(1) + exp(log_exit) is 1.
    emission : Emission
        With S states.
    """

    log_start: np.ndarray
    log_trans: np.ndarray
    log_exit: np.ndarray
    emission: object

    @property
    def num_states(self):
        return len(self.log_start)

    @property
    def num_gauss(self):
        return self.emission.num_gauss

    @property
    def num_parameters(self):
        arcs = sum(int(np.isfinite(array).sum()) for array in (self.log_start, self.log_trans, self.log_exit))
        return arcs + self.emission.num_parameters

    @property
    def components(self):
        return self.emission.components

    @property
    def floored(self):
        return self.emission.floored

    @property
    def inside(self):
        from asrkit.models.inside import Chain

        chain = Chain(np.exp(self.log_start), np.exp(self.log_trans), np.exp(self.log_exit))
        return replace(self.emission.inside, chain=chain)

    @property
    def shortest(self):
        """The fewest frames that a path through the model takes."""
        reached, steps = np.isfinite(self.log_start), 1
        while not (reached & np.isfinite(self.log_exit)).any() and steps <= self.num_states:
            reached = np.isfinite(self.log_trans[reached]).any(axis=0)
            steps += 1
        return steps

    def check(self, width):
        """Raise ValueError unless the arrays are an HMM over observations of `width` dimensions or symbols."""
        num_states = self.log_start.size
        check_array("log_start", self.log_start, (num_states,), log=True)
        check_array("log_trans", self.log_trans, (num_states, num_states), log=True)
        check_array("log_exit", self.log_exit, (num_states,), log=True)
        check_distribution("log_start", self.log_start)
        check_distribution(
            "log_trans with log_exit", np.concatenate([self.log_trans, self.log_exit[:, None]], axis=1)
        )
        self.emission.check(num_states, width)

    def log_likelihood(self, block):
        """log P(x) over all paths, one an utterance: (U,)."""
        return kernels.forward(*_together([(self, block)], exact=True)[:3])

    def align(self, block):
        """Best path: log P(x, path) (U,), -inf where none exists, and its states int32 (N,)."""
        return kernels.viterbi(*_together([(self, block)], exact=True)[:3])

    def frame_scores(self, block):
        """Its density in its state and the step into that state; of the last frame the step out of the word, too."""
        log_obs, schedule, arcs = _together([(self, block)], exact=True)[:3]
        scores, path = kernels.viterbi(log_obs, schedule, arcs)
        spoken = block.lengths > 0
        first, last = block.offsets[:-1][spoken], block.offsets[1:][spoken] - 1
        added = log_obs[path, schedule.columns]
        steps = self.log_trans[path[:-1], path[1:]]
        steps = np.concatenate([[0.0], steps])[: len(path)]
        steps[first] = self.log_start[path[first]]
        added = added + steps
        added[last] += self.log_exit[path[last]]
        added[np.repeat(~np.isfinite(scores), block.lengths)] = np.nan
        return added, path

    def accumulate(self, block, method="viterbi"):
        """Sums over a block: with "viterbi" along the best path, with "baum-welch" over all paths."""
        return self.accumulate_many([(self, block)], method)[0]

    @staticmethod
    def accumulate_many(pairs, method="viterbi"):
        """The sums of several models, each over its own block, their utterances advancing together.

        Parameters
        ----------
        pairs : list of (Hmm, Block)

        Returns
        -------
        list of HmmStats
        """
        log_obs, schedule, arcs, utts, frames, prepared = _together(pairs, by_frame=method != "viterbi")
        all_of = list(zip(pairs, prepared, utts, frames, strict=True))
        if method == "viterbi":
            scores, path = kernels.viterbi(log_obs, schedule, arcs)
            return [
                model.accumulate_path(block, path[f], scores[u], prepared=p)
                for (model, block), p, u, f in all_of
            ]
        scores, gamma, xi = kernels.forward_backward(log_obs, schedule, arcs)
        gamma = gamma.T.take(schedule.columns, axis=0)
        stats = []
        for (model, block), p, u, f in all_of:
            num_states = model.num_states
            trans = np.zeros((num_states, num_states))
            for shift, arc in zip(arcs.shifts, xi, strict=True):
                into = np.arange(max(0, shift), num_states + min(0, shift))
                trans[into - shift, into] = arc[into, u].sum(axis=1)
            stats.append(model._stats(block, scores[u], gamma[f, :num_states], trans, p))
        return stats

    def accumulate_path(self, block, path, scores, *, prepared=None):
        """Sums over a block along given state sequences; utterances with score -inf are left out."""
        inside = np.repeat(np.isfinite(scores), block.lengths)
        gamma = np.zeros((self.num_states, len(path)))
        gamma[path[inside], np.flatnonzero(inside)] = 1.0
        inside[block.offsets[:-1][block.lengths > 0]] = False  # an utterance's first frame follows nothing
        then = np.flatnonzero(inside)
        arcs = np.bincount(
            path[then - 1].astype(np.int64) * self.num_states + path[then], minlength=self.num_states**2
        )
        return self._stats(
            block, scores, gamma.T, arcs.reshape(self.num_states, -1).astype(np.float64), prepared
        )

    def _stats(self, block, scores, gamma, trans, prepared):
        used = np.isfinite(scores)
        first, last = block.offsets[:-1][used], block.offsets[1:][used] - 1
        return HmmStats(
            log_like=float(scores[used].sum()),
            frames=int(block.lengths[used].sum()),
            utts=int(used.sum()),
            skipped=int((~used).sum()),
            start=gamma[first].sum(axis=0),
            trans=trans,
            leave=gamma[last].sum(axis=0),
            emission=self.emission.accumulate(block.obs, gamma, prepared=prepared),
        )

    @staticmethod
    def bank(models, exact=False):
        """Many words' models side by side, for decoding."""
        return HmmBank(models, exact)

    def estimate(self, stats, config):
        """Relative frequencies for start and transitions, the emission by its own rule; new out, old kept."""
        log_start = _reestimate(self.log_start[None], stats.start[None], config.transition_floor)[0]
        rows = _reestimate(self._log_rows, stats.rows, config.transition_floor)
        return Hmm(
            log_start, rows[:, :-1].copy(), rows[:, -1].copy(), self.emission.estimate(stats.emission, config)
        )

    @property
    def _log_rows(self):
        """(S, S + 1): what may follow each state, the end last."""
        return np.concatenate([self.log_trans, self.log_exit[:, None]], axis=1)

    def adapt(self, stats, prior, config):
        """The emission by its own rule; transitions as if each state had been left `prior.prior_count` times
        before.
        """
        emission = self.emission.adapt(stats.emission, prior, config)
        if "transitions" not in prior.moves:
            return replace(self, emission=emission)
        rows = smoothed_rows(self._log_rows, stats.rows, prior.prior_count, config.transition_floor)
        log_start = smoothed_rows(
            self.log_start[None], stats.start[None], prior.prior_count, config.transition_floor
        )[0]
        return Hmm(log_start, rows[:, :-1].copy(), rows[:, -1].copy(), emission)

    def log_prior(self, adapted, prior):
        """Log density of `adapted` under the prior that this model is, relative to the model itself."""
        pairs = (self.log_start, adapted.log_start), (self._log_rows, adapted._log_rows)
        return self.emission.log_prior(adapted.emission, prior) + sum(
            rows_log_prior(*pair, prior.prior_count) for pair in pairs
        )

    def schedule(self, config):
        """Numbers of Gaussians in all that training grows to in turn: each `config.growth` times the one
        before.
        """
        sizes, most = (
            [self.num_states],
            config.num_gauss * self.num_states if self.emission.can_grow else 0,
        )
        while sizes[-1] < most:
            sizes.append(min(most, int(np.ceil(sizes[-1] * config.growth))))
        return sizes[1:]

    def grow(self, stats, config, total=None):
        """Split Gaussians until there are `total`, by default the schedule's next; None where no state can
        grow.

        The states share them in proportion to their frames to the power `config.power`.
        """
        total = (
            next((size for size in self.schedule(config) if size > self.num_gauss), 0)
            if total is None
            else total
        )
        if total <= self.num_gauss:
            return None
        occ = stats.emission.occ
        targets = share_gaussians(occ.sum(axis=1), total, config.power, config.min_count, self.components)
        emission = self.emission.split(occ, targets, config.min_count)
        return None if emission is None else replace(self, emission=emission)

    def sample(self, rng):
        """Draw one word: a state sequence from start to exit and its observations."""
        state = rng.choice(self.num_states, p=np.exp(self.log_start))
        states = []
        while state < self.num_states:
            states.append(state)
            arcs = np.append(np.exp(self.log_trans[state]), np.exp(self.log_exit[state]))
            state = rng.choice(self.num_states + 1, p=arcs / arcs.sum())
        return self.emission.sample(np.array(states), rng)

    def to_arrays(self):
        return {
            "log_start": self.log_start,
            "log_trans": self.log_trans,
            "log_exit": self.log_exit,
            **self.emission.to_arrays(),
        }


class HmmBank:
    """Many words' models side by side, for decoding: every word hears every utterance, all in one pass.

    Where the emissions bear it, densities and best paths are in float32, relative to each frame's peak, whose sum is float64; `exact`
    has all in float64.
    """

    def __init__(self, models, exact=False):
        arcs = _arcs(models)  # (S, W)
        self._shape = arcs.log_start.shape[:2]
        emissions = [model.emission for model in models]
        self._emission = type(emissions[0]).stack(emissions, self._shape[0]) or Apart(
            emissions, self._shape[0]
        )
        self._exact = exact or self._emission.quick is None
        self._arcs = arcs if self._exact else arcs.each(lambda array: array.astype(np.float32))

    def densities(self, block):
        """log p(x | state) as Densities."""
        return Densities.of(self._emission, block, self._shape, exact=self._exact)

    def scores(self, block, method="viterbi", densities=None):
        """log P(x, best path), or log P(x) with "forward": float64 (U, W), -inf where a word has no path of that
        length.
        """
        densities = densities or self.densities(block)
        schedule = densities.schedule
        if method == "viterbi":
            scores = kernels.best_scores(densities.relative, schedule, self._arcs)
        else:
            arcs = self._arcs.each(lambda array: array[..., None].astype(np.float64))  # (S, W, 1)
            log_obs = np.ascontiguousarray(densities.relative.transpose(1, 2, 0), dtype=np.float64)
            scores = kernels.forward(log_obs, schedule, arcs).T
        return scores + densities.peaks[:, None]

    def paths(self, block, densities, words):
        """State of each frame, int32 (N,) in the densities' order, on the best path through the word at place `words[u]` of each utterance."""
        schedule = densities.schedule
        arcs = self._arcs.each(lambda array: array[:, words[schedule.order]])
        log_obs = densities.relative[np.arange(len(densities.owner)), :, words[densities.owner]]
        log_obs = np.ascontiguousarray(log_obs.T)
        return kernels.viterbi(log_obs, schedule, arcs)[1].take(schedule.frames)


class Apart:
    """Emissions of several words that can't be stacked as one."""

    quick = None

    def __init__(self, emissions, num_states):
        self._emissions, self._num_states = emissions, num_states

    def log_likelihood(self, obs):
        """log p(x | state): (N, S x W), the words running fastest; -inf for a state that a word does not have."""
        log_obs = np.full((self._num_states, len(self._emissions), len(obs)), -np.inf)
        for w, emission in enumerate(self._emissions):
            one = emission.log_likelihood(obs).T
            log_obs[: len(one), w] = one
        return log_obs.reshape(-1, len(obs)).T


def _arcs(models):
    """The transitions of models of several sizes, (S, W): missing states are never entered."""
    num_states = max(model.num_states for model in models)
    log_start = np.full((len(models), num_states), -np.inf)
    log_trans, log_exit = np.full((len(models), num_states, num_states), -np.inf), log_start.copy()
    for w, model in enumerate(models):
        log_start[w, : model.num_states] = model.log_start
        log_trans[w, : model.num_states, : model.num_states] = model.log_trans
        log_exit[w, : model.num_states] = model.log_exit
    return kernels.Arcs.of(log_start, log_trans, log_exit)


def _together(pairs, by_frame=False, exact=False):
    """What the kernels take for several models at once, each with a block of its own.

    Parameters
    ----------
    by_frame : bool
        Lay `log_obs` in memory frame by frame, as summing over all paths goes through it, not state by state.
    exact : bool
        Score frames in float64; else in float32 where the emissions bear it.

    Returns
    -------
    log_obs, schedule, arcs
        As in `kernels.viterbi`; each utterance has the arcs of its model.
    utts, frames : list of slice
        Where each pair's utterances and frames stand among all.
    prepared : list
        Each pair's frames as its emission prepared them; None where all is exact.
    """
    lengths = [block.lengths for _, block in pairs]
    schedule = kernels.Schedule(np.concatenate(lengths))
    utts, frames = (
        _slices([len(block.utts) for _, block in pairs]),
        _slices([len(block.obs) for _, block in pairs]),
    )
    owner = np.repeat(np.arange(len(pairs)), [len(some) for some in lengths])[schedule.order]
    arcs = _arcs([model for model, _ in pairs]).each(lambda array: array[:, owner])
    prepared = [None if exact else block.prepared(model.emission) for model, block in pairs]
    shape = len(arcs.log_start), frames[-1].stop
    log_obs = np.full(shape[::-1], -np.inf).T if by_frame else np.full(shape, -np.inf)
    for (model, block), p, f in zip(pairs, prepared, frames, strict=True):
        log_obs[: model.num_states, f] = model.emission.log_likelihood(block.obs, prepared=p).T
    log_obs = log_obs.T.take(schedule.frames, axis=0).T if by_frame else log_obs.take(schedule.frames, axis=1)
    return log_obs, schedule, arcs, utts, frames, prepared


def _slices(sizes):
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _reestimate(log_rows, counts, floor):
    """Relative frequencies over each row's allowed entries; without any count the old values stay."""
    allowed = np.isfinite(log_rows)
    seen = np.where(allowed, counts, 0.0).sum(axis=1, keepdims=True) > 0
    return np.where(seen, safe_log(floored_rows(counts, floor, allowed)[0]), log_rows)


def share_gaussians(frames, total, power, min_count, now=None):
    """Gaussians for each state, `total` in all: those it has now, then one by one to where frames^power a
    Gaussian is most.

    As Kaldi's `GetSplitTargets`. States stop where a Gaussian would have fewer than `min_count` frames; with
    power 0 all get equally many, and what the poor can't take is not given to the rich.

    Returns
    -------
    numpy.ndarray
        int (S,).
    """
    targets = np.ones(len(frames), dtype=int) if now is None else now.copy()
    most = total if power > 0 else -(-total // len(frames))
    for _ in range(total - targets.sum()):
        claim = np.where(
            (frames >= (targets + 1) * min_count) & (targets < most), frames**power / targets, 0.0
        )
        richest = claim.argmax()
        if claim[richest] <= 0:
            break
        targets[richest] += 1
    return targets
