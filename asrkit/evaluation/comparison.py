"""Is system B better than system A? McNemar's test, on the same utterances: difference, interval and verdict are its."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from asrkit.config import out_of_bounds
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.kaldi import bootci_lines
from asrkit.evaluation.scoring import ErrorReport
from asrkit.evaluation.significance import bootstrap_wer, mcnemar_exact, paired_interval

SIGNIFICANT = 0.05
FEWEST = 6  # utterances that must tell the two apart: five that all fall to one side have p = 2 / 2^5 = 0.06


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two systems, A and B, differ on the same utterances.

    Attributes
    ----------
    reports : tuple of ErrorReport
        Of A and of B.
    both_right, only_a, only_b, both_wrong : int
        Utterances.
    p : float
        McNemar's exact test of `only_a` against `only_b`.
    rates : float64 array (2, R)
        Word error rates, fractions, of R test sets of as many utterances drawn from these.
    speaker_rates : float64 array (2, R) or None
        The same of test sets of as many speakers; None of one speaker, or where no two utterances share one.
    """

    reports: tuple
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p: float
    rates: np.ndarray
    speaker_rates: np.ndarray | None

    @property
    def difference(self):
        """Utterances with an error, B - A, in per cent of all. Where every one is a word, that is the difference of the error rates."""
        return 100 * (self.only_a - self.only_b) / self._total

    @property
    def interval(self):
        """Interval of `difference` at 95 %; it leaves 0 out if and only if p is below 0.05."""
        low, high = paired_interval(self.only_a, self.only_b, self._total, 1 - SIGNIFICANT)
        return 100 * low, 100 * high

    @property
    def verdict(self):
        """What follows, in words."""
        disputed, p = self.only_a + self.only_b, _said_p(self.p)
        if self.p < SIGNIFICANT:
            better, worse = ("B", "A") if self.only_b > self.only_a else ("A", "B")
            return f"{better} is better than {worse} (p = {p}{self._doubt(better)})"
        _, low, high = _said(self.difference, *self.interval)
        may_be = f"B - A may be {low} to {high} %"
        if not disputed:
            return (
                "no difference can be seen: "
                f"no utterance that one of the two has right and the other wrong (p = 1); {may_be}"
            )
        few = f", and fewer than {FEWEST} can show none" if disputed < FEWEST else ""
        return (
            f"no difference can be seen: of {disputed} utterances that tell the two apart {self.only_a} "
            f"{'is' if self.only_a == 1 else 'are'} for A and {self.only_b} for B, as coins may fall "
            f"(p = {p}){few}; {may_be}"
        )

    def lines(self):
        """McNemar's table, what compute-wer-bootci prints of each, the difference B - A, the verdict."""
        lines = [
            f"McNemar, {self._total} utterances: both right {self.both_right}, only A right {self.only_a}, "
            f"only B right {self.only_b}, both wrong {self.both_wrong}; exact p = {_said_p(self.p)}",
            f"Bootstrap over {self._total} utterances:",
            *bootci_lines(self.rates),
        ]
        if self.speaker_rates is not None:
            speakers = len(self.reports[0].speakers)
            lines += [f"Bootstrap over {speakers} speakers:", *bootci_lines(self.speaker_rates)]
        difference, low, high = _said(self.difference, *self.interval)
        lines.append(
            f"Difference B - A: {difference} 95% Conf Interval [ {low}, {high} ], % of utterances with an error (McNemar)"
        )
        return [*lines, self.verdict]

    @property
    def _total(self):
        return len(self.reports[0].utts)

    def _doubt(self, better):
        """What a verdict does not tell: that word errors say otherwise, that one speaker has decided."""
        errors = [report.errors for report in self.reports]
        doubt = ""
        if errors[better == "A"] < errors[better == "B"]:
            doubt += (
                f"; by utterances without error: its word errors are more, {max(errors)} to {min(errors)}"
            )
        pairs = zip(*(report.utts.values() for report in self.reports), strict=True)
        disputes = Counter(a.speaker for a, b in pairs if (a.counts.errors > 0) != (b.counts.errors > 0))
        speaker, most = disputes.most_common(1)[0]
        if len(self.reports[0].speakers) > 1 and 2 * most > disputes.total():
            doubt += f"; {most} of the {disputes.total()} utterances that tell them apart are of '{speaker}', others may differ"
        return doubt


def _said(*values):
    """Numbers with two decimals, or as many more as show each that is not 0."""
    decimals = 2
    while any(value and not round(value, decimals) for value in values):
        decimals += 1
    return [f"{value + 0.0:.{decimals}f}" for value in values]


def _said_p(p):
    """p with two digits, or as many more as keep it on its side of the limit."""
    digits = 2
    while (float(f"{p:.{digits}g}") < SIGNIFICANT) != (p < SIGNIFICANT):
        digits += 1
    return f"{p:.{digits}g}"


def compare_reports(
    report_a: ErrorReport, report_b: ErrorReport, *, replications: int = 10000, seed: int = 0
) -> Comparison:
    """Compare two systems by their errors on the same utterances.

    Parameters
    ----------
    report_a, report_b : ErrorReport
    replications : int
        Test sets that the bootstrap draws.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        The reports are of different utterances, or of no words.
    SettingsError
        `replications` or `seed` is too small.

    Examples
    --------
    >>> from asrkit.evaluation.comparison import compare_reports
    >>> from asrkit.evaluation.scoring import score_errors
    >>> said = ["yes", "no"] * 10
    >>> a = score_errors(said, ["yes", "yes"] * 10)
    >>> b = score_errors(said, said)
    >>> compare_reports(a, b).verdict
    'B is better than A (p = 0.002)'
    """
    for name, value, minimum in (("replications", replications, 1), ("seed", seed, 0)):
        problem = out_of_bounds(value, minimum, np.inf)
        if problem:
            raise SettingsError(f"{name}={value} {problem}")
    refs_a, refs_b = ({utt: own.ref for utt, own in report.utts.items()} for report in (report_a, report_b))
    if refs_a != refs_b:
        raise DataError(
            "the two reports are of different utterances (score both against the same references)"
        )
    if not report_a.num_words:
        raise DataError("the two reports are of no words: nothing to compare")
    errors, words = [report.per_utt()[0] for report in (report_a, report_b)], report_a.per_utt()[1]
    correct = [own == 0 for own in errors]
    only_b, only_a, p = mcnemar_exact(*correct)
    both = int(np.sum(correct[0] & correct[1]))
    owners = [utt.speaker for utt in report_a.utts.values()]
    several = 1 < len(report_a.speakers) < len(owners)
    return Comparison(
        reports=(report_a, report_b),
        both_right=both,
        only_a=only_a,
        only_b=only_b,
        both_wrong=len(owners) - both - only_a - only_b,
        p=p,
        rates=bootstrap_wer(errors, words, None, replications, seed),
        speaker_rates=bootstrap_wer(errors, words, owners, replications, seed) if several else None,
    )
