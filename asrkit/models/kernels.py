"""The inner loops over time: arrays in, arrays out. They check nothing and know nothing of words or files.

Every array has the states on its first axis, any axes of models in the middle, and time or utterances last,
so that one step advances all utterances of all models at once: training hands over many utterances, each with
the arcs of its own word; decoding many utterances and, in the middle, all words. No compiler is needed.
"""

from dataclasses import dataclass

import numpy as np

NEVER = -1e200  # log probabilities below this are those of what is forbidden
# posteriors below this are nothing: processors are slow with numbers near the smallest they have
TINY = 1e-100
LOST = 1e-200  # of all paths; what is below is dropped
LEAST = -400.0  # log of all paths' probability; above it nothing that was dropped is more than exp(-60) of it
RESCALE = 16  # frames


class Schedule:
    """The order in which frames are worked on: all first frames, then all second ones, the longest utterance
    first.

    Attributes
    ----------
    lengths : int64 (U,)
        Frames of each utterance.
    order : int64 (V,)
        The utterances that have frames, longest first.
    frames, columns : int64 (N,)
        Which frame, of the utterances laid end to end, stands in each column; and its inverse.
    begin : list of int (T + 1,)
        Step t works on the columns begin[t] to begin[t + 1] - 1.
    last : int64 (V,)
        The last column of each utterance of `order`.
    """

    def __init__(self, lengths):
        self.lengths = lengths = np.asarray(lengths)
        self.num_utts = len(lengths)
        self.order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
        longest = lengths[self.order[0]] if len(self.order) else 0
        active = np.searchsorted(-lengths[self.order], -np.arange(longest), side="left")
        begin = np.concatenate([[0], np.cumsum(active)])
        rank = np.empty(len(lengths), dtype=np.int64)
        rank[self.order] = np.arange(len(self.order))
        ends = np.cumsum(lengths)
        step = np.arange(begin[-1]) - np.repeat(ends - lengths, lengths)
        self.columns = begin[step] + np.repeat(rank, lengths)
        self.frames = np.empty_like(self.columns)
        self.frames[self.columns] = np.arange(len(self.columns))
        self.last = self.columns[ends[self.order] - 1]
        self.begin = begin.tolist()


@dataclass(frozen=True)
class Arcs:
    """Transitions by diagonals: a left-right model has two.

    Attributes
    ----------
    log_start, log_exit : (S, ..., V or 1)
    shifts : tuple of int
        The first is 0, the loops.
    log_arcs : tuple of (S, ..., V or 1)
        `log_arcs[k][j]` is log P(state j at t+1 | state j - shifts[k] at t); -inf is forbidden.
    """

    log_start: np.ndarray
    shifts: tuple
    log_arcs: tuple
    log_exit: np.ndarray

    @classmethod
    def of(cls, log_start, log_trans, log_exit):
        """From (W, S), (W, S, S) and (W, S), one model a row; the models stand on the last axis."""
        num_states = log_start.shape[1]
        shifts, log_arcs = [], []
        for k in sorted(range(1 - num_states, num_states), key=abs):
            arcs = np.full(log_start.shape, -np.inf)
            _, into = _states(k, num_states)
            arcs[:, into] = np.diagonal(log_trans, k, axis1=1, axis2=2)
            if k == 0 or (arcs > -np.inf).any():
                shifts.append(k)
                log_arcs.append(arcs.T)
        return cls(log_start.T, tuple(shifts), tuple(log_arcs), log_exit.T)

    def each(self, shape):
        """The same with `shape(array)` for every array."""
        return Arcs(
            shape(self.log_start), self.shifts, tuple(map(shape, self.log_arcs)), shape(self.log_exit)
        )


