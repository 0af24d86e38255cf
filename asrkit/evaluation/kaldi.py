"""The lines of Kaldi's scoring files: wer_details/{per_utt,per_spk,ops,wer_bootci}."""

import math
from collections import Counter

import numpy as np

from asrkit.characters import column
from asrkit.evaluation.scoring import edit_kind

GAP = "***"  # Kaldi's sign for the missing side of an insertion or a deletion
Z_95 = 1.96  # rounded as in compute-wer-bootci, so that the numbers agree


def bootci_lines(rates):
    """Write the lines of compute-wer-bootci, from what `bootstrap_wer` returned for one system or several.

    As there the interval is mean ± 1.96 deviations, but no rate lies below 0, and none above 100 % where insertions
    have brought no draw beyond that.
    """
    lines = []
    for number, rate in enumerate(np.atleast_2d(rates), 1):
        mean, half = (100 * rate.mean(), 100 * Z_95 * rate.std()) if rate.size else (math.nan, math.nan)
        low, high = (mean - half if not mean < half else 0.0), mean + half
        if high > 100 and rate.max() <= 1:
            high = 100.0
        lines.append(f"Set{number}: %WER {mean:.2f} 95% Conf Interval [ {low:.2f}, {high:.2f} ]")
    return lines


def per_utt_lines(report):
    """Write Kaldi's wer_details/per_utt: four lines an utterance, words and operations in centred columns."""
    lines = []
    for utt, scored in report.utts.items():
        parts = [
            (column(ref or GAP), column(hyp or GAP), edit_kind(ref, hyp)[0].upper())
            for ref, hyp in scored.pairs
        ]
        widths = [max(map(len, part)) for part in parts]
        for row, name in enumerate(("ref ", "hyp ", "op  ")):
            cells = [_centre(part[row], width) for part, width in zip(parts, widths)]
            lines.append(f"{utt} {name} {'  '.join(cells)}".rstrip())
        c = scored.counts
        lines.append(f"{utt} #csid {c.correct} {c.substitutions} {c.insertions} {c.deletions}")
    return lines


def per_spk_lines(report):
    """Write Kaldi's wer_details/per_spk: counts (`raw`) and per cent (`sys`) of every speaker and in all."""
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
    """Write Kaldi's wer_details/ops: how often each operation happened, most frequent first within a kind."""
    pairs = Counter(pair for utt in report.utts.values() for pair in utt.pairs)
    ops = [
        (edit_kind(ref, hyp), column(ref or GAP), column(hyp or GAP), count)
        for (ref, hyp), count in pairs.items()
    ]
    ops.sort(key=lambda op: (op[0], -op[3], op[1].encode(), op[2].encode()))
    width = min(16, max((max(len(ref), len(hyp)) for _, ref, hyp, _ in ops), default=0))
    digits = max((len(str(count)) for *_, count in ops), default=0)
    return [
        f"{kind:<12}  {ref:>{width}}    {hyp:>{width}}    {count:>{digits}}" for kind, ref, hyp, count in ops
    ]


def _centre(text, width):
    """Centred with the odd blank on the left, as Kaldi has it (str.center changes sides)."""
    right = (width - len(text)) // 2
    return " " * (width - len(text) - right) + text + " " * right
