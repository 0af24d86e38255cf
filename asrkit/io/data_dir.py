"""A Kaldi data directory: tables keyed by utterance, recording or speaker, read whole and written whole."""

import dataclasses
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from asrkit.config import parse_float, shortened
from asrkit.errors import DataError
from asrkit.io.archive import SPEC, resolve
from asrkit.io.files import atomic_write, c_sorted, line_of, read_table, write_table
from asrkit.io.pipes import is_pipe
from asrkit.io.places import absolute, as_path, is_url, present

log = logging.getLogger("asrkit")

# File name -> field of DataDir.
TABLES = {
    "wav.scp": "wav", "text": "text", "utt2spk": "utt2spk",
    "segments": "segments", "feats.scp": "feats", "cmvn.scp": "cmvn",
}  # fmt: skip

# Files that go along when a directory is copied in part. Those about the features make no sense without them.
SIDE_BY_UTT = ("utt2num_frames", "utt2dur")
SIDE_BY_SPEAKER = ("spk2gender",)
ORIGINALS = "utt2uniq"  # Kaldi's table of perturbed copies: utterance -> the one it was made of
SIDE_VERBATIM = ("frame_shift", "frontend.conf", "endpoint.conf")
ABOUT_FEATS = ("utt2num_frames", *SIDE_VERBATIM)

REMEDIES = {
    "wav.scp": "asrkit prepare-wavs makes one",
    "text": "lines `utterance word`; asrkit prepare-wavs makes one",
    "utt2spk": "lines `utterance speaker`; asrkit fix-data {path} makes one with every utterance its own speaker",
    "spk2utt": "asrkit fix-data {path} makes it from utt2spk",
    "segments": "asrkit detect-endpoints {path} makes one",
    "feats.scp": "asrkit compute-mfcc {path} makes it",
    "cmvn.scp": "asrkit compute-cmvn {path} makes it",
}


@dataclass(frozen=True)
class Segment:
    """Where an utterance lies in its recording, as in Kaldi: `end_s` -1 means to the end, and a channel, counted from
    0, is None where the line has no fifth field.
    """

    recording: str
    start_s: float
    end_s: float
    channel: int | None = None

    def __str__(self) -> str:
        channel = "" if self.channel is None else f" {self.channel}"
        return f"{self.recording} {self.start_s} {self.end_s}{channel}"


@dataclass(frozen=True)
class DataDir:
    """The tables of a data directory, each `{}` where the file is absent.

    `wav` goes from recording to file (a recording is an utterance where there are no `segments`),
    `cmvn` from speaker to archive entry, the others from utterance.
    """

    path: Path
    wav: dict[str, str] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    utt2spk: dict[str, str] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    feats: dict[str, str] = field(default_factory=dict)
    cmvn: dict[str, str] = field(default_factory=dict)

    @property
    def utts(self):
        """All utterance ids in C-locale order."""
        return c_sorted(self.utt2spk or self.segments or self.feats or self.wav or self.text)

    def speaker(self, utt):
        """The speaker of an utterance; one without a known speaker is its own."""
        return self.utt2spk.get(utt, utt)


def read_data_dir(path, require=()):
    """Read a data directory; whether the recordings and archives it names exist is not looked at.

    Parameters
    ----------
    require : sequence of str
        Names of files that must exist, such as `("text", "feats.scp")`.

    Raises
    ------
    DataError
        The folder or a required file is missing, or a table is malformed.
    """
    path = as_path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder (asrkit prepare-wavs makes a data directory)")
    there = present(path, {*TABLES, *require})
    for name in require:
        if name not in there:
            raise DataError(missing_file(path, name))
    tables = {name: read_table(path / name) for name in TABLES if name in there}
    if not tables:
        raise DataError(
            f"{path}: no data directory, none of {', '.join(TABLES)} (asrkit prepare-wavs makes one)"
        )
    for utt, value in tables.get("segments", {}).items():
        try:
            tables["segments"][utt] = parse_segment(value)
        except ValueError as error:
            where = f"{path}/segments:{line_of(path / 'segments', utt)}: utterance '{utt}'"
            raise DataError(f"{where}: {error} (asrkit fix-data {path} removes it)") from None
    return DataDir(path, **{TABLES[name]: table for name, table in tables.items()})


def missing_file(path, name):
    """The message for a file that a data directory lacks."""
    return f"{path}/{name}: no such file ({REMEDIES[name].format(path=path)})"


