"""Compute the features of a data directory's recordings -> feats.scp, arks, utt2num_frames, utt2dur, frontend.conf."""

import functools
import hashlib
import io
import itertools
import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.audio.level import BetterChannel
from asrkit.config import PathLike
from asrkit.distribution import VERSION
from asrkit.errors import DataError
from asrkit.features.kind import FeatureKind, load
from asrkit.io.archive import entry, resolve
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import KIND_RECORD, ReadConfig, check_skipped, first_reasons, format_kind, summary
from asrkit.io.files import atomic_write, write_table
from asrkit.io.holds import holding
from asrkit.io.pieces import Pieces, pieces
from asrkit.io.places import RemotePath, absolute, is_url
from asrkit.io.recordings import CHUNK, Recording, recordings
from asrkit.io.remarks import Remarks, warn_of
from asrkit.runtime import one_thread, ordered_map
from asrkit.workflows.extraction import (
    RecordingConfig,
    each,
    extract_chunk,
    warn_of_slow,
    warn_of_untrimmed,
)

# bytes of recordings, 17 minutes at 16 kHz, whose features are made sooner than other processes have started
LITTLE = 2**25
UNFINISHED = ".features.asrkit-part"  # beside the archives: what was computed, until all is

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Computed:
    """Features that were written.

    Attributes
    ----------
    data_dir : Path
    frames : dict of str to int
        Of each utterance.
    skipped : dict of str to str
    """

    data_dir: Path
    frames: dict[str, int]
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        total = sum(self.frames.values())
        done = summary("computed", len(self.frames), self.skipped)
        return [f"{done}: {total} frames in {self.data_dir / 'feats.scp'}"]


