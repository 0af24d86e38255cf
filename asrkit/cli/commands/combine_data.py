"""Several data directories as one, as Kaldi's combine_data.sh.

The utterances must have different ids. A table that not all of the directories have is left out, and cmvn.scp
where a speaker is in two of them (asrkit compute-cmvn makes it for the whole). How the features were made
(frontend.conf, endpoint.conf, frame_shift) must be recorded alike in all. Recordings and archives stay where
they are, and are named by their absolute paths.
"""

import logging
from pathlib import Path

from asrkit.errors import UsageError
from asrkit.io.combine import combine
from asrkit.io.data_dir import SIDE_BY_SPEAKER, SIDE_BY_UTT, TABLES, read_data_dir

EXAMPLE = "example: asrkit combine-data data/all data/train data/train_perturbed"

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    parser.add_argument("dirs", metavar="DIR", nargs="+", help="data directories")


def main(args):
    out = Path(args.out)
    if out.resolve() in [Path(directory).resolve() for directory in args.dirs]:
        raise UsageError(f"OUT is one of the directories ({args.out}); the whole is written elsewhere")
    parts = [read_data_dir(directory) for directory in args.dirs]
    whole = combine(parts, out)
    names = (*TABLES, *SIDE_BY_UTT, *SIDE_BY_SPEAKER)
    lost = [
        name
        for name in names
        if not (out / name).exists() and any((part.path / name).exists() for part in parts)
    ]
    if lost:
        log.info("left out, because not all have it or a speaker is in several: %s", ", ".join(lost))
    print(
        f"combined {' + '.join(str(len(part.utts)) for part in parts)} = {len(whole.utts)} utterances in {out}"
    )
    return 0
