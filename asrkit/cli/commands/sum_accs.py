"""Add the statistics of several accumulation passes -> OUT. The order given is the order of the sum."""

from asrkit.errors import DataError
from asrkit.io.model_file import read_stats, write_stat_arrays

EXAMPLE = "example: asrkit sum-accs exp/chmm/0.acc exp/chmm/0.1.acc exp/chmm/0.2.acc"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="file for the total")
    parser.add_argument("stats", metavar="STATS", nargs="+", help="files of asrkit acc-stats")


def main(args):
    total, belongs = read_stats(args.stats[0])
    for path in args.stats[1:]:
        more, model_hash = read_stats(path)
        if model_hash != belongs:
            raise DataError(
                f"{path}: made with another model than {args.stats[0]} (accumulate both with the same)"
            )
        if {w: {n: a.shape for n, a in s.items()} for w, s in more.items()} != {
            w: {n: a.shape for n, a in s.items()} for w, s in total.items()
        }:
            raise DataError(f"{path}: words or shapes other than in {args.stats[0]} (accumulate again)")
        total = {
            word: {name: array + more[word][name] for name, array in arrays.items()}
            for word, arrays in total.items()
        }
    write_stat_arrays(args.out, total, belongs)
    print(f"added {len(args.stats)} files into {args.out}")
    return 0
