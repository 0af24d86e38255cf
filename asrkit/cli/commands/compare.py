"""Is system B better than system A? McNemar's test, on the same recordings.

DIR is a data directory with the reference in DIR/text; OUT_A and OUT_B are decode folders with a file hyp.
An utterance without hypothesis is an error of that system.

McNemar's test looks at the utterances where only one of the two is right: were both equally good, these
would fall to A or B like tosses of a coin. The difference of their errors, its interval and the verdict, which
the last line says in words, all come from this test and can't contradict each other: the interval leaves 0
out where p is below 0.05. The bootstrap shows how sure each error rate is by itself: it draws new test sets
from this one, once by utterances (other words of these speakers) and once by speakers (other speakers).
Set1 is A, Set2 is B.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.compare import compare

EXAMPLE = """example:
  asrkit compare data/test exp/gmm/decode_test exp/chmm/decode_test
"""


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with the reference in text")
    parser.add_argument("out_a", metavar="OUT_A", help="decode folder of system A")
    parser.add_argument("out_b", metavar="OUT_B", help="decode folder of system B")
    add_flag(parser, "replications", 10000, "test sets the bootstrap draws", minimum=1, maximum=1000000)
    add_flag(parser, "seed", 0, "seed of the bootstrap", minimum=0)


def main(args):
    compared = compare(args.dir, args.out_a, args.out_b, replications=args.replications, seed=args.seed)
    say(compared.lines())
    return 0
