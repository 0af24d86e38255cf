#!/usr/bin/env python3
"""Stage 0: make DATA/train, DATA/test, their alignments and DATA/ratings.tsv of speechocean762.

CORPUS is a folder with train/ and test/ (feats.scp with paths from there, text, utt2spk), phones.ctm.gz, an alignment of all
utterances, and phone_scores.tsv, lines `utt phones scores` with tabs between.
example: local/prepare_data.py speechocean762 data
"""

import argparse
import gzip
import shutil
import sys
from pathlib import Path

from asrkit.errors import DataError
from asrkit.io.data_dir import read_data_dir, write_data_dir
from asrkit.io.files import atomic_write, write_table

PARTS = ("train", "test")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    try:
        prepare(args.corpus, args.data)
    except DataError as error:
        print(f"prepare_data.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(corpus, data):
    missing = [name for name in (*PARTS, "phones.ctm.gz", "phone_scores.tsv") if not (corpus / name).exists()]
    if missing:
        raise DataError(f"{corpus}: no {missing[0]} in it (a prepared copy is needed; --help says what it holds)")
    with gzip.open(corpus / "phones.ctm.gz", "rt", encoding="utf-8") as stream:
        lines = stream.readlines()
    for part in PARTS:
        given, folder = read_data_dir(corpus / part, require=("text", "feats.scp")), data / part
        shutil.rmtree(folder, ignore_errors=True)
        write_data_dir(given, folder)
        write_table(folder / "feats.scp", {utt: str((corpus / part / spec).resolve()) for utt, spec in given.feats.items()})
        with atomic_write(folder / "phones.ctm") as stream:
            stream.writelines(line for line in lines if line.split(maxsplit=1)[0] in given.feats)
        print(f"{folder}: {len(given.feats)} utterances by {len({given.speaker(utt) for utt in given.feats})} speakers")
    shutil.copyfile(corpus / "phone_scores.tsv", data / "ratings.tsv")


if __name__ == "__main__":
    sys.exit(main())
