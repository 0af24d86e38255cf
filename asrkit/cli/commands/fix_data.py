"""Sort and filter the files of a data directory so that they agree, as Kaldi's fix_data_dir.sh.

Sorts every table, drops empty lines, repeated keys (the first is kept), utterances that one of utt2spk, text,
segments or wav.scp, and feats.scp lacks or has a malformed line for, and recordings and speakers without
utterances. Makes spk2utt from utt2spk; without utt2spk, makes it from spk2utt or else makes every utterance
its own speaker. The files as they were are in DIR/.backup. If no utterance would be left, nothing is changed.
"""

import shutil
import sys
from pathlib import Path

from asrkit.errors import DataError
from asrkit.io.data_dir import SIDE_BY_SPEAKER, SIDE_BY_UTT, DataDir, parse_segment, subset, write_data_dir
from asrkit.io.files import c_sorted, read_lines, write_table
from asrkit.io.validation import CHECKED, line_fault

EXAMPLE = "example: asrkit fix-data data/train"

MAX_NAMED = 20


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory, changed in place")


def main(args):
    path = Path(args.dir)
    tables = {name: read_loosely(path / name) for name in CHECKED if (path / name).exists()}
    by_utt = [name for name in ("utt2spk", "text", "feats.scp") if name in tables]
    by_utt += [name for name in ("segments", "wav.scp") if name in tables][:1]
    if not by_utt:
        raise DataError(
            f"{path}: no data directory, it has no table of utterances (asrkit prepare-wavs makes one)"
        )
    utts = c_sorted({utt for name in by_utt for utt in tables[name]})
    dropped = {utt: reason for utt in utts if (reason := reason_to_drop(utt, tables, by_utt))}
    kept = [utt for utt in utts if utt not in dropped]
    report_dropped(dropped)
    if not kept:
        raise DataError(
            f"{path}: none of {len(utts)} utterances is in all of {', '.join(by_utt)}; nothing was changed"
        )

    (path / ".backup").mkdir(exist_ok=True)
    for name in tables:
        shutil.copy2(path / name, path / ".backup" / name)
    for name in SIDE_BY_UTT + SIDE_BY_SPEAKER:  # write_data_dir takes these from the folder
        if name in tables:
            write_table(path / name, tables[name])
    data = DataDir(
        path=path,
        wav=tables.get("wav.scp", {}),
        text=tables.get("text", {}),
        utt2spk=tables.get("utt2spk") or known_speakers(kept, tables.get("spk2utt", {})),
        segments={utt: parse_segment(tables["segments"][utt]) for utt in kept}
        if "segments" in tables
        else {},
        feats=tables.get("feats.scp", {}),
        cmvn=tables.get("cmvn.scp", {}),
    )
    write_data_dir(subset(data, kept), path)
    print(
        f"kept {len(kept)} utterances out of {len(utts)}" if dropped else f"kept all {len(kept)} utterances."
    )
    print(f"old files are kept in {path}/.backup", file=sys.stderr)
    return 0


def read_loosely(path):
    """A table in spite of its faults: without empty lines, the first line of a repeated key."""
    table = {}
    for _, line in read_lines(path):
        fields = line.removeprefix("\ufeff").split(None, 1)
        if fields:
            table.setdefault(fields[0], fields[1].rstrip() if len(fields) > 1 else "")
    return table


def reason_to_drop(utt, tables, by_utt):
    """Why an utterance cannot stay, or an empty string."""
    lacking = [name for name in by_utt if utt not in tables[name]]
    if lacking:
        return f"not in {', '.join(lacking)}"
    for name in by_utt:
        if wrong := line_fault(name, tables[name][utt]):
            return f"{wrong} in {name}"
    if "segments" in tables:
        recording = parse_segment(tables["segments"][utt]).recording
        if not tables.get("wav.scp", {}).get(recording):
            return f"its recording '{recording}' is not in wav.scp"
    return ""


def known_speakers(utts, spk2utt):
    """utt2spk from spk2utt; an utterance that is not there is its own speaker."""
    speakers = {utt: speaker for speaker, listed in spk2utt.items() for utt in listed.split()}
    how = "made from spk2utt" if speakers else "every utterance is its own speaker"
    print(f"utt2spk is missing: {how}", file=sys.stderr)
    return {utt: speakers.get(utt, utt) for utt in utts}


def report_dropped(dropped):
    for utt, reason in list(dropped.items())[:MAX_NAMED]:
        print(f"dropped '{utt}': {reason}", file=sys.stderr)
    if len(dropped) > MAX_NAMED:
        print(f"dropped {len(dropped) - MAX_NAMED} more", file=sys.stderr)
