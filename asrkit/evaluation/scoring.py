"""Error rates: words aligned, errors counted, the confusion matrix.

The unit of everything random is the utterance (or the speaker), never the word: words of one utterance share
a voice and a noise. For isolated words the two are the same.
"""

import functools
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from asrkit.characters import phrase
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.significance import bootstrap_wer, wilson_interval
from asrkit.evaluation.texts import c_sorted, check_words, first, texts_by_utt

MODES = ("strict", "all", "present")
NO_DECISION = "no decision"

Pair = tuple[str | None, str | None]  # reference word, hypothesis word; None is a gap


@dataclass(frozen=True)
class Counts:
    """Error counts of some utterances; `+` joins two sets of utterances."""

    utts: int = 0
    utt_errors: int = 0
    correct: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def words(self) -> int:
        """Reference words."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions


@dataclass(frozen=True)
class ScoredUtt:
    """One utterance: its texts and their alignment, pairs (reference word, hypothesis word); None is a gap."""

    ref: str
    hyp: str
    speaker: str
    pairs: tuple[Pair, ...]

    @property
    def counts(self) -> Counts:
        kinds = Counter(edit_kind(ref, hyp) for ref, hyp in self.pairs)
        wrong = len(self.pairs) > kinds["correct"]
        return Counts(
            1, int(wrong), *(kinds[k] for k in ("correct", "substitution", "insertion", "deletion"))
        )


@dataclass(frozen=True, eq=False)
class ErrorReport:
    """The errors of a recogniser on some utterances: what `score_errors` and `compute_errors` return.

    Attributes
    ----------
    words : tuple of str
        All reference and hypothesised words, in C-locale order.
    confusion : int64 array (W, W + 1)
        `confusion[i, j]` counts reference word i recognised as word j; the last column is "no decision".
    utts : dict of str to ScoredUtt
        The scored utterances, in C-locale order.
    speakers : dict of str to Counts
    missing, ignored : int
        Utterances of the reference without a hypothesis; hypotheses without a reference.
    unknown : dict of str to int
        Reference words that the system has no model for, and how often they are said.
    """

    words: tuple[str, ...]
    confusion: np.ndarray
    utts: dict[str, ScoredUtt]
    speakers: dict[str, Counts]
    missing: int
    ignored: int
    unknown: dict[str, int]
    mode: str

    def __str__(self) -> str:
        low, high = self.interval
        return f"{wer_lines(self)[0]}, 95% interval [ {100 * low:.2f}, {100 * high:.2f} ]"

    def __repr__(self) -> str:
        return f"<ErrorReport: {self}>"

    @functools.cached_property
    def total(self) -> Counts:
        """Counts of all utterances."""
        return sum(self.speakers.values(), Counts())

    @property
    def errors(self) -> int:
        """Substitutions, insertions and deletions."""
        return self.total.errors

    @property
    def num_words(self) -> int:
        """Reference words."""
        return self.total.words

    @property
    def wer(self) -> float:
        """Word error rate, a fraction; nan or inf without reference words, as compute-wer has it."""
        return _ratio(self.errors, self.num_words)

    @property
    def accuracy(self) -> float:
        """Word accuracy, 1 - WER, a fraction: below 0 where more errors were made than words said (HTK book, 13.4)."""
        return 1 - self.wer

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson interval of the word error rate at 95 %, fractions.

        It takes every word as one independent trial, which holds for isolated words; for sentences the
        bootstrap over utterances is the one to read. More errors than words count as all wrong.
        """
        return wilson_interval(min(self.errors, self.num_words), self.num_words)

    @functools.cached_property
    def speaker_interval(self) -> tuple[float, float] | None:
        """Bootstrap interval of the word error rate at 95 %, fractions: what would other speakers give?

        The 2.5 and 97.5 per cent points of 10,000 draws of whole speakers. None where that says nothing: of
        one speaker, or where no two utterances share one.
        """
        if not 1 < len(self.speakers) < len(self.utts):
            return None
        rates = bootstrap_wer(*self.per_utt(), [utt.speaker for utt in self.utts.values()])
        return tuple(np.quantile(rates, [0.025, 0.975]).tolist()) if rates.size else None

    @property
    def confusions(self) -> list[tuple[str, str | None, int]]:
        """What was confused: tuples (reference word, recognised word or None for no decision, count).

        The most frequent come first; insertions belong to no reference word and are not among them.
        """
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        heard = [*self.words, None]
        found = [(self.words[i], heard[j], int(wrong[i, j])) for i, j in np.argwhere(wrong)]
        return sorted(found, key=lambda confused: -confused[2])

    def per_utt(self) -> tuple[np.ndarray, np.ndarray]:
        """Errors and reference words of every utterance: two int64 arrays (U,)."""
        counts = [utt.counts for utt in self.utts.values()]
        return (
            np.array([c.errors for c in counts], dtype=np.int64),
            np.array([c.words for c in counts], dtype=np.int64),
        )


def align_words(ref: Sequence[str], hyp: Sequence[str]) -> tuple[Pair, ...]:
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
    pairs: list[Pair] = []
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


def units(text: str, phrases: bool = False) -> list[str]:
    """Cut a text into what is compared: its words, or all of them as one phrase."""
    return ([phrase(text)] if text else []) if phrases else text.split()


