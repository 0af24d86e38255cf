"""Hidden Markov models: time on top of any emission. They see log-likelihoods and know nothing of features."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit import kernels
from asrkit.models.base import Stats, WordStats, check_array, check_distribution, floored_distribution, safe_log


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


@dataclass(frozen=True)
class Hmm:
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
    def num_floored(self):
        return self.emission.num_floored

    def check(self, width):
        """Raise ValueError unless the arrays are an HMM over observations of `width` dimensions or symbols."""
        num_states = self.log_start.size
        check_array("log_start", self.log_start, (num_states,), log=True)
        check_array("log_trans", self.log_trans, (num_states, num_states), log=True)
        check_array("log_exit", self.log_exit, (num_states,), log=True)
        check_distribution("log_start", self.log_start)
        check_distribution("log_trans with log_exit", np.concatenate([self.log_trans, self.log_exit[:, None]], axis=1))
        self.emission.check(num_states, width)

    def log_likelihood(self, block):
        """log P(x) over all paths, one an utterance: (U,)."""
        return kernels.forward_backward(*self._arcs(block))[0]

    def align(self, block):
        """Best path: log P(x, path) (U,), -inf where none exists, and its states int32 (N,)."""
        return kernels.viterbi(*self._arcs(block))

    def _arcs(self, block):
        return self.emission.log_likelihood(block.obs), block.offsets, self.log_start, self.log_trans, self.log_exit

    def accumulate(self, block, method="viterbi"):
        """Sums over a block: with "viterbi" along the best path, with "baum-welch" over all paths."""
        if method == "viterbi":
            scores, path = self.align(block)
            return self.accumulate_path(block, path, scores)
        scores, gamma, xi = kernels.forward_backward(*self._arcs(block))
        used = np.isfinite(scores)
        first, last = block.offsets[:-1][used], block.offsets[1:][used] - 1
        return self._stats(block, scores, gamma, gamma[first].sum(axis=0), xi, gamma[last].sum(axis=0))

    def accumulate_path(self, block, path, scores):
        """Sums over a block along given state sequences; utterances with score -inf are left out."""
        used = np.isfinite(scores)
        gamma = np.zeros((len(path), self.num_states))
        inside = np.repeat(used, block.lengths)
        gamma[np.flatnonzero(inside), path[inside]] = 1.0
        first, last = block.offsets[:-1][used], block.offsets[1:][used] - 1
        follows = inside.copy()
        follows[block.offsets[:-1][block.lengths > 0]] = False  # an utterance's first frame follows nothing
        then = np.flatnonzero(follows)
        trans = np.zeros((self.num_states, self.num_states))
        np.add.at(trans, (path[then - 1], path[then]), 1.0)
        return self._stats(block, scores, gamma, gamma[first].sum(axis=0), trans, gamma[last].sum(axis=0))

    def _stats(self, block, scores, gamma, start, trans, leave):
        used = np.isfinite(scores)
        return HmmStats(
            log_like=float(scores[used].sum()), frames=int(block.lengths[used].sum()), utts=int(used.sum()),
            skipped=int((~used).sum()), start=start, trans=trans, leave=leave,
            emission=self.emission.accumulate(block.obs, gamma),
        )

    def estimate(self, stats, config):
        """Relative frequencies for start and transitions, the emission by its own rule; new out, old kept."""
        log_start = _reestimate(self.log_start, stats.start, config.transition_floor)
        rows = np.concatenate([self.log_trans, self.log_exit[:, None]], axis=1)
        counts = np.concatenate([stats.trans, stats.leave[:, None]], axis=1)
        rows = np.stack([_reestimate(row, c, config.transition_floor) for row, c in zip(rows, counts, strict=True)])
        return Hmm(log_start, rows[:, :-1].copy(), rows[:, -1].copy(), self.emission.estimate(stats.emission, config))

    def grow(self, stats, config):
        """The next step of the mixture schedule, or None: 1, 2, 4, ... up to `config.num_gauss` a state."""
        if not hasattr(self.emission, "split"):
            return None
        now = self.emission.means.shape[1]
        if now >= config.num_gauss:
            return None
        emission = self.emission.split(stats.emission.occ, min(2 * now, config.num_gauss), config.min_count)
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
            "log_start": self.log_start, "log_trans": self.log_trans, "log_exit": self.log_exit,
            **self.emission.to_arrays(),
        }


def _reestimate(log_probs, counts, floor):
    """Relative frequencies over the allowed entries; without any count the old values stay."""
    allowed = np.isfinite(log_probs)
    if counts[allowed].sum() <= 0:
        return log_probs
    out = np.full(len(log_probs), -np.inf)
    out[allowed] = safe_log(floored_distribution(counts[allowed], floor)[0])
    return out


def left_right(num_states, emission):
    """A left-right model without skips: start in the first state, leave from the last, stay or step with 1/2."""
    log_start = np.full(num_states, -np.inf)
    log_start[0] = 0.0
    log_exit = np.full(num_states, -np.inf)
    log_exit[-1] = np.log(0.5)
    log_trans = np.full((num_states, num_states), -np.inf)
    np.fill_diagonal(log_trans, np.log(0.5))
    np.fill_diagonal(log_trans[:, 1:], np.log(0.5))
    return Hmm(log_start, log_trans, log_exit, emission)


def init_uniform(model, block, config):
    """Uniform segmentation: each utterance cut into equal parts, one a state, and the model estimated from them.

    Utterances shorter than the number of states have no such segmentation and are left out.
    """
    lengths = block.lengths
    scores = np.where(lengths >= model.num_states, 0.0, -np.inf)
    within = np.arange(len(block.obs)) - np.repeat(block.offsets[:-1], lengths)
    path = (within * model.num_states // np.maximum(np.repeat(lengths, lengths), 1)).astype(np.int32)
    return model.estimate(model.accumulate_path(block, path, scores), config)


def choose_num_states(block, config):
    """How many states the word gets: `config.num_states`, fewer where its recordings are too short.

    As many as the shortest recording has frames, so that none is lost; but a recording shorter than a third
    of the median is taken for an accident that must not decide for all.
    """
    shortest = max(block.lengths.min(), int(np.median(block.lengths)) // 3)
    return max(1, min(config.num_states, int(shortest)))
