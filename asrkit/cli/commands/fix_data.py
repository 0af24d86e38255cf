"""Sort and filter the files of a data directory so that they agree, as Kaldi's fix_data_dir.sh.

Sorts every table, drops empty lines, repeated keys (the first is kept), utterances that one of utt2spk, text,
segments or wav.scp, and feats.scp lacks or has a malformed line for, and recordings and speakers without
utterances. Makes spk2utt from utt2spk; without utt2spk, makes it from spk2utt or else makes every utterance
its own speaker. The files as they were are in DIR/.backup. If no utterance would be left, nothing is changed.
"""

from asrkit.cli.output import say
from asrkit.workflows.fix_data import fix_data

EXAMPLE = "example: asrkit fix-data data/train"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory, changed in place")


def main(args):
    say(fix_data(args.dir).lines())
    return 0
