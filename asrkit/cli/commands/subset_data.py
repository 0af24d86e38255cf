"""Copy a part of a data directory, as Kaldi's subset_data_dir.sh.

Exactly one option says which utterances. All tables are filtered to fit; recordings and archives stay where
they are. With --exclude true a list or regular expression says which utterances to leave out.
"""

from asrkit.cli.options import add_flag, whole
from asrkit.cli.output import say
from asrkit.workflows.subset_data import subset_data

EXAMPLE = "example: asrkit subset-data data/all data/test --spk-list conf/test_speakers"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--spk-list", metavar="FILE", help="the speakers of FILE, one a line")
    which.add_argument("--utt-list", metavar="FILE", help="the utterances of FILE, one a line")
    which.add_argument(
        "--utt-regex", metavar="RE", help="the utterances whose id holds the regular expression RE"
    )
    which.add_argument("--first", metavar="N", type=whole, help="the first N utterances")
    which.add_argument("--last", metavar="N", type=whole, help="the last N utterances")
    which.add_argument(
        "--shortest", metavar="N", type=whole, help="the N shortest, by utt2num_frames or utt2dur"
    )
    which.add_argument("--random", metavar="N", type=whole, help="N utterances drawn at random")
    which.add_argument(
        "--per-spk", metavar="N", type=whole, help="N utterances of every speaker, or all it has"
    )
    which.add_argument(
        "--per-word", metavar="N", type=whole, help="N utterances of every word, or all there are"
    )
    add_flag(parser, "seed", 0, "seed of --random", minimum=0)
    add_flag(parser, "exclude", False, "leave out what --spk-list, --utt-list or --utt-regex names")
    add_flag(
        parser, "skip-missing", False, "ids of a list that are not in DIR are left aside instead of an error"
    )


def main(args):
    part = subset_data(
        args.dir,
        args.out,
        spk_list=args.spk_list,
        utt_list=args.utt_list,
        utt_regex=args.utt_regex,
        first=args.first,
        last=args.last,
        shortest=args.shortest,
        random=args.random,
        per_spk=args.per_spk,
        per_word=args.per_word,
        seed=args.seed,
        exclude=args.exclude,
        skip_missing=args.skip_missing,
    )
    say(part.lines())
    return 0
