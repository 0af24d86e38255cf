"""Is system B better than system A? McNemar's test and the bootstrap, on the same recordings.

DIR is a data directory with the reference in DIR/text; OUT_A and OUT_B are decode folders with a file hyp.
An utterance without hypothesis is an error of that system.

McNemar's test looks at the utterances where only one of the two is right: were both equally good, these
would fall to A or B like tosses of a coin. The bootstrap draws new test sets from this one, once by
utterances (other words of these speakers) and once by speakers (other speakers); its interval belongs to the
difference of the two error rates, in per cent. Set1 is A, Set2 is B. The last line says in words what
follows.
"""

import logging
from pathlib import Path

import numpy as np

from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.evaluation.scoring import (
    Z_95,
    bootci_lines,
    bootstrap_wer,
    compute_errors,
    mcnemar_exact,
    wer_lines,
)
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import read_table

EXAMPLE = """example:
  asrkit compare data/test exp/gmm/decode_test exp/chmm/decode_test
"""

SIGNIFICANT = 0.05
FEWEST = 6  # utterances that must tell the two apart: five that all fall to one side have p = 2 / 2^5 = 0.06

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with the reference in text")
    parser.add_argument("out_a", metavar="OUT_A", help="decode folder of system A")
    parser.add_argument("out_b", metavar="OUT_B", help="decode folder of system B")
    add_flag(parser, "replications", 10000, "test sets the bootstrap draws", minimum=1, maximum=1000000)
    add_flag(parser, "seed", 0, "seed of the bootstrap", minimum=0)


def main(args):
    data = read_data_dir(args.dir, require=("text",))
    if not any(data.text.values()):
        raise DataError(f"{args.dir}/text: no words, nothing to compare")
    speakers = {utt: data.speaker(utt) for utt in data.text}
    errors, correct = [], []
    for name, out in (("A", args.out_a), ("B", args.out_b)):
        report = compute_errors(data.text, read_table(Path(out) / "hyp"), speakers, "all")
        if report.ignored:
            log.warning(
                "%s/hyp: ignored %d hypotheses that have no reference in %s/text",
                out,
                report.ignored,
                args.dir,
            )
        print(f"{name}: {wer_lines(report)[0]} {out}")
        utt_errors, words = report.per_utt()
        errors.append(utt_errors)
        correct.append(utt_errors == 0)

    only_b, only_a, p = mcnemar_exact(*correct)
    both = int(np.sum(correct[0] & correct[1]))
    print(
        f"McNemar, {len(words)} utterances: both right {both}, only A right {only_a}, only B right {only_b}, "
        f"both wrong {len(words) - both - only_a - only_b}; exact p = {p:.2g}"
    )

    owners = [utt.speaker for utt in report.utts.values()]
    interval = print_bootstrap(
        f"{len(owners)} utterances", bootstrap_wer(errors, words, None, args.replications, args.seed)
    )
    doubt = ""
    if 1 < len(report.speakers) < len(owners):
        rates = bootstrap_wer(errors, words, owners, args.replications, args.seed)
        interval = print_bootstrap(f"{len(report.speakers)} speakers", rates)
        if interval[0] <= 0 <= interval[1]:
            doubt = "; for other speakers it is open, the interval over speakers contains 0"
    print(verdict(only_a, only_b, p, doubt, interval))
    return 0


def print_bootstrap(units, rates):
    """Print the lines of compute-wer-bootci and the interval of B - A; return that interval."""
    difference = 100 * (rates[1] - rates[0])
    mean, half = difference.mean(), Z_95 * difference.std()
    print(f"Bootstrap over {units}:")
    print("\n".join(bootci_lines(rates)))
    print(f"Difference B - A: {mean:.2f} 95% Conf Interval [ {mean - half:.2f}, {mean + half:.2f} ]")
    return mean - half, mean + half


def verdict(only_a, only_b, p, doubt, interval):
    """What follows, in words; `interval` is that of B - A, over speakers where there are several."""
    if p < SIGNIFICANT:
        better, worse = ("B", "A") if only_b > only_a else ("A", "B")
        return f"{better} is better than {worse} (p = {p:.2g}{doubt})"
    disputed = only_a + only_b
    if not disputed:
        return "no difference can be seen: no utterance that one of the two has right and the other wrong (p = 1)"
    few = f", and fewer than {FEWEST} can show none" if disputed < FEWEST else ""
    return (
        f"no difference can be seen: of {disputed} utterances that tell the two apart {only_a} {'is' if only_a == 1 else 'are'} for A and "
        f"{only_b} for B, as coins may fall (p = {p:.2g}){few}; B - A may be {interval[0]:.2f} to {interval[1]:.2f} %"
    )
