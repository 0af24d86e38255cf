"""Error rates: alignment, counts, confusion, intervals, significance, and the lines of Kaldi's scoring files.

The unit of everything random is the utterance (or the speaker), never the word: words of one utterance share
a voice and a noise. For isolated words the two are the same.
"""

import functools
import math
from collections import Counter
from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np

from asrkit.errors import DataError

MODES = ("strict", "all", "present")
NO_DECISION = "no decision"
GAP = "***"  # Kaldi's sign for the missing side of an insertion or a deletion
Z_95 = 1.96  # rounded as in compute-wer-bootci, so that the numbers agree


@dataclass(frozen=True)
class Counts:
    """Error counts of some utterances; `+` joins two sets of utterances."""

    utts: int = 0
    utt_errors: int = 0
    correct: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0

    def __add__(self, other):
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def words(self):
        """Reference words."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self):
        return self.substitutions + self.insertions + self.deletions


@dataclass(frozen=True)
class ScoredUtt:
    """One utterance: its texts and their alignment, pairs (reference word, hypothesis word), None for a gap."""

    ref: str
    hyp: str
    speaker: str
    pairs: tuple

    @property
    def counts(self):
        kinds = Counter(_kind(ref, hyp) for ref, hyp in self.pairs)
        wrong = len(self.pairs) > kinds["correct"]
        return Counts(
            1, int(wrong), *(kinds[k] for k in ("correct", "substitution", "insertion", "deletion"))
        )


@dataclass(frozen=True, eq=False)
class ErrorReport:
    """What `compute_errors` found.

    Attributes
    ----------
    words : tuple of str
        All reference and hypothesised words, in C-locale order.
    confusion : int64 array (W, W + 1)
        `confusion[i, j]` counts reference word i heard as word j; the last column is "no decision".
    utts : dict of str to ScoredUtt
        The scored utterances, in C-locale order.
    speakers : dict of str to Counts
    missing, ignored : int
        Utterances of the reference without a hypothesis; hypotheses without a reference.
    unknown : dict of str to int
        Reference words that the system has no model for, and how often they are said.
    """

    words: tuple
    confusion: np.ndarray
    utts: dict
    speakers: dict
    missing: int
    ignored: int
    unknown: dict
    mode: str

    @property
    def total(self):
        return sum(self.speakers.values(), Counts())

    @property
    def wer(self):
        """Word error rate, a fraction; nan or inf without reference words, as compute-wer has it."""
        return _ratio(self.total.errors, self.total.words)

    @property
    def interval(self):
        """Wilson interval of the word error rate at 95 %, fractions.

        It takes every word as one independent trial, which holds for isolated words; for sentences the
        bootstrap over utterances is the one to read. More errors than words count as all wrong.
        """
        return wilson_interval(min(self.total.errors, self.total.words), self.total.words)

    @functools.cached_property
    def speaker_interval(self):
        """Bootstrap interval of the word error rate at 95 %, fractions: what would other speakers give?

        The 2.5 and 97.5 per cent points of 10,000 draws of whole speakers. None where that says nothing: of
        one speaker, or where no two utterances share one.
        """
        if not 1 < len(self.speakers) < len(self.utts):
            return None
        rates = bootstrap_wer(*self.per_utt(), [utt.speaker for utt in self.utts.values()])
        return tuple(np.quantile(rates, [0.025, 0.975]).tolist()) if rates.size else None

    def per_utt(self):
        """Errors and reference words of every utterance: two int64 arrays (U,)."""
        counts = [utt.counts for utt in self.utts.values()]
        return (
            np.array([c.errors for c in counts], dtype=np.int64),
            np.array([c.words for c in counts], dtype=np.int64),
        )


def align_words(ref, hyp):
    """Align two word sequences at the least number of edits.

    Among equally good alignments the choice is that of compute-wer (insertion before deletion before
    substitution, from the end), so that its counts of the three kinds come out, too.

    Returns
    -------
    tuple of (str or None, str or None)
        Pairs of reference and hypothesis word; None is a gap.
    """
    cost = [[i + j for j in range(len(hyp) + 1)] for i in range(len(ref) + 1)]  # right at the edges
    for i, ref_word in enumerate(ref, 1):
        for j, hyp_word in enumerate(hyp, 1):
            diagonal = cost[i - 1][j - 1] + (ref_word != hyp_word)
            cost[i][j] = min(diagonal, cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    pairs = []
    i, j = len(ref), len(hyp)
    while i or j:
        if j and cost[i][j] == cost[i][j - 1] + 1:
            j -= 1
            pairs.append((None, hyp[j]))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            pairs.append((ref[i], None))
        else:
            i, j = i - 1, j - 1
            pairs.append((ref[i], hyp[j]))
    return tuple(reversed(pairs))


def compute_errors(refs, hyps, speakers, mode="strict", *, vocabulary=None, skipped=()):
    """Score hypotheses against references, as compute-wer does.

    Parameters
    ----------
    refs, hyps : dict of str to str
        Utterance to its words, separated by white space; no words is allowed on both sides.
    speakers : dict of str to str
        Utterance to speaker; an utterance that is not in it is a speaker of its own.
    mode : {"strict", "all", "present"}
        What to do with a reference without a hypothesis: refuse, score it as empty, leave it out.
        Hypotheses without a reference are refused by "strict" and else ignored.
    vocabulary : collection of str, optional
        The words the system has models for.
    skipped : collection of str
        Utterances the system is known to have given up: scored as empty in every mode.

    Raises
    ------
    DataError
        References and hypotheses disagree in mode "strict".
    """
    if mode not in MODES:
        raise ValueError(f"mode '{mode}' is none of {', '.join(MODES)}")
    missing = [utt for utt in refs if utt not in hyps]
    given_up = set(skipped)
    unexplained = [utt for utt in missing if utt not in given_up]
    ignored = [utt for utt in hyps if utt not in refs]
    if mode == "strict" and unexplained:
        raise DataError(
            f"no hypothesis for {len(unexplained)} of {len(refs)} utterances: {_first(unexplained)} (mode all counts them as errors)"
        )
    if mode == "strict" and ignored:
        raise DataError(
            f"{len(ignored)} of {len(hyps)} hypotheses have no reference: {_first(ignored)} (mode all ignores them)"
        )
    left_out = set(unexplained) if mode == "present" else set()

    utts, by_speaker, cells = {}, {}, Counter()
    for utt in _c_sorted(utt for utt in refs if utt not in left_out):
        ref, hyp = refs[utt], hyps.get(utt, "")
        scored = ScoredUtt(ref, hyp, speakers.get(utt, utt), align_words(ref.split(), hyp.split()))
        utts[utt] = scored
        by_speaker[scored.speaker] = by_speaker.get(scored.speaker, Counts()) + scored.counts
        cells.update(scored.pairs)

    said, heard = Counter(), set()
    for (ref, hyp), count in cells.items():
        if ref is not None:
            said[ref] += count
        if hyp is not None:
            heard.add(hyp)
    words = tuple(_c_sorted(heard | set(said)))
    index = {word: i for i, word in enumerate([*words, None])}  # None, no decision, is the last column
    confusion = np.zeros((len(words), len(words) + 1), dtype=np.int64)
    for (ref, hyp), count in cells.items():
        if ref is not None:
            confusion[index[ref], index[hyp]] += count
    known = said.keys() if vocabulary is None else heard | set(vocabulary)
    return ErrorReport(
        words=words,
        confusion=confusion,
        utts=utts,
        speakers={speaker: by_speaker[speaker] for speaker in _c_sorted(by_speaker)},
        missing=len(missing),
        ignored=len(ignored),
        unknown={word: said[word] for word in words if word in said and word not in known},
        mode=mode,
    )


def wer_lines(report):
    """The three lines compute-wer prints."""
    c = report.total
    partial = " [PARTIAL]" if report.missing else ""
    return [
        f"%WER {100 * report.wer:.2f} [ {c.errors} / {c.words}, {c.insertions} ins, {c.deletions} del, "
        f"{c.substitutions} sub ]{partial}",
        f"%SER {100 * _ratio(c.utt_errors, c.utts):.2f} [ {c.utt_errors} / {c.utts} ]",
        f"Scored {c.utts} sentences, {report.missing} not present in hyp.",
    ]


def wilson_interval(errors, total, confidence=0.95):
    """Wilson's score interval of a proportion.

    Unlike the usual p ± z·s it stays within [0, 1] and does not shrink to nothing at 0 errors.

    Returns
    -------
    low, high : float
        Fractions; (0, 1) where nothing was counted.
    """
    if not 0 <= errors <= total:
        raise ValueError(f"errors must lie between 0 and total = {total}, not {errors}")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = errors / total
    # Wilson (1927): the roots of (p - x)^2 = z^2 x (1 - x) / n
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + (z / (2 * total)) ** 2)
    # At the ends the root is 0 or 1 exactly, which rounding misses.
    return (0.0 if errors == 0 else centre - half), (1.0 if errors == total else centre + half)


def bootstrap_wer(errors_per_utt, words_per_utt, speakers=None, replications=10000, seed=0):
    """Error rates of `replications` test sets drawn with replacement from this one (Bisani and Ney, 2004).

    Parameters
    ----------
    errors_per_utt : array (U,) or (K, U)
        One system, or K systems on the same utterances (and then on the same draws).
    words_per_utt : array (U,)
    speakers : sequence of str (U,), optional
        Draw whole speakers instead of utterances: how sure are we for other speakers?

    Returns
    -------
    array (replications,) or (K, replications)
        Fractions. Draws without any reference word have no rate and are left out.
    """
    errors = np.asarray(errors_per_utt)
    units = np.vstack([errors, words_per_utt]).T  # (U, K + 1)
    if not len(units):
        raise ValueError("no utterances to draw from")
    if speakers is not None:
        names, owner = np.unique(np.asarray(speakers), return_inverse=True)
        sums = np.zeros((len(names), units.shape[1]), dtype=units.dtype)
        np.add.at(sums, owner, units)
        units = sums
    # Units with the same counts are interchangeable: draw how many of each kind, not which ones. That is
    # the same distribution, and for isolated words there are two kinds instead of thousands of units.
    kinds, how_many = np.unique(units, axis=0, return_counts=True)
    share = how_many / len(units)
    drawn = np.random.default_rng(seed).multinomial(len(units), share, size=replications)
    totals = drawn @ kinds  # (replications, K + 1)
    totals = totals[totals[:, -1] > 0]
    rates = (totals[:, :-1] / totals[:, -1:]).T  # (K, replications)
    return rates if errors.ndim == 2 else rates[0]


def bootci_lines(rates):
    """The lines of compute-wer-bootci, from what `bootstrap_wer` returned for one system or two."""
    sets = np.atleast_2d(rates)
    lines = []
    for number, rate in enumerate(sets, 1):
        mean, half = (100 * rate.mean(), 100 * Z_95 * rate.std()) if rate.size else (math.nan, math.nan)
        lines.append(
            f"Set{number}: %WER {mean:.2f} 95% Conf Interval [ {mean - half:.2f}, {mean + half:.2f} ]"
        )
    if len(sets) == 2:
        better = 100 * np.mean(sets[1] < sets[0]) if sets.size else math.nan
        lines.append(f"Probability of Set2 improving Set1: {better:.2f}")
    return lines


def mcnemar_exact(a_correct, b_correct):
    """McNemar's test whether two systems err equally often on the same utterances.

    Parameters
    ----------
    a_correct, b_correct : bool array (U,)

    Returns
    -------
    n01, n10 : int
        Utterances where only B, and where only A is right.
    p : float
        Two-sided: if both were equally good, the n01 + n10 disputes would fall like tosses of a coin.
    """
    from scipy.special import bdtr  # late: needed here only

    a, b = np.asarray(a_correct, dtype=bool), np.asarray(b_correct, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"the two systems need one decision an utterance each, not shapes {a.shape} and {b.shape}"
        )
    n01, n10 = int(np.sum(~a & b)), int(np.sum(a & ~b))
    return n01, n10, min(1.0, 2 * float(bdtr(min(n01, n10), n01 + n10, 0.5)))


def per_utt_lines(report):
    """Kaldi's wer_details/per_utt: four lines an utterance, words and operations in centred columns."""
    lines = []
    for utt, scored in report.utts.items():
        columns = [(ref or GAP, hyp or GAP, _kind(ref, hyp)[0].upper()) for ref, hyp in scored.pairs]
        widths = [max(map(len, column)) for column in columns]
        for row, name in enumerate(("ref ", "hyp ", "op  ")):
            cells = [_centre(column[row], width) for column, width in zip(columns, widths)]
            lines.append(f"{utt} {name} {'  '.join(cells)}".rstrip())
        c = scored.counts
        lines.append(f"{utt} #csid {c.correct} {c.substitutions} {c.insertions} {c.deletions}")
    return lines