def compute_errors(
    refs: Mapping[str, str],
    hyps: Mapping[str, str],
    speakers: Mapping[str, str],
    mode: str = "strict",
    *,
    vocabulary: Collection[str] | None = None,
    skipped: Collection[str] = (),
    phrases: bool = False,
) -> ErrorReport:
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
    phrases : bool
        Whatever an utterance says is one unit, of however many words.

    Raises
    ------
    DataError
        References and hypotheses disagree in mode "strict".
    """
    if mode not in MODES:
        raise SettingsError(f"mode={mode} is none of {', '.join(MODES)}")
    missing = [utt for utt in refs if utt not in hyps]
    given_up = set(skipped)
    unexplained = [utt for utt in missing if utt not in given_up]
    ignored = [utt for utt in hyps if utt not in refs]
    if mode == "strict" and unexplained:
        raise DataError(
            f"no hypothesis for {len(unexplained)} of {len(refs)} utterances: {first(unexplained)} "
            "(mode=all counts them as errors)"
        )
    if mode == "strict" and ignored:
        raise DataError(
            f"{len(ignored)} of {len(hyps)} hypotheses have no reference: {first(ignored)} "
            "(mode=all ignores them)"
        )
    left_out = set(unexplained) if mode == "present" else set()

    utts: dict[str, ScoredUtt] = {}
    by_speaker: dict[str, Counts] = {}
    cells: Counter[Pair] = Counter()
    for utt in c_sorted(utt for utt in refs if utt not in left_out):
        ref, hyp = refs[utt], hyps.get(utt, "")
        scored = ScoredUtt(
            ref, hyp, speakers.get(utt, utt), align_words(units(ref, phrases), units(hyp, phrases))
        )
        utts[utt] = scored
        by_speaker[scored.speaker] = by_speaker.get(scored.speaker, Counts()) + scored.counts
        cells.update(scored.pairs)

    said: Counter[str] = Counter()
    heard: set[str] = set()
    for (ref_word, hyp_word), count in cells.items():
        if ref_word is not None:
            said[ref_word] += count
        if hyp_word is not None:
            heard.add(hyp_word)
    words = tuple(c_sorted(heard | set(said)))
    index = {word: i for i, word in enumerate((*words, None))}  # None, no decision, is the last column
    confusion = np.zeros((len(words), len(words) + 1), dtype=np.int64)
    for (ref_word, hyp_word), count in cells.items():
        if ref_word is not None:
            confusion[index[ref_word], index[hyp_word]] += count
    known = said.keys() if vocabulary is None else heard | set(vocabulary)
    return ErrorReport(
        words=words,
        confusion=confusion,
        utts=utts,
        speakers={speaker: by_speaker[speaker] for speaker in c_sorted(by_speaker)},
        missing=len(missing),
        ignored=len(ignored),
        unknown={word: said[word] for word in words if word in said and word not in known},
        mode=mode,
    )


def score_errors(
    references: Mapping[str, str] | Sequence[str],
    hypotheses: Mapping[str, str | None] | Sequence[str | None],
    speakers: Mapping[str, str] | Sequence[str] | None = None,
    *,
    vocabulary: Collection[str] | None = None,
) -> ErrorReport:
    """Count the errors of recognised words.

    Parameters
    ----------
    references : dict of str to str, or sequence of str
        The word, or phrase, that was said: by utterance id, or one an utterance. The ids of a sequence are its
        indices, with leading zeros.
    hypotheses : dict of str to str, or sequence of str
        The word that was recognised, in the same way; "" or None for no decision. An utterance that a dict
        leaves out is an error, too.
    speakers : dict of str to str, or sequence of str, optional
        Who spoke, in the same way; a dict may hold more utterances. Without speakers `speaker_interval` is
        None.
    vocabulary : collection of str, optional
        The words that the recogniser knows; `unknown` of the report counts the references that it can't.

    Returns
    -------
    ErrorReport

    Raises
    ------
    DataError
        An argument is not what it should be; the message says which, what it is and what it should be.

    Examples
    --------
    >>> from asrkit.evaluation.scoring import score_errors
    >>> said = {"amy-1": "yes", "amy-2": "no", "bob-1": "yes", "bob-2": "no"}
    >>> heard = {"amy-1": "yes", "amy-2": "yes", "bob-1": "yes", "bob-2": "no"}
    >>> report = score_errors(said, heard, {utt: utt[:3] for utt in said})
    >>> print(report)
    %WER 25.00 [ 1 / 4, 0 ins, 0 del, 1 sub ], 95% interval [ 4.56, 69.94 ]
    >>> report.wer, report.accuracy, report.errors, report.num_words
    (0.25, 0.75, 1, 4)
    >>> report.confusions
    [('no', 'yes', 1)]
    >>> report.speakers["amy"].errors
    1

    Words in the same order, without ids:

    >>> score_errors(["yes", "no"], ["yes", None]).wer
    0.5
    """
    refs, hyps, owners = texts_by_utt(references, hypotheses, speakers)
    if vocabulary is not None:
        vocabulary = check_words("vocabulary", vocabulary)
    return compute_errors(refs, hyps, owners, "all", vocabulary=vocabulary, phrases=True)


def wer_lines(report: ErrorReport) -> list[str]:
    """Write the three lines that compute-wer prints."""
    c = report.total
    partial = " [PARTIAL]" if report.missing else ""
    return [
        f"%WER {100 * report.wer:.2f} [ {c.errors} / {c.words}, {c.insertions} ins, {c.deletions} del, "
        f"{c.substitutions} sub ]{partial}",
        f"%SER {100 * _ratio(c.utt_errors, c.utts):.2f} [ {c.utt_errors} / {c.utts} ]",
        f"Scored {c.utts} sentences, {report.missing} not present in hyp.",
    ]


def edit_kind(ref: str | None, hyp: str | None) -> str:
    """Name what happened to a pair of words; None is a gap."""
    if ref is None:
        return "insertion"
    if hyp is None:
        return "deletion"
    return "correct" if ref == hyp else "substitution"


def _ratio(part: float, whole: float) -> float:
    if whole:
        return part / whole
    return math.inf if part else math.nan
