"""Which states an HMM has, which may follow which, and where training starts: segmentation before any model."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import check_fields, option
from asrkit.models.base import is_recording, safe_log
from asrkit.models.hmm import Hmm

LEFT_RIGHT, SKIP, ANY_ENTRY, ERGODIC = "left-right", "skip", "any-entry", "ergodic"
TOPOLOGIES = (LEFT_RIGHT, SKIP, ANY_ENTRY, ERGODIC)
# Of a word that is taught: one or two frames at the mean of all words made fewest errors (FSDD, one speaker, 1 to 5 recordings)
TAUGHT_TAU = 1.0
TAUGHT_COUNT = 0.5
TAUGHT_ITERS = 5  # four and more were equal


@dataclass(frozen=True)
class HmmConfig:
    """Settings of every family with states; a family's own `Config` adds its emission's."""

    num_states: int = option(12, "states a word; fewer where its recordings are too short", minimum=1)
    frames_per_state: float = option(
        0.0, "set the states from the word's median length, up to --num-states; 0: fixed", minimum=0
    )
    topology: str = option(
        LEFT_RIGHT,
        "stay or step on; skip one state, too; stay or step on from whichever state comes first; or any state after any",
        choices=TOPOLOGIES,
    )
    silence: bool = option(
        False, "optional silence states before and after the word, for recordings that are not trimmed"
    )
    num_starts: int = option(
        1,
        "segmentations to start from, uniform and random ones; of the trained models the likeliest is kept",
        minimum=1,
    )
    transition_floor: float = option(1e-4, "least probability of an allowed transition", minimum=0, maximum=1)

    def __post_init__(self):
        check_fields(self)


def init_hmm(make_emission, block, config, rng, start):
    """The model that training starts from: an equal part of each utterance for each state.

    Parameters
    ----------
    make_emission : callable
        Number of states -> Emission, all states alike.
    start : int
        0: uniform segmentation; above: the parts' shares are drawn from `rng`.

    Returns
    -------
    Hmm
        Utterances shorter than its shortest path are left out of it.
    """
    num_states = choose_num_states(block, config)
    model = connect(num_states, config.topology, config.silence, make_emission)
    heads, tails = (
        find_silence(make_emission(2), block, config, num_states)
        if config.silence
        else 2 * [np.zeros(len(block.utts), dtype=int)]
    )
    share = np.full(num_states, 1.0 / num_states) if start == 0 else rng.dirichlet(np.full(num_states, 5.0))
    lengths = block.lengths
    # The state of a frame at the fraction f of the word is the number of boundaries at or before f.
    within = np.arange(len(block.obs)) - np.repeat(block.offsets[:-1] + heads, lengths)
    spoken = np.repeat(lengths - heads - tails, lengths)
    fraction = (within + 1e-9) / np.maximum(spoken, 1)
    path = np.searchsorted(np.cumsum(share)[:-1], fraction, side="right")
    if config.silence:
        path += 1
        path[within < 0] = 0
        path[within >= spoken] = num_states + 1
    scores = np.where(lengths >= model.shortest, 0.0, -np.inf)
    stats = model.accumulate_path(block, path.astype(np.int32), scores)
    if config.topology == ANY_ENTRY:
        stats = entered_anywhere(stats, config.silence)
    return model.estimate(stats, config)


def entered_anywhere(stats, silence):
    """Spread evenly over the word's states how often it was entered: equal parts, which begin with the first, say nothing of that."""
    word = slice(1, -1) if silence else slice(None)
    start, trans = stats.start.copy(), stats.trans.copy()
    start[word] = start[word].mean()
    if silence:
        trans[0, word] = trans[0, word].mean()
    return replace(stats, start=start, trans=trans)


@dataclass(frozen=True)
class FewPrior:
    """How much the start counts where a word is learned from few recordings: as `Hmm.adapt` asks for it."""

    tau: float  # frames of each state that lie at the mean of all
    prior_count: float  # times that each state was left before
    moves: tuple[str, ...] = ("means", "transitions")


