#!/usr/bin/env python3
"""Stage 0: each corpus as a data directory with features, of the words that all of them share -> DATA/NAME/shared.

example: local/prepare.py . data --corpora fsdd=free-spoken-digit-dataset tidigits=ASR_Course
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # egs/cross
sys.path.insert(0, str(HERE.parent / "digits" / "local"))

from prepare_data import PREPARE, run  # noqa: E402

from asrkit.errors import DataError  # noqa: E402
from asrkit.io.data_dir import TABLES, read_data_dir, write_data_dir  # noqa: E402
from asrkit.io.files import c_sorted, read_table  # noqa: E402
from asrkit.io.runs import once  # noqa: E402
from asrkit.workflows.build import recordings_of, stamps  # noqa: E402

MFCC = HERE.parent / "digits" / "conf" / "mfcc.conf"  # one rate for all


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path, help="the folder that relative DIR are seen from")
    parser.add_argument("data", type=Path, help="folder for the data directories")
    parser.add_argument("--corpora", required=True, nargs="+", metavar="NAME=DIR")
    parser.add_argument("--pattern", default="{word}/{index}")
    parser.add_argument("--nj", type=int, default=1)
    args = parser.parse_args()
    try:
        wholes = {}
        for place in args.corpora:
            name, _, source = place.partition("=")
            wholes[name] = prepare(
                name, args.base / Path(source).expanduser(), args.data / name, args.pattern, args.nj
            )
        share(wholes)
    except DataError as error:
        print(f"prepare.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(name, source, folder, pattern, jobs):
    """Make a data directory with features of all recordings of a corpus, unless that was done; returns its path."""
    whole, own = folder / "whole", name not in ("fsdd", "tidigits")

    def work():
        if own:
            run("prepare-wavs", source, whole, "--pattern", pattern)
        else:
            PREPARE[name](source, folder)
            run("combine-data", whole, folder / "train", folder / "test")
        name_words(whole)
        run("compute-mfcc", whole, "--config", MFCC, "--nj", jobs)

    facts = {
        "corpus": name,
        "pattern": pattern if own else "",
        "recordings": stamps(recordings_of(source, False)),
        "words": named(),
        "features": MFCC.read_text(encoding="utf-8"),
    }
    kept = once(work, whole, facts, (), [whole / table for table in TABLES], logged=False)["kept"]
    data = read_data_dir(whole)
    print(f"{whole}: {len(data.feats)} recordings{' (kept)' if kept else ''}", file=sys.stderr)
    return whole


def named():
    """Dict of what corpora call a word to the word."""
    return read_table(HERE / "conf" / "words", check_sorted=False)


def name_words(whole):
    """Write the words of a data directory as the other corpora write them."""
    data, names = read_data_dir(whole), named()
    text = {utt: names.get(word, word) for utt, word in data.text.items()}
    write_data_dir(replace(data, text=text), whole)


def share(wholes):
    """Write what each data directory has of the words that all of them have.

    Parameters
    ----------
    wholes : dict of str to Path
        By corpus.
    """
    texts = {name: read_data_dir(whole).text for name, whole in wholes.items()}
    shared = set.intersection(*(set(text.values()) for text in texts.values()))
    if len(shared) < 2:
        have = "; ".join(
            f"{name}: {', '.join(c_sorted(set(text.values()))[:5])}, ..." for name, text in texts.items()
        )
        raise DataError(
            f"the corpora share {len(shared)} words, two are needed ({have}; conf/words says which are the same)"
        )
    for name, whole in wholes.items():
        left_out = c_sorted(set(texts[name].values()) - shared)
        if left_out:
            print(
                f"{name}: left out, because not all corpora have it: {', '.join(left_out)}", file=sys.stderr
            )
        listed = whole.parent / "shared.utts"
        listed.write_text(
            "".join(f"{utt}\n" for utt, word in texts[name].items() if word in shared), encoding="utf-8"
        )
        run("subset-data", whole, whole.parent / "shared", "--utt-list", listed)


if __name__ == "__main__":
    sys.exit(main())
