#!/usr/bin/env python3
"""Check the quality of the code: one line a check, the output of those that failed, exit status 1 if any did.

The tools come with `pip install -e '.[dev]'`.

examples:
  tools/check.py               everything but the tests
  tools/check.py format lint   these alone
  tools/check.py --fix         first mend what ruff can mend
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

CHECKS = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "examples": [sys.executable, "-m", "pytest", "-q", "-n0", "--doctest-modules", "asrkit"],
    "imports": [sys.executable, "tools/check_imports.py"],
    "structure": [sys.executable, "tools/structure.py"],
}
FIXES = [
    [sys.executable, "-m", "ruff", "check", "--fix-only", "--quiet", "."],
    [sys.executable, "-m", "ruff", "format", "--quiet", "."],
]


def run(command):
    """Run a command in the repository: (whether it succeeded, what it wrote)."""
    done = subprocess.run(
        command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    return done.returncode == 0, done.stdout


def check(names, checks=CHECKS):
    """Run the checks of these names and print how each ended.

    Returns
    -------
    list of str
        Those that failed.
    """
    width = max(map(len, names))
    failed = []
    for name in names:
        start_s = time.perf_counter()
        passed, output = run(checks[name])
        took_s = time.perf_counter() - start_s
        print(f"{name:<{width}}  {'ok' if passed else 'FAILED'}  ({took_s:.1f} s)", flush=True)
        if not passed:
            failed.append(name)
            print(output, end="", flush=True)
    return failed


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)} (default: all of them)"
    )
    parser.add_argument("--fix", action="store_true", help="let ruff mend and format the code first")
    args = parser.parse_args(argv)
    unknown = [name for name in args.checks if name not in CHECKS]
    if unknown:
        parser.error(f"unknown check '{unknown[0]}' (known: {', '.join(CHECKS)})")
    if args.fix:
        for command in FIXES:
            fixed, output = run(command)
            if not fixed:
                print(output, end="")
    return 1 if check(args.checks or list(CHECKS)) else 0


if __name__ == "__main__":
    sys.exit(main())