def viterbi(log_obs, schedule, arcs):
    """Best state sequence of each utterance, each with arcs of its own (no axes in the middle).

    Parameters
    ----------
    log_obs : (S, ..., N)
        log p(x_t | state), columns in the order of the schedule.

    Returns
    -------
    scores : (U,)
        log P(x, best path); -inf where no path exists.
    path : int32 (N,)
        State of each frame, utterances end to end; -1 where no path exists.
    """
    num_states, begin = len(log_obs), schedule.begin
    # The entry term: D(1, j) = p(1, j) + B(O(1), j); Rabiner (1989), eq. 32a in logs.
    delta = arcs.log_start + log_obs[..., : len(schedule.order)]
    moves = []
    for shift, arc in zip(arcs.shifts[1:], arcs.log_arcs[1:], strict=True):
        source, into = _states(shift, num_states)
        # whether the best way into it was this arc
        came = np.zeros(log_obs.shape, dtype=bool)
        moves.append((shift, source, into, arc[into], np.empty_like(delta[into]), came))
    for t in range(1, len(begin) - 1):
        here = slice(begin[t], begin[t + 1])
        n = here.stop - here.start
        now = delta[..., :n]
        for _, source, _, arc, score, _ in moves:
            np.add(now[source], arc[..., :n], out=score[..., :n])
        now += arcs.log_arcs[0][..., :n]
        for _, _, into, _, score, came in moves:
            np.greater(score[..., :n], now[into], out=came[into, ..., here])
            np.maximum(score[..., :n], now[into], out=now[into])
        now += log_obs[..., here]  # eq. 33a
    delta += arcs.log_exit
    scores = np.full((*delta.shape[1:-1], schedule.num_utts), -np.inf)
    scores[..., schedule.order] = delta.max(axis=0)
    state = delta.argmax(axis=0).astype(np.int32)
    state[np.isneginf(delta.max(axis=0))] = -1
    states = np.empty(begin[-1], dtype=np.int32)
    for t in range(len(begin) - 2, -1, -1):
        here = slice(begin[t], begin[t + 1])
        now = state[: here.stop - here.start]
        states[here] = now
        step = np.zeros_like(now)
        for shift, _, _, _, _, came in moves:  # of several that were better in turn the last is the best
            np.copyto(step, shift, where=came[now, np.arange(here.start, here.stop)])
        np.subtract(now, step, out=now, where=now >= 0)
    return scores, states[schedule.columns]


def best_scores(log_obs, schedule, arcs):
    """The scores of `viterbi` alone, of every utterance under every word.

    Parameters
    ----------
    log_obs : (N, S, W)
        Frames in the order of the schedule.
    arcs : Arcs of (S, W)

    Returns
    -------
    (U, W)
        In the precision of `log_obs`.
    """
    _, num_states, num_words = log_obs.shape
    cells, num_utts = num_states * num_words, len(schedule.order)
    # All states of all words of an utterance stand end to end, and so do the utterances: numpy is quickest with one long row. An
    # arc from one utterance's last states into the next one's first is one that leads there from nowhere: it is forbidden.
    each = arcs.each(lambda array: np.tile(array.reshape(cells).astype(log_obs.dtype, copy=False), num_utts))
    delta = each.log_start + log_obs[:num_utts].reshape(-1)
    moves = [
        (max(0, shift) * num_words, max(0, -shift) * num_words, arc, np.empty_like(delta))
        for shift, arc in zip(each.shifts[1:], each.log_arcs[1:], strict=True)
    ]
    log_obs, begin = log_obs.reshape(-1), [frame * cells for frame in schedule.begin]
    for start, end in zip(begin[1:-1], begin[2:]):
        count = end - start
        now = delta[:count]
        for up, down, arc, score in moves:
            np.add(now[down : count - up], arc[up : count - down], out=score[up : count - down])
        now += each.log_arcs[0][:count]
        for up, down, _, score in moves:
            into = slice(up, count - down)
            np.maximum(now[into], score[into], out=now[into])
        now += log_obs[start:end]
    delta += each.log_exit
    scores = np.full((schedule.num_utts, num_words), -np.inf, dtype=delta.dtype)
    scores[schedule.order] = delta.reshape(num_utts, num_states, num_words).max(axis=1)
    return scores


def forward(log_obs, schedule, arcs):
    """log P(x) over all paths: (..., U); -inf where no path exists. Arguments as for `viterbi`."""
    delta, ratio, _ = _forward(log_obs, schedule, arcs)
    return _total(delta, ratio, schedule, arcs)[0]


def forward_backward(log_obs, schedule, arcs):
    """Likelihoods and occupancies, summed over all paths, in float64.

    Arguments as for `viterbi`; every utterance must have arcs of its own (no axes in the middle).

    Returns
    -------
    log_like : (U,)
        log P(x); -inf where no path exists.
    gamma : (S, N)
        P(state at t | x), columns in the order of the schedule; zero where no path exists.
    xi : (K, S, U)
        `xi[k, j]`: expected number of steps from state j - shifts[k] to state j, summed over time.
    """
    own_like, gamma, steps, lost = _by_probabilities(log_obs, schedule, arcs)
    if lost.any():
        columns = np.concatenate([lost[:n] for n in np.diff(schedule.begin)])
        part = Schedule(schedule.lengths[schedule.order][lost])
        own_like[lost], gamma[:, columns], steps[..., lost] = _beside_the_best(
            log_obs[:, columns], part, arcs.each(lambda array: array[:, lost])
        )
    log_like, xi = np.full(schedule.num_utts, -np.inf), np.zeros((*steps.shape[:2], schedule.num_utts))
    log_like[schedule.order], xi[..., schedule.order] = own_like, steps
    return log_like, gamma, xi