def teach_hmm(make_emission, block, config, copies):
    """Learn a word from few recordings: the means and transitions of its states alone, maximum a posteriori.

    The start, an equal part of each recording for each state, is best in nothing but that it is no worse than others; the best path is
    found anew until it stays.

    Parameters
    ----------
    make_emission : callable
        Number of states -> Emission, all states alike: the prior.
    copies : int
        Frames of the block that are one of a recording.
    """
    num_states = min(config.num_states, int(block.lengths.min()))
    if config.frames_per_state:
        num_states = max(1, min(num_states, round(np.median(block.lengths) / config.frames_per_state)))
    start = connect(num_states, config.topology, False, make_emission)
    prior = FewPrior(TAUGHT_TAU * copies, TAUGHT_COUNT * copies)
    within = np.concatenate([np.arange(length) * num_states // length for length in block.lengths])
    stats = start.accumulate_path(block, within.astype(np.int32), np.zeros(len(block.utts)))
    if config.topology == ANY_ENTRY:
        stats = entered_anywhere(stats, False)
    model, path = start.adapt(stats, prior, config), within
    for _ in range(TAUGHT_ITERS):
        scores, best = model.align(block)
        if (best == path).all():
            break
        model, path = start.adapt(start.accumulate_path(block, best, scores), prior, config), best
    return model


def connect(num_states, topology, silence, make_emission):
    """A word model whose allowed transitions are all equally likely.

    left-right starts in the first state, leaves from the last, stays or steps; skip may also leave one state
    out; any-entry stays or steps, too, but may start in any state; ergodic allows all. `silence` puts one more
    state before and one after, each of which can be passed by.
    """
    allowed = np.ones((num_states, num_states), dtype=bool)
    first, last = np.ones(num_states, dtype=bool), np.ones(num_states, dtype=bool)
    if topology != ERGODIC:
        allowed = np.triu(allowed) & ~np.triu(allowed, 3 if topology == SKIP else 2)
        first[1:] = topology == ANY_ENTRY
        last[:-1] = False
    if silence:
        word_first, word_last = np.pad(first, 1), np.pad(last, 1)
        allowed = np.pad(allowed, 1)
        allowed[0], allowed[:, -1] = word_first, word_last
        allowed[0, 0] = allowed[-1, -1] = True
        first, last = word_first.copy(), word_last.copy()
        first[0] = last[-1] = True
    rows = np.concatenate([allowed, last[:, None]], axis=1).astype(np.float64)
    rows /= rows.sum(axis=1, keepdims=True)
    log_rows = safe_log(rows)
    return Hmm(
        safe_log(first / first.sum()),
        log_rows[:, :-1].copy(),
        log_rows[:, -1].copy(),
        make_emission(len(first)),
    )


def choose_num_states(block, config):
    """How many states the word gets, silence not counted: fewer than asked for where its recordings are too
    short.

    As many as the shortest recording can pass through, so that none is lost; but a recording shorter than a
    third of the median is taken for an accident that must not decide for all. Where there are more of them than
    `most_left_out`, they are none.
    """
    median = np.median(block.lengths)
    own = [length for utt, length in zip(block.utts, block.lengths, strict=True) if is_recording(utt)]
    ordered = np.sort(own or block.lengths)
    accident = min(int(median) // 3, ordered[most_left_out(len(ordered))])
    shortest = int(max(block.lengths.min(), accident, 1))
    most = {LEFT_RIGHT: shortest, SKIP: 2 * shortest - 1}.get(config.topology, config.num_states)
    wanted = round(median / config.frames_per_state) if config.frames_per_state else config.num_states
    return max(1, min(config.num_states, wanted, most))


def most_left_out(count):
    """Recordings of a word, of so many, that may be too short for the states that the others get.

    One in twenty, which hardly moves a model; and one of three to nineteen, where it may be a slip, too.
    """
    return max(count // 20, int(count > 2))


def find_silence(emission, block, config, num_states):
    """How many frames at each end of each utterance look more like the ends of all utterances than like all
    of them.

    Parameters
    ----------
    emission : Emission
        With two states: it is estimated on the outer tenths, and on all frames.

    Returns
    -------
    heads, tails : int (U,)
        At least `num_states` frames are left between them where the utterance has so many.
    """
    lengths = block.lengths
    within = np.arange(len(block.obs)) - np.repeat(block.offsets[:-1], lengths)
    edge = np.repeat(np.maximum(lengths // 10, 1), lengths)
    gamma = np.ones((len(block.obs), 2))
    gamma[:, 0] = (within < edge) | (within >= np.repeat(lengths, lengths) - edge)
    emission = emission.estimate(emission.accumulate(block.obs, gamma), config)
    gain = -np.diff(emission.log_likelihood(block.obs), axis=1)[:, 0]
    heads, tails = np.zeros(len(lengths), dtype=int), np.zeros(len(lengths), dtype=int)
    for u in range(len(lengths)):
        own = gain[block.offsets[u] : block.offsets[u + 1]]
        room = max(0, len(own) - num_states)
        heads[u] = np.argmax(np.concatenate([[0.0], np.cumsum(own[:room])]))
        tails[u] = np.argmax(np.concatenate([[0.0], np.cumsum(own[::-1][: room - heads[u]])]))
    return heads, tails
