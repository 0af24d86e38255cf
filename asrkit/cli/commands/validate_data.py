"""Check a Kaldi data directory and list every fault with file, line, key and remedy.

Faults go to stdout, one a line; what is unusual but allowed (different sample rates, several channels)
is a warning on stderr. Exit status 0 and `Successfully validated data-directory DIR` when there is no fault.
`asrkit fix-data DIR` heals what can be healed by sorting and leaving out.
"""

import sys

from asrkit.config import add_options, from_args
from asrkit.io.validation import Checks, find_faults

EXAMPLE = "example: asrkit validate-data data/train --no-feats"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    add_options(parser, Checks)


def main(args):
    faults = find_faults(args.dir, from_args(Checks, args))
    for fault in faults:
        print(fault)
    if faults:
        print(
            f"asrkit validate-data: {len(faults)} fault{'s' * (len(faults) > 1)} in {args.dir}",
            file=sys.stderr,
        )
        return 1
    print(f"Successfully validated data-directory {args.dir}")
    return 0