def per_spk_lines(report):
    """Kaldi's wer_details/per_spk: counts (`raw`) and per cent (`sys`) of every speaker and in all."""
    width = max([15, *map(len, report.speakers)])
    heads = ("#SENT", "#WORD", "Corr", "Sub", "Ins", "Del", "Err", "S.Err")
    lines = [f"{'SPEAKER':<{width}} id " + "".join(f" {head:>10}" for head in heads)]
    for speaker, c in [*report.speakers.items(), ("SUM", report.total)]:
        counts = (c.correct, c.substitutions, c.insertions, c.deletions, c.errors)
        start = f" {c.utts:10d} {c.words:10d}"
        lines.append(f"{speaker:<{width}} raw{start}" + "".join(f" {n:10d}" for n in (*counts, c.utt_errors)))
        if c.words:
            rates = [100 * n / c.words for n in counts] + [100 * c.utt_errors / c.utts]
            lines.append(f"{speaker:<{width}} sys{start}" + "".join(f" {rate:10.2f}" for rate in rates))
    return lines


def ops_lines(report):
    """Kaldi's wer_details/ops: how often each operation happened, most frequent first within a kind."""
    pairs = Counter(pair for utt in report.utts.values() for pair in utt.pairs)
    ops = [(_kind(ref, hyp), ref or GAP, hyp or GAP, count) for (ref, hyp), count in pairs.items()]
    ops.sort(key=lambda op: (op[0], -op[3], op[1].encode(), op[2].encode()))
    width = min(16, max((max(len(ref), len(hyp)) for _, ref, hyp, _ in ops), default=0))
    digits = max((len(str(count)) for *_, count in ops), default=0)
    return [
        f"{kind:<12}  {ref:>{width}}    {hyp:>{width}}    {count:>{digits}}" for kind, ref, hyp, count in ops
    ]


def _c_sorted(keys):
    return sorted(keys, key=str.encode)


def _kind(ref, hyp):
    if ref is None:
        return "insertion"
    if hyp is None:
        return "deletion"
    return "correct" if ref == hyp else "substitution"


def _centre(text, width):
    """Centred with the odd blank on the left, as Kaldi has it (str.center changes sides)."""
    right = (width - len(text)) // 2
    return " " * (width - len(text) - right) + text + " " * right


def _ratio(part, whole):
    if whole:
        return part / whole
    return math.inf if part else math.nan


def _first(utts, shown=5):
    return ", ".join(_c_sorted(utts)[:shown]) + (", …" if len(utts) > shown else "")
