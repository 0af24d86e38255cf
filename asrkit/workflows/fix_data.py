"""Sort and filter the files of a data directory so that they agree, as Kaldi's fix_data_dir.sh."""

import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.data_dir import (
    ORIGINALS,
    SIDE_BY_SPEAKER,
    SIDE_BY_UTT,
    DataDir,
    parse_segment,
    subset,
    write_data_dir,
)
from asrkit.io.files import c_sorted, in_words, is_free, read_lines, split_line, write_table
from asrkit.io.holds import holding
from asrkit.io.places import RemotePath, as_path
from asrkit.io.validation import CHECKED, line_fault

MAX_NAMED = 20

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Fixed:
    """What was kept of a data directory.

    Attributes
    ----------
    kept : list of str
        Utterances, in C-locale order.
    dropped : dict of str to str
        Utterances that were left out, with the reasons.
    backup : path
        Folder with the files as they were.
    """

    kept: list[str]
    dropped: dict[str, str]
    backup: Path

    def lines(self) -> list[str]:
        """One line: how many utterances were kept."""
        if not self.dropped:
            return [f"kept all {len(self.kept)} utterances."]
        return [f"kept {len(self.kept)} utterances out of {len(self.kept) + len(self.dropped)}"]


@holding("data_dir", make=False)
def fix_data(data_dir: PathLike) -> Fixed:
    """Make the files of a data directory agree, in place; the files as they were go to its folder .backup.

    Sorts every table, drops empty lines, repeated keys (the first is kept), utterances that one of utt2spk,
    text, segments or wav.scp, and feats.scp lacks or has a malformed line for, and recordings and speakers
    without utterances. Makes spk2utt from utt2spk, and utt2spk, where it is missing, from spk2utt or of every
    utterance as its own speaker.

    Returns
    -------
    Fixed

    Raises
    ------
    DataError
        No utterance would be left; nothing is changed then.
    """
    path = as_path(data_dir)
    tables = {name: read_loosely(path / name) for name in CHECKED if (path / name).exists()}
    by_utt: list[str] = [name for name in ("utt2spk", "text", "feats.scp") if name in tables]
    by_utt += [name for name in ("segments", "wav.scp") if name in tables][:1]
    if not by_utt:
        raise DataError(
            f"{path}: no data directory, it has no table of utterances (asrkit prepare-wavs makes one)"
        )
    utts = c_sorted({utt for name in by_utt for utt in tables[name]})
    dropped = {utt: reason for utt in utts if (reason := reason_to_drop(utt, tables, by_utt))}
    kept = [utt for utt in utts if utt not in dropped]
    log_dropped(dropped)
    if not kept:
        raise DataError(
            f"{path}: none of {len(utts)} utterances is in all of {', '.join(by_utt)}; nothing was changed"
        )

    backup = path / ".backup"
    backup.mkdir(exist_ok=True)
    for name in tables:
        if isinstance(path, RemotePath):
            (backup / name).write_bytes((path / name).read_bytes())
        else:
            shutil.copy2(path / name, backup / name)
    for name in (*SIDE_BY_UTT, *SIDE_BY_SPEAKER, ORIGINALS):  # write_data_dir takes these from the folder
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
    log.info("old files are kept in %s", backup)
    return Fixed(kept, dropped, backup)


def read_loosely(path: Path) -> dict[str, str]:
    """Read a table in spite of its faults: without empty lines, the first line of a repeated key."""
    table: dict[str, str] = {}
    for number, line in read_lines(path, free=True):
        key, value = split_line(line)
        if key:
            where = f"{path}:{number}"
            table.setdefault(in_words(key, where), value if is_free(path) else in_words(value, where))
    return table


def reason_to_drop(utt: str, tables: Mapping[str, Mapping[str, str]], by_utt: Iterable[str]) -> str:
    """Why an utterance can't stay, or an empty string."""
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


def known_speakers(utts: Iterable[str], spk2utt: Mapping[str, str]) -> dict[str, str]:
    """Make utt2spk from spk2utt; an utterance that is not there is its own speaker."""
    speakers = {utt: speaker for speaker, listed in spk2utt.items() for utt in listed.split()}
    how = "made from spk2utt" if speakers else "every utterance is its own speaker"
    log.warning("utt2spk is missing: %s", how)
    return {utt: speakers.get(utt, utt) for utt in utts}


def log_dropped(dropped: Mapping[str, str]) -> None:
    for utt, reason in list(dropped.items())[:MAX_NAMED]:
        log.warning("dropped '%s': %s", utt, reason)
    if len(dropped) > MAX_NAMED:
        log.warning("dropped %d more", len(dropped) - MAX_NAMED)
