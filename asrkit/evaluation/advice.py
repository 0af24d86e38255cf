"""What an estimate says to somebody who wants to use the recogniser: how often it is right, what it confuses, what to record next."""

import statistics
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from asrkit.evaluation.comparison import SIGNIFICANT, compare_reports
from asrkit.evaluation.scoring import ErrorReport

SHOWN = 3  # pairs of words, and words, that are named
SPEAKERS, RECORDINGS = "speakers", "recordings"
MORE = {SPEAKERS: "two more speakers", RECORDINGS: "more recordings of each word"}
HALVED = {SPEAKERS: "half the speakers", RECORDINGS: "half the recordings of each word"}


def widest_interval(report: ErrorReport) -> tuple[float, float]:
    """Interval of the error rate at 95 %, fractions, as wide as that of words (Wilson) and that of whole speakers (bootstrap) together:
    where no word is wrong, or few speakers spoke, one of them is too narrow.
    """
    low, high = report.interval
    if report.speaker_interval is not None:
        low, high = min(low, report.speaker_interval[0]), max(high, report.speaker_interval[1])
    return low, high


def right_line(report: ErrorReport, how: str) -> str:
    """Say how many words were right, with the widest interval; `how` says what was held out."""
    low, high = widest_interval(report)
    right = report.num_words - report.errors
    return (
        f"right: {right} of {report.num_words} words in recordings that it had not heard, {100 * (1 - report.wer):.1f} % "
        f"(95 % interval {100 * (1 - high):.1f} to {100 * (1 - low):.1f} %; {how})"
    )


def confused_line(report: ErrorReport) -> str:
    """Name the pairs of words that were taken for each other most often."""
    pairs: Counter[tuple[str, str]] = Counter()
    lost = 0
    for said, heard, count in report.confusions:
        if heard is None:
            lost += count
        else:
            first, second = sorted((said, heard), key=str.encode)
            pairs[first, second] += count
    named = [f"{first} and {second} ({count})" for (first, second), count in pairs.most_common(SHOWN)]
    rest = sum(pairs.values()) - sum(count for _, count in pairs.most_common(SHOWN))
    if rest:
        named.append(f"others ({rest})")
    if lost:
        named.append(f"not recognised at all ({lost})")
    return f"confused: {', '.join(named) or 'nothing'}"


def next_line(full: ErrorReport, halves: Mapping[str, ErrorReport], counts: Mapping[str, int]) -> str:
    """Say what to record next, as far as that can be told.

    Parameters
    ----------
    full : ErrorReport
        Of models of all the data, each tested with what it had not heard.
    halves : dict of str to ErrorReport
        The same tests of models of half the speakers, and of half of each speaker's recordings of a word, by `SPEAKERS` and
        `RECORDINGS`; what could not be halved is not there.
    counts : dict of str to int
        Recordings of each word.

    Notes
    -----
    What leaving half of them out costs, says what more of them may bring. A difference counts where it is more than chance (`differ`).
    """
    worse = [what for what, half in halves.items() if half.errors > full.errors and differ(half, full)]
    most = max(halves, key=lambda what: halves[what].errors, default=None)
    if most in worse and len(halves) > 1 and differ(*halves.values()):
        said = f"{MORE[most]} would help most"
    elif len(worse) > 1:
        said = (
            f"{' and '.join(MORE[what] for what in worse)} would both help, which of them more can't be told"
        )
    elif worse:
        others = [MORE[what] for what in halves if what not in worse]
        said = f"{MORE[worse[0]]} would help" + "".join(
            f", of {other} that can't be told" for other in others
        )
    elif not halves:
        said = "can't be told, there are too few recordings to leave half of them out"
    elif not full.errors:
        said = "can't be told, no word was wrong"
    else:
        said = "can't be told, the differences may be chance"
    wrong = [f"{half.errors} with {HALVED[what]}" for what, half in halves.items()]
    figures = (
        f" (wrong of {full.num_words} words: {', '.join([*wrong, f'{full.errors} with all'])})"
        if wrong
        else ""
    )
    return f"record next: {said}{figures}{thin_words(counts)}"


def differ(a: ErrorReport, b: ErrorReport) -> bool:
    """Whether two tests of the same utterances are told apart by McNemar's test and, where there are several speakers, by draws of
    these, too: one speaker's errors alone say nothing of others.
    """
    found = compare_reports(a, b)
    if found.p >= SIGNIFICANT or found.speaker_rates is None:
        return found.p < SIGNIFICANT
    low, high = np.quantile(
        found.speaker_rates[0] - found.speaker_rates[1], [SIGNIFICANT / 2, 1 - SIGNIFICANT / 2]
    )
    return bool(low > 0 or high < 0)


def thin_words(counts: Mapping[str, int]) -> str:
    """Name words with fewer than half the recordings that others have; empty where there are none."""
    median = statistics.median_low(counts.values())
    thin = [f"'{word}' ({count})" for word, count in thinnest(counts) if 2 * count < median]
    more = ", ..." * (len(thin) > SHOWN)
    return f"; and more of {', '.join(thin[:SHOWN])}{more}: of others there are {median}" if thin else ""


def thinnest(counts: Mapping[str, int]) -> Collection[tuple[str, int]]:
    """Words and their recordings, the fewest first."""
    return sorted(counts.items(), key=lambda item: (item[1], item[0].encode()))