def parse_segment(value):
    """The part of a `segments` line after the utterance; a ValueError says what is wrong with it."""
    fields = value.split()
    if len(fields) not in (3, 4):
        raise ValueError(
            f"{len(fields) + 1} fields instead of the 4 or 5 of `utterance recording start end [channel]`"
        )
    try:
        start_s, end_s = parse_float(fields[1]), parse_float(fields[2])
    except ValueError:
        told = f"{shortened(fields[1])} {shortened(fields[2])}"
        raise ValueError(f"'{told}' are not two times in seconds") from None
    if start_s < 0:
        raise ValueError(f"start {start_s:g} s is negative")
    if end_s <= start_s and end_s != -1:
        raise ValueError(f"end {end_s:g} s is not after start {start_s:g} s")
    channel = fields[3] if len(fields) == 4 else None
    if channel is not None and not (channel.isascii() and channel.isdecimal() and len(channel) < 5):
        raise ValueError(f"channel '{shortened(channel)}' is no number of a channel, 0 the first")
    return Segment(fields[0], start_s, end_s, None if channel is None else int(channel))


def invert_utt2spk(utt2spk):
    """Speaker -> its utterances in C-locale order, one space between: the table spk2utt."""
    spk2utt = {}
    for utt in c_sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utt], []).append(utt)
    return {speaker: " ".join(utts) for speaker, utts in spk2utt.items()}


def write_data_dir(data, path):
    """Write all tables, spk2utt, and what belongs of the side files in `data.path`, each file atomically.

    Afterwards the folder says what `data` says and no more: a table that is empty in `data` is removed,
    so that no segments or features of an earlier run are taken for those of this one.
    """
    path = as_path(path)
    moved = path.resolve() != data.path.resolve()
    tables = {name: getattr(data, attribute) for name, attribute in TABLES.items()}
    if moved:
        for name in ("wav.scp", "feats.scp", "cmvn.scp"):
            tables[name] = follow(tables[name], data.path)
    tables["segments"] = {utt: str(segment) for utt, segment in data.segments.items()}
    tables["spk2utt"] = invert_utt2spk(data.utt2spk)
    for name in (*SIDE_BY_UTT, ORIGINALS):
        tables[name] = _filtered_side(data, name, set(data.utts))
    for name in SIDE_BY_SPEAKER:
        tables[name] = _filtered_side(data, name, {data.speaker(utt) for utt in data.utts})
    for name, table in tables.items():
        if table:
            write_table(path / name, table)
        else:
            _remove(path / name)
    for name in SIDE_VERBATIM:
        source = data.path / name
        about = data.segments if name == "endpoint.conf" else data.feats
        if not about or not source.exists():
            _remove(path / name)
        elif moved:
            with atomic_write(path / name, "wb") as stream:
                stream.write(source.read_bytes())


def _filtered_side(data, name, keep):
    source = data.path / name
    if not source.exists() or (name in ABOUT_FEATS and not data.feats):
        return {}
    return {key: value for key, value in read_table(source, check_sorted=False).items() if key in keep}


def _remove(path):
    if path.exists():
        path.unlink()
        log.info("%s: removed, it is not of this data", path)


def follow(scp, base, always=False):
    """`scp` with the paths that lead somewhere only from the folder `base` or its parent made absolute;
    `always`, all of them.
    """
    known = {}
    followed = {}
    for key, spec in scp.items():
        followed[key] = spec
        match = None if is_pipe(spec) else SPEC.fullmatch(spec)
        if match and not os.path.isabs(match["path"]) and not is_url(match["path"]):
            if match["path"] not in known:
                known[match["path"]] = _resolved(match["path"], base, always)
            followed[key] = known[match["path"]] + spec[match.end("path") :]
    return followed


def _resolved(path, base, always):
    try:
        found = str(resolve(path, base))
    except DataError:
        return path  # leads nowhere, here as there; whoever reads it will say so
    return path if found == path and not always else str(absolute(found))


def subset(data, keep_utts, path=None):
    """The part of `data` with the utterances `keep_utts`: recordings in use, speakers in use, and so on.

    With `path` the part is also written there, the side files of `data.path` included.
    """
    keep = set(keep_utts)
    segments = _only(data.segments, keep)
    recordings = {segment.recording for segment in segments.values()} if data.segments else keep
    part = DataDir(
        path=data.path,
        wav=_only(data.wav, recordings),
        text=_only(data.text, keep),
        utt2spk=_only(data.utt2spk, keep),
        segments=segments,
        feats=_only(data.feats, keep),
        cmvn=_only(data.cmvn, {data.speaker(utt) for utt in keep}),
    )
    if path is None:
        return part
    write_data_dir(part, path)
    return dataclasses.replace(part, path=as_path(path))


def _only(table, keys):
    return {key: value for key, value in table.items() if key in keys}
