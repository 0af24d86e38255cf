"""Copy a part of a data directory, as Kaldi's subset_data_dir.sh.

Exactly one option says which utterances. All tables are filtered to fit; recordings and archives stay where
they are. With --exclude true a list or regular expression says which utterances to leave out.
"""

import re
from pathlib import Path

import numpy as np

from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.io.data_dir import read_data_dir, subset
from asrkit.io.files import read_lines, read_table

EXAMPLE = "example: asrkit subset-data data/all data/test --spk-list conf/test_speakers"

MAX_NAMED = 5


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--spk-list", metavar="FILE", help="the speakers of FILE, one a line")
    which.add_argument("--utt-list", metavar="FILE", help="the utterances of FILE, one a line")
    which.add_argument(
        "--utt-regex", metavar="RE", help="the utterances whose id holds the regular expression RE"
    )
    which.add_argument("--first", metavar="N", type=int, help="the first N utterances")
    which.add_argument("--last", metavar="N", type=int, help="the last N utterances")
    which.add_argument(
        "--shortest", metavar="N", type=int, help="the N shortest, by utt2num_frames or utt2dur"
    )
    which.add_argument("--random", metavar="N", type=int, help="N utterances drawn at random")
    which.add_argument(
        "--per-spk", metavar="N", type=int, help="N utterances of every speaker, or all it has"
    )
    which.add_argument(
        "--per-word", metavar="N", type=int, help="N utterances of every word, or all there are"
    )
    add_flag(parser, "seed", 0, "seed of --random", minimum=0)
    add_flag(parser, "exclude", False, "leave out what --spk-list, --utt-list or --utt-regex names")
    add_flag(
        parser, "skip-missing", False, "ids of a list that are not in DIR are left aside instead of an error"
    )


def main(args):
    if Path(args.dir).resolve() == Path(args.out).resolve():
        raise UsageError(f"OUT is DIR ({args.out}); a part is written elsewhere")
    by_name = any(value is not None for value in (args.spk_list, args.utt_list, args.utt_regex))
    if args.exclude and not by_name:
        raise UsageError("--exclude goes with --spk-list, --utt-list or --utt-regex")
    data = read_data_dir(args.dir)
    chosen = set(choose_by_name(data, args) if by_name else choose_by_number(data, args))
    keep = [utt for utt in data.utts if (utt in chosen) != args.exclude]
    if not keep:
        raise DataError(
            f"{args.dir}: none of {len(data.utts)} utterances is chosen; {args.out} was not written"
        )
    subset(data, keep, args.out)
    print(f"reducing #utt from {len(data.utts)} to {len(keep)} in {args.out}")
    return 0


def choose_by_name(data, args):
    if args.utt_regex is not None:
        try:
            pattern = re.compile(args.utt_regex)
        except re.error as error:
            raise UsageError(f"--utt-regex '{args.utt_regex}': {error}") from None
        return [utt for utt in data.utts if pattern.search(utt)]
    what, path = ("speakers", args.spk_list) if args.spk_list is not None else ("utterances", args.utt_list)
    wanted = {line.split()[0]: number for number, line in read_lines(path) if line.strip()}
    key_of = {utt: data.speaker(utt) if what == "speakers" else utt for utt in data.utts}
    missing = sorted(wanted.keys() - set(key_of.values()), key=wanted.get)
    if missing and not args.skip_missing:
        named = ", ".join(f"'{key}' (line {wanted[key]})" for key in missing[:MAX_NAMED])
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        count = f"{len(missing)} of {len(wanted)} {what}"
        raise DataError(f"{path}: {count} not in {args.dir}: {named}{more} (--skip-missing true goes on)")
    return [utt for utt in data.utts if key_of[utt] in wanted]


def choose_by_number(data, args):
    options = ("first", "last", "shortest", "random", "per_spk", "per_word")
    name = next(name for name in options if getattr(args, name) is not None)
    number = getattr(args, name)
    if number < 1:
        raise UsageError(f"--{name.replace('_', '-')} {number}: at least 1 is needed")
    if name == "per_spk":
        return spread({utt: data.speaker(utt) for utt in data.utts}, number)
    if name == "per_word":
        if not data.text:
            raise DataError(f"{args.dir}/text: no such file, but --per-word needs it")
        return spread({utt: data.text.get(utt, "") for utt in data.utts}, number)
    if number > len(data.utts):
        raise DataError(
            f"{args.dir}: --{name} {number}, but there are {len(data.utts)} utterances (ask for fewer)"
        )
    if name == "first":
        return data.utts[:number]
    if name == "last":
        return data.utts[-number:]
    if name == "shortest":
        lengths = read_lengths(data)
        return sorted(data.utts, key=lengths.__getitem__)[:number]
    return np.random.default_rng(args.seed).choice(data.utts, size=number, replace=False).tolist()


def spread(group_of, number):
    """`number` utterances of every group, at even distances in its list, so that not all come from one
    corner.
    """
    groups = {}
    for utt, group in group_of.items():
        groups.setdefault(group, []).append(utt)
    chosen = []
    for utts in groups.values():
        count = min(number, len(utts))
        chosen += [utts[i * len(utts) // count] for i in range(count)]
    return chosen


def read_lengths(data):
    """Utterance -> length, in frames or seconds, whichever the directory knows."""
    remedy = f"asrkit compute-mfcc {data.path} writes it"
    for name in ("utt2num_frames", "utt2dur"):
        if (data.path / name).exists():
            table = read_table(data.path / name)
            break
    else:
        raise DataError(f"{data.path}: neither utt2num_frames nor utt2dur ({remedy})")
    lengths = {}
    for utt in data.utts:
        try:
            lengths[utt] = float(table[utt])
        except (KeyError, ValueError):
            raise DataError(f"{data.path}/{name}: no length for utterance '{utt}' ({remedy})") from None
    return lengths
