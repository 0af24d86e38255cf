"""Is system B better than system A? McNemar's test and the bootstrap, on the same utterances."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import out_of_bounds
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.kaldi import Z_95, bootci_lines
from asrkit.evaluation.scoring import ErrorReport
from asrkit.evaluation.significance import bootstrap_wer, mcnemar_exact

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
    def interval(self):
        """Bootstrap interval of the difference of the error rates, B - A, at 95 %, in per cent.

        Over speakers where there are several, else over utterances.
        """
        mean, half = _difference(self.rates if self.speaker_rates is None else self.speaker_rates)
        return mean - half, mean + half

    @property
    def verdict(self):
        """What follows, in words."""
        low, high = self.interval
        if self.p < SIGNIFICANT:
            better, worse = ("B", "A") if self.only_b > self.only_a else ("A", "B")
            doubt = ""
            if self.speaker_rates is not None and low <= 0 <= high:
                doubt = "; for other speakers it is open, the interval over speakers contains 0"
            return f"{better} is better than {worse} (p = {self.p:.2g}{doubt})"
        disputed = self.only_a + self.only_b
        if not disputed:
            return (
                "no difference can be seen: "
                "no utterance that one of the two has right and the other wrong (p = 1)"
            )
        few = f", and fewer than {FEWEST} can show none" if disputed < FEWEST else ""
        return (
            f"no difference can be seen: of {disputed} utterances that tell the two apart {self.only_a} "
            f"{'is' if self.only_a == 1 else 'are'} for A and {self.only_b} for B, as coins may fall "
            f"(p = {self.p:.2g}){few}; B - A may be {low:.2f} to {high:.2f} %"
        )

    def lines(self):
        """McNemar's table, what compute-wer-bootci prints with the interval of B - A, the verdict."""
        utts = len(self.reports[0].utts)
        lines = [
            f"McNemar, {utts} utterances: both right {self.both_right}, only A right {self.only_a}, "
            f"only B right {self.only_b}, both wrong {self.both_wrong}; exact p = {self.p:.2g}",
            *_bootstrap_lines(f"{utts} utterances", self.rates),
        ]
        if self.speaker_rates is not None:
            lines += _bootstrap_lines(f"{len(self.reports[0].speakers)} speakers", self.speaker_rates)
        return [*lines, self.verdict]


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


def _difference(rates):
    """Mean of the draws of B - A and half the width of its interval, in per cent."""
    difference = 100 * (rates[1] - rates[0])
    return difference.mean(), Z_95 * difference.std()


def _bootstrap_lines(units, rates):
    mean, half = _difference(rates)
    return [
        f"Bootstrap over {units}:",
        *bootci_lines(rates),
        f"Difference B - A: {mean:.2f} 95% Conf Interval [ {mean - half:.2f}, {mean + half:.2f} ]",
    ]
