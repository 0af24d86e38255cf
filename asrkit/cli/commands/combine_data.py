"""Several data directories as one, as Kaldi's combine_data.sh.

The utterances must have different ids. A table that not all of the directories have is left out, and cmvn.scp
where a speaker is in two of them (asrkit compute-cmvn makes it for the whole). How the features were made
(frontend.conf, endpoint.conf, frame_shift) must be recorded alike in all. Recordings and archives stay where
they are, and are named by their absolute paths.
"""

from asrkit.cli.output import say
from asrkit.workflows.combine_data import combine_data

EXAMPLE = "example: asrkit combine-data data/all data/train data/train_perturbed"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    parser.add_argument("dirs", metavar="DIR", nargs="+", help="data directories")


def main(args):
    say(combine_data(args.dirs, args.out).lines())
    return 0