def _by_probabilities(log_obs, schedule, arcs):
    """Rabiner's alpha and beta (1989, eqs. 20 and 25) as they are, of each frame's likelihoods relative to its likeliest state.

    Now and then alpha is scaled to one. What is below `LOST` beside all paths together is dropped: it could only matter to
    a whole that falls as low, and such utterances are `lost`. Utterances lie one after another with their states, so that a
    step is a few products of long rows; what a shift brings over from a neighbour has an arc of probability 0.

    Returns
    -------
    log_like : (V,)
    gamma : (S, N)
    steps : (K, S, V)
    lost : bool (V,)
        The utterances of which all this says nothing.
    """
    num_states, num_utts = len(log_obs), len(schedule.order)
    peak = np.full(log_obs.shape[1], NEVER)
    for row in log_obs:
        np.maximum(peak, row, out=peak)
    likely = np.subtract(log_obs.T, peak[:, None], order="C").reshape(-1)
    np.exp(likely, out=likely)  # at most 1
    start, leave, loops, *others = (
        np.exp(array.T, order="C").reshape(-1) for array in (arcs.log_start, arcs.log_exit, *arcs.log_arcs)
    )
    others = list(zip(arcs.shifts[1:], others, strict=True))
    alpha, room = np.empty_like(likely), np.empty_like(start)
    np.multiply(start, likely[: len(start)], out=alpha[: len(start)])
    scale, peaks = np.zeros(num_utts), peak[:num_utts].copy()
    begin = [place * num_states for place in schedule.begin]
    for t in range(1, len(begin) - 1):
        here, n = slice(begin[t], begin[t + 1]), begin[t + 1] - begin[t]
        now, before = alpha[here], alpha[begin[t - 1] : begin[t - 1] + n]
        np.multiply(before, loops[:n], out=now)
        for shift, arc in others:
            source, into = _states(shift, n)
            now[into] += np.multiply(before[source], arc[into], out=room[into])
        now *= likely[here]
        if t % RESCALE == 0:
            total = _added(now.reshape(-1, num_states).T)
            total[total == 0.0] = 1.0
            scale[: len(total)] += np.log(total)
            total = np.repeat(1.0 / total, num_states)
            now *= total
            likely[here] *= total  # beta is scaled alike
            now[now < LOST] = 0.0
    for t in range(1, len(begin) - 1):
        a, b = schedule.begin[t : t + 2]
        peaks[: b - a] += peak[a:b]
    last = alpha.reshape(-1, num_states)[schedule.last]
    share = _added((last * leave.reshape(-1, num_states)).T)
    with np.errstate(divide="ignore"):
        scale += np.log(share)
    lost = scale < LEAST
    beta = leave * np.repeat(
        np.where(lost, 0.0, 1.0 / np.where(lost, 1.0, share)), num_states
    )  # alpha x beta is gamma
    steps = np.zeros((len(arcs.shifts), len(beta)))
    for t in range(len(begin) - 2, 0, -1):
        here, n = slice(begin[t], begin[t + 1]), begin[t + 1] - begin[t]
        now, before = beta[:n], alpha[begin[t - 1] : begin[t - 1] + n]
        ahead = likely[here]
        ahead *= now
        alpha[here] *= now
        np.multiply(ahead, loops[:n], out=now)
        steps[0, :n] += np.multiply(before, ahead, out=room[:n])
        for k, (shift, arc) in enumerate(others, 1):
            source, into = _states(shift, n)
            now[source] += np.multiply(ahead[into], arc[into], out=room[into])
            steps[k, into] += np.multiply(before[source], ahead[into], out=room[into])
        if t % RESCALE == 0:
            now[now < LOST] = 0.0
    alpha[: len(beta)] *= beta
    alpha[alpha < TINY] = 0.0
    for own, arc in zip(steps, (loops, *(arc for _, arc in others)), strict=True):
        own *= arc
    return (
        scale + peaks,
        alpha.reshape(-1, num_states).T,
        steps.reshape(len(steps), -1, num_states).swapaxes(1, 2),
        lost,
    )


def _added(rows):
    """Sum over the first axis, in order: that of sum() depends on the shape, and so on the words that advance together."""
    total = np.zeros(rows.shape[1:])
    for row in rows:
        total += row
    return total


