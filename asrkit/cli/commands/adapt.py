"""Move a trained vocabulary to one speaker, room or microphone by a few recordings of known words ->
OUT/final.npz.

MAP draws each Gaussian towards its own frames, the more the more of them it has: best where all words were
recorded. MLLR moves all Gaussians by one affine transform: for recordings of a part of the words, as the
others move, too. OUT serves decode and recognize like any model; OUT/adapt.jsonl has the objective of every
word and iteration.
"""

from asrkit.cli.options import add_cluster, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.words.adaptation import AdaptConfig
from asrkit.workflows.adapt import adapt

EXAMPLE = "example: asrkit adapt exp/chmm data/anna exp/chmm_anna --method map --tau 10"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument(
        "dir",
        metavar="DIR",
        help="data directory with feats.scp and text: some recordings of some of EXP's words",
    )
    parser.add_argument("out", metavar="OUT", help="folder for the adapted model")
    add_cluster(parser)
    add_options(parser, ReadConfig)
    add_options(parser, AdaptConfig)


def main(args):
    adapted = adapt(
        args.exp, args.dir, args.out, from_args(AdaptConfig, args), read=from_args(ReadConfig, args)
    )
    say(adapted.lines())
    return 0
