"""Split a data directory into N parts DIR/splitN/1 ... DIR/splitN/N, as Kaldi's split_data.sh.

A speaker is never split; the parts are balanced by number of utterances and keep their order.
With --per-utt true speakers are not looked at.
"""

from pathlib import Path

from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.io.data_dir import read_data_dir, subset

EXAMPLE = "example: asrkit split-data data/train 4"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    parser.add_argument("parts", metavar="N", type=int, help="number of parts")
    add_flag(parser, "per-utt", False, "split by utterance: a speaker may be in several parts")


def main(args):
    if args.parts < 1:
        raise UsageError(f"N is {args.parts}, but at least 1 part is needed")
    data = read_data_dir(args.dir)
    groups = {}  # what stays together
    for utt in data.utts:
        groups.setdefault(utt if args.per_utt else data.speaker(utt), []).append(utt)
    if len(groups) < args.parts:
        there_are = f"{len(groups)} {'utterances' if args.per_utt else 'speakers'}"
        remedy = "ask for fewer" if args.per_utt else "ask for fewer, or --per-utt true"
        raise DataError(f"{args.dir}: {args.parts} parts asked for, but there are {there_are} ({remedy})")
    out = Path(args.dir) / f"split{args.parts}"
    split = cut(list(groups.values()), args.parts)
    for number, utts in enumerate(split, 1):
        subset(data, utts, out / str(number))
    sizes = " ".join(str(len(utts)) for utts in split)
    print(f"split {len(data.utts)} utterances into {args.parts} parts of {sizes} in {out}")
    return 0


def cut(groups, parts):
    """Lists of utterances of about equal length, made of neighbouring groups; at least one group each."""
    groups = groups[::-1]  # a stack with the first on top
    split = []
    for parts_left in range(parts, 0, -1):
        fair = sum(map(len, groups)) / parts_left
        utts = groups.pop()
        while len(groups) >= parts_left and abs(len(utts) + len(groups[-1]) - fair) <= abs(len(utts) - fair):
            utts = utts + groups.pop()
        split.append(utts)
    return split