def _beside_the_best(log_obs, schedule, arcs):
    """What `forward_backward` gives, of utterances in the order of the schedule, whatever their likelihoods."""
    delta, ratio, weight = _forward(log_obs, schedule, arcs)
    log_like, share = _total(delta, ratio, schedule, arcs)
    # Backwards with P(i at t | j at t+1, x): each is in [0, 1] and they sum to one, so nothing that matters
    # can underflow. The result is Rabiner's gamma (1989, eq. 27) and xi (eq. 37), his beta divided out.
    gamma = np.zeros(log_obs.shape)
    gamma[:, schedule.last] = share
    steps = np.zeros((len(arcs.shifts), *delta.shape))
    begin, moves = schedule.begin, [_states(shift, len(log_obs)) for shift in arcs.shifts]
    room = np.empty_like(delta)
    for t in range(len(begin) - 2, 0, -1):
        here = slice(begin[t], begin[t + 1])
        n = here.stop - here.start
        now, before, passed = gamma[:, here], gamma[:, begin[t - 1] : begin[t - 1] + n], room[:, :n]
        now -= TINY
        np.maximum(now, 0.0, out=now)
        share = now / ratio[:, here]
        for k, (source, into) in enumerate(moves):
            np.multiply(weight[k, into, here], share[into], out=passed[into])
            before[source] += passed[into]
            steps[k, into, :n] += passed[into]
    return log_like, gamma, steps


def _forward(log_obs, schedule, arcs):
    """The sum over paths on top of the best path, so that no logarithm is in the loop.

    With delta a best score as in Viterbi's recursion, alpha = delta + log ratio (Rabiner 1989, eq. 20). Each
    arc's weight relative to the best into the same state is at most one, and a state's ratio at least one:
    there is no underflow to scale away. Now and then alpha itself becomes delta.

    Returns
    -------
    delta : (S, ..., V)
        At each utterance's last frame; below `NEVER` where there is no path.
    ratio : (S, ..., N)
        exp(alpha - delta).
    weight : (K, S, ..., N)
        The part of `ratio` that came by each arc.
    """
    num_states, begin = len(log_obs), schedule.begin
    arcs = arcs.each(lambda array: np.maximum(array, 2 * NEVER))  # finite, as -inf less -inf is no number
    if log_obs.size and log_obs.min() < NEVER:
        log_obs = np.maximum(log_obs, 2 * NEVER)
    delta = arcs.log_start + log_obs[..., : len(schedule.order)]
    weight = np.empty((len(arcs.shifts), *log_obs.shape))
    moves = []
    for shift, arc, rows in zip(arcs.shifts, arcs.log_arcs, weight, strict=True):
        source, into = _states(shift, num_states)
        rows[: into.start] = rows[into.stop :] = 0.0  # no arc of this shift leads there
        moves.append((source, into, arc[into], rows))
    weight[..., : len(schedule.order)] = 0.0
    ratio = np.ones(log_obs.shape)
    for t in range(1, len(begin) - 1):
        here = slice(begin[t], begin[t + 1])
        n = here.stop - here.start
        now, sums, before = delta[..., :n], ratio[..., here], ratio[..., begin[t - 1] : begin[t - 1] + n]
        for source, into, arc, rows in moves:
            np.add(now[source], arc[..., :n], out=rows[into, ..., here])
        now[:] = weight[0, ..., here]
        for _, into, _, rows in moves[1:]:
            np.maximum(now[into], rows[into, ..., here], out=now[into])
        for source, into, _, rows in moves:
            part = rows[into, ..., here]
            part -= now[into]
            np.exp(part, out=part)
            part *= before[source]
        now += log_obs[..., here]
        sums[:] = weight[0, ..., here]
        for _, into, _, rows in moves[1:]:
            sums[into] += rows[into, ..., here]
        # where there are cycles, the number of paths grows without bounds: start counting anew
        if t % 64 == 0:
            weight[..., here] /= sums
            now += np.log(sums)
            sums[:] = 1.0
    return delta, ratio, weight


def _total(delta, ratio, schedule, arcs):
    """log P(x), (..., U), and P(last state | x), (S, ..., V)."""
    final = delta + np.maximum(arcs.log_exit, 2 * NEVER)
    peak = final.max(axis=0)
    weight = ratio[..., schedule.last] * np.exp(final - peak)
    total = _added(weight)
    log_like = np.full((*total.shape[:-1], schedule.num_utts), -np.inf)
    log_like[..., schedule.order] = np.where(peak > NEVER, np.log(total) + peak, -np.inf)
    return log_like, weight * (peak > NEVER) / total


def _states(shift, num_states):
    """Slices of the states that an arc of this shift leaves, and of those it enters."""
    return slice(max(0, -shift), num_states - max(0, shift)), slice(
        max(0, shift), num_states - max(0, -shift)
    )