@one_thread()
@holding("data_dir", make=False)
def compute_features(
    data_dir: PathLike,
    kind: FeatureKind | str,
    options: RecordingConfig | None = None,
    *,
    like: PathLike | None = None,
    read: ReadConfig | None = None,
    jobs: int = 1,
    compute: Callable[[np.ndarray], np.ndarray] | None = None,
    frame_shift_s: float | None = None,
    chunk: int = CHUNK,
    max_duration_s: float = np.inf,
    little: int = LITTLE,
) -> Computed:
    """Compute features of all utterances and write them beside the recordings' tables.

    Killed, and called again with the same settings and recordings, it goes on from what was computed.

    Parameters
    ----------
    data_dir : path
        With wav.scp.
    kind : FeatureKind or str
        What becomes frontend.conf; the name of one has the settings of `like`, else the defaults.
    like : path, optional
        A model whose features these shall equal; settings of `kind` that are others are refused.
    jobs : int
        Processes, and arks.
    compute : callable, optional
        Samples at `kind.rate_hz` -> (T, D), T being 0 where they are too few; importable by name, for the processes. By default
        `kind.compute`.
    frame_shift_s : float, optional
        Where the kind does not say it.
    chunk : int
        Recordings a unit of work.
    little : int
        Bytes of recordings that this process alone makes features of, whatever `jobs`, unless `compute` is given.

    Returns
    -------
    Computed

    Raises
    ------
    DataError
        No recording could be used, or more could not than `read.max_skipped` allows: the old features stay. Or the features
        of `like` are of another kind.
    SettingsError
        Settings of `kind` are not those of `like`.
    """
    if like is not None:
        # late: it reads models of phones, too
        from asrkit.workflows.model_kind import model_kind, refuse_others

        if isinstance(kind, str):
            kind = model_kind(like, kind)
        else:
            refuse_others(kind, like, model_kind(like, kind.name))
    elif isinstance(kind, str):
        kind = load(kind)()
    options, read = options or RecordingConfig(), read or ReadConfig()
    rate_hz, compute_all = kind.rate_hz, kind.compute_many
    if compute is not None:
        compute_all = functools.partial(each, compute)
    assert rate_hz is not None  # of a kind that is made of recordings
    frame_shift_s = kind.frame_shift_s if frame_shift_s is None else frame_shift_s
    data = read_data_dir(data_dir, require=("wav.scp",))
    work = recordings(data)
    if not work:
        raise DataError(f"{data.path}: no utterances (asrkit prepare-wavs makes a data directory)")
    warn_of_untrimmed(data, options.channel, jobs)
    chunks = [work[i : i + chunk] for i in range(0, len(work), chunk)]
    extract = functools.partial(
        extract_chunk,
        compute=compute_all,
        rate_hz=rate_hz,
        base=data.path,
        channel=options.channel,
        strict=options.strict,
        allow_pipes=read.allow_pipes,
        allowed=(options.allow_downsample, options.allow_upsample),
        durations_s=(options.min_duration, max_duration_s),
    )
    # In a folder of its own until all is known to be well: the old features stay whole if this breaks off.
    signature = {
        "versions": [VERSION, np.__version__],
        "kind": format_kind(kind),
        "compute": getattr(compute, "keywords", None),  # of a functools.partial: folder, device
        "options": [*vars(options).items(), read.allow_pipes, max_duration_s],
        "chunks": hashlib.sha256(json.dumps(chunks, default=vars).encode()).hexdigest(),
    }
    done = pieces(data.path / "data" / UNFINISHED, signature)
    try:
        done.keep(unchanged(done.facts, chunks, data.path))
        if done.facts:
            log.info("goes on: %d of %d recordings were done", sum(map(len, chunks[: len(done)])), len(work))
        label = f"{kind.name.upper()}, {chunk} recordings a step"
        dated = functools.partial(dated_chunk, extract=extract, base=data.path)
        left = chunks[len(done) :]
        workers = 1 if compute is None and is_little(left, data.path, little) else jobs
        for stamps, rows in ordered_map(dated, left, jobs=workers, label=label):
            done.append(*pack(stamps, rows, options.compress or None))
    finally:
        done.close()
    rows = [(place, row) for place, (_, own) in enumerate(done.facts) for row in own]
    skipped = {utt: reason for _, (utt, *_, reason) in rows if reason}
    used = [(place, row) for place, row in rows if not row[-1]]
    remarks = {utt: odd and as_remarks(odd) for _, (utt, *_, odd, _) in rows}
    rates = {utt: rate for _, (utt, _, _, _, rate, _, _) in used}
    frames = {utt: length for _, (utt, _, length, *_) in used}
    durations = {utt: f"{duration_s:.3f}".rstrip("0").rstrip(".") for _, (utt, _, _, duration_s, *_) in used}
    try:
        check_skipped(skipped, read.max_skipped, "computed", len(frames))
        if not frames:
            raise DataError(f"{data.path}: no recording could be used{first_reasons(skipped)}")
        for name in ("feats.scp", "cmvn.scp"):
            retire(data.path / name)
        stem = f"raw_{kind.name}_{data.path.resolve().name}"
        parts = np.array_split(np.arange(len(chunks)), jobs)
        arks = {data.path / "data" / f"{stem}.{job}.ark": part for job, part in enumerate(parts, 1)}
        scp = publish(done, arks, [(place, row[0], row[1]) for place, row in used])
    finally:
        done.remove()
    warn_of(remarks)
    warn_of_slow(rates, rate_hz)
    write_table(data.path / "utt2num_frames", frames, sync=True)
    write_table(data.path / "utt2dur", durations, sync=True)
    with atomic_write(data.path / "frame_shift", sync=True) as stream:
        stream.write(f"{frame_shift_s:g}\n")
    with atomic_write(data.path / KIND_RECORD, sync=True) as stream:
        stream.write(format_kind(kind))
    write_table(data.path / "feats.scp", scp, sync=True)  # last: where it is, the others are
    return Computed(data.path, frames, skipped)


def dated_chunk(
    chunk: list[Recording], extract: Callable[[list[Recording]], list[tuple]], base: Path
) -> tuple[list, list[tuple]]:
    """What `stamp` and `extract_chunk` give of some recordings."""
    return [stamp(recording.entry, base) for recording in chunk], extract(chunk)


