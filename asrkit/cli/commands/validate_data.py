"""Check a Kaldi data directory and list every fault with file, line, key and remedy.

Faults go to stdout, one a line: what contradicts itself, and what train would refuse; what is unusual but allowed
(different sample rates, several channels, words with few recordings) is a warning on stderr. Exit status 0 and `Successfully validated data-directory DIR` when there is no fault.
`asrkit fix-data DIR` heals what can be healed by sorting and leaving out.
"""

import sys

from asrkit.cli.options import add_options, from_args
from asrkit.cli.output import say
from asrkit.io.validation import Checks
from asrkit.workflows.validate_data import validate_data

EXAMPLE = "example: asrkit validate-data data/train --no-feats"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    add_options(parser, Checks)


def main(args):
    found = validate_data(args.dir, checks=from_args(Checks, args))
    say(found.lines())
    if found.faults:
        print(
            f"asrkit validate-data: {len(found.faults)} fault{'s' * (len(found.faults) > 1)} in {args.dir}",
            file=sys.stderr,
        )
        return 1
    return 0
