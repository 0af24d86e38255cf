"""What do the components of a phone's mixture stand for? Size, neighbours and exemplars of each -> a table;
and ANMI.

SCORES is a folder of `asrkit mixgop score`. A token belongs to its best component (the column comp). The
table names, for every component of every phone, its tokens and their share, the commonest neighbours on the
left and on the right with their shares (# is the edge of the utterance, or silence), and the tokens with the
highest log-likelihood, as utt:start-end in seconds.

ANMI = I(environment; component) / H(environment), averaged over phones (Choi et al. 2025): 0 if the
neighbours say nothing about the component, 1 if the component says which environment it was. The environment
is the pair of neighbours: the phones themselves, or with --environment manner their classes (vowel, stop, …;
of ARPAbet, or those of --classes). Few tokens in many environments overstate it; `by chance` is what the same
counts give when components are dealt out at random.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.mixgop_clusters import ENVIRONMENTS, mixgop_clusters

EXAMPLE = """example:
  asrkit mixgop clusters exp/mixgop/score_train
  asrkit mixgop clusters exp/mixgop/score_train --phones T,L --environment manner
"""


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", help="folder of asrkit mixgop score")
    add_flag(parser, "phones", "", "phones to show, with commas between; empty: all")
    add_flag(
        parser, "environment", "phones", "what a neighbour counts as, for ANMI", choices=tuple(ENVIRONMENTS)
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="`phone class` a line, for --environment manner (default: those of ARPAbet)",
    )
    add_flag(parser, "min-tokens", 50, "phones with fewer tokens have no part in ANMI", minimum=2)
    add_flag(parser, "exemplars", 3, "tokens to name for a component", minimum=0)
    add_flag(parser, "contexts", 3, "neighbours to name for a component", minimum=1)
    add_flag(parser, "seed", 0, "seed of ANMI by chance", minimum=0)


def main(args):
    found = mixgop_clusters(
        args.scores,
        phones=[phone for phone in args.phones.split(",") if phone],
        environment=args.environment,
        classes=args.classes,
        min_tokens=args.min_tokens,
        exemplars=args.exemplars,
        contexts=args.contexts,
        seed=args.seed,
    )
    say(found.lines())
    return 0