def stamp(entry: str, base: Path) -> list[int] | None:
    """Size and date of a recording's file; None for what is no file."""
    try:
        about = os.stat(entry)
    except (OSError, ValueError):  # a place in a file, a URL, or a path from elsewhere
        try:
            about = resolve(re.sub(r":\d+$", "", entry), base).stat()
        except (OSError, ValueError, DataError):
            return None
    return [about.st_size, about.st_mtime_ns]


def is_little(chunks: list[list[Recording]], base: Path, most: int) -> bool:
    """Whether the files of recordings have no more than so many bytes together; what is no file, or far away, may give any number."""
    for recording in itertools.chain.from_iterable(chunks):
        about = None if is_url(recording.entry) else stamp(recording.entry, base)
        most -= about[0] if about else most + 1
        if most < 0:
            return False
    return True


def unchanged(facts: list[Any], chunks: list[list[Recording]], base: Path) -> int:
    """Count the chunks that were done and whose recordings are as they were."""
    for place, (stamps, _) in enumerate(facts):
        if stamps != [stamp(recording.entry, base) for recording in chunks[place]]:
            return place
    return len(facts)


def pack(stamps: list, rows: list[tuple], compression: int | None) -> tuple[bytes, tuple[list, list]]:
    """The features of a chunk as bytes of an archive, and its facts: stamps, and rows with (where the features
    begin or None, frames) in place of the features.
    """
    content, facts = io.BytesIO(), []
    for utt, feats, duration_s, rate, odd, reason in rows:
        at = None
        if not reason:
            own, start = entry(utt, feats, compression)
            at = content.tell() + start
            content.write(own)
        told = odd and asdict(odd)
        facts.append([utt, at, 0 if reason else len(feats), duration_s, rate, told, reason])
    return content.getvalue(), (stamps, facts)


def as_remarks(facts: dict[str, Any]) -> Remarks:
    """The Remarks of what `pack` has made of them."""
    better = facts["better"] and BetterChannel(**facts["better"])
    return Remarks(**{**facts, "better": better})


def publish(done: Pieces, arks: dict[Path, np.ndarray], places: list[tuple[int, str, int]]) -> dict[str, str]:
    """Cut what was computed into archives and their scp files; returns the entries of all.

    Parameters
    ----------
    arks : dict of Path to (N,)
        Each archive's chunks, which follow one another.
    places : list of (int, str, int)
        Chunk, utterance and where its features begin in the chunk.
    """
    starts = {ark: done.ends[part[0]] if len(part) else done.ends[-1] for ark, part in arks.items()}
    first, *others = arks
    cuts = {first: done.path}
    for ark in reversed(others):  # what is copied is cut off: the disk holds hardly more than the features
        cuts[ark] = done.path.with_name(ark.name)
        with open(done.path, "r+b") as source, open(cuts[ark], "wb") as target:
            source.seek(starts[ark])
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
            source.truncate(starts[ark])
    with open(done.path, "r+b") as source:
        os.fsync(source.fileno())
    entries = {}
    for ark, part in arks.items():
        final, own = absolute(ark), set(part.tolist())
        specs = {
            utt: f"{final}:{done.ends[place] + at - starts[ark]}" for place, utt, at in places if place in own
        }
        if isinstance(final, RemotePath):
            final.write_file(cuts[ark])
        else:
            os.replace(cuts[ark], final)
        with atomic_write(final.with_suffix(".scp")) as stream:
            stream.writelines(f"{utt} {spec}\n" for utt, spec in specs.items())
        entries.update(specs)
    return entries


def retire(path: Path) -> None:
    """Move an old table to .backup: feats.scp's arks are about to be written anew, cmvn.scp is about the old
    features.
    """
    if path.exists():
        try:
            (path.parent / ".backup").mkdir(exist_ok=True)
            path.replace(path.parent / ".backup" / path.name)
        except OSError as error:
            raise DataError(f"{path}: cannot be replaced: {error.strerror}") from None
        log.info("%s moved to %s", path, path.parent / ".backup")
