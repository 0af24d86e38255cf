"""Find the speech in every recording: wav.scp -> segments, by its level, and its weak edges band by band."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from asrkit.audio.endpoint import EndpointConfig, Speech, find_speech
from asrkit.config import PathLike, format_conf
from asrkit.errors import DataError
from asrkit.io.audio import audio_blocks
from asrkit.io.data_dir import Segment, read_data_dir
from asrkit.io.features import ENDPOINT_RECORD, ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.files import atomic_write, write_table
from asrkit.io.holds import holding
from asrkit.io.recordings import CHUNK, in_chunks
from asrkit.io.remarks import Remarks, warn_of
from asrkit.runtime import ordered_map

Item = TypeVar("Item")

SAMPLED = 200  # recordings that tell whether a corpus is trimmed
UNFOUND = "no speech found"


@dataclass(frozen=True)
class Ends:
    """Where the speech lies in recordings.

    Attributes
    ----------
    times : dict of str to (float, float)
        Start and end in s of the utterance that each recording is.
    skipped : dict of str to str
        Recordings without speech, with the reasons.
    doubtful : dict of str to str
        Recordings in which something else than the word may have been found, with the reasons.
    speech_s, total_s : float
        Durations of the speech and of the recordings that it was found in.
    remarks : dict of str to Remarks or None
        What is odd about each recording.
    """

    times: dict[str, tuple[float, float]]
    skipped: dict[str, str]
    doubtful: dict[str, str]
    speech_s: float
    total_s: float
    remarks: dict[str, Remarks | None]

    def segments(self) -> dict[str, Segment]:
        """Give the utterances as segments of their recordings, to the millisecond."""
        return {
            utt: Segment(utt, round(start_s, 3), round(end_s, 3))
            for utt, (start_s, end_s) in self.times.items()
        }

    def lines(self) -> list[str]:
        """One line: in how many recordings speech was found, and how much of it; one more where some are doubtful."""
        found = summary("found", len(self.times), self.skipped)
        lines = [f"{found}: {self.speech_s:.1f} s of speech in {self.total_s:.1f} s"]
        if self.doubtful:
            lines.append(
                f"doubtful, listen to them: {len(self.doubtful)} recordings{first_reasons(self.doubtful)}"
            )
        return lines


@dataclass(frozen=True)
class EndpointsDetected(Ends):
    """Where the speech lies in the recordings of a data directory.

    Attributes
    ----------
    path : path
        The table segments.
    """

    path: Path


@holding("data_dir", make=False)
def detect_endpoints(
    data_dir: PathLike,
    *,
    config: EndpointConfig | None = None,
    read: ReadConfig | None = None,
    channel: int = 0,
    strict: bool = False,
    force: bool = False,
    jobs: int = 1,
) -> EndpointsDetected:
    """Find the one word in each recording; write segments, and the settings beside them.

    A segment gets the recording's name, so that text and utt2spk stay as they are.

    Parameters
    ----------
    data_dir : path
        Data directory with wav.scp.
    config : EndpointConfig, optional
    read : ReadConfig, optional
        How many recordings may fail, and whether pipes are run.
    channel : int
        Channel of recordings that have several, counted from 0.
    strict : bool
        Refuse recordings with several channels.
    force : bool
        Replace segments that are there already, whoever made them; those that were found so, by this or by `prepare_wavs`, always are.
    jobs : int
        Processes.

    Returns
    -------
    EndpointsDetected

    Raises
    ------
    DataError
        There are segments of somebody else, too many recordings fail, or none has speech.
    """
    config, read = config or EndpointConfig(), read or ReadConfig()
    data = read_data_dir(data_dir, require=("wav.scp",))
    path = data.path / "segments"
    if data.segments and not force and not (data.path / ENDPOINT_RECORD).exists():
        raise DataError(f"{path}: already there (force=true replaces it)")
    found = find_ends(
        data.wav,
        config,
        base=data.path,
        channel=channel,
        strict=strict,
        allow_pipes=read.allow_pipes,
        jobs=jobs,
    )
    warn_of(found.remarks)
    check_skipped(found.skipped, read.max_skipped, "found", len(found.times))
    if not found.times:  # an empty table would say that the recordings are not cut at all
        raise DataError(f"{data.path}: no recording with speech in it{first_reasons(found.skipped)}")
    write_table(path, {utt: str(segment) for utt, segment in found.segments().items()}, sync=True)
    record_endpoints(config, data.path)
    return EndpointsDetected(**vars(found), path=path)


def record_endpoints(config: EndpointConfig, folder: Path) -> None:
    """Write endpoint.conf: how the segments beside it were found."""
    with atomic_write(folder / ENDPOINT_RECORD) as stream:
        stream.write(format_conf(config))


def find_ends(
    wav: Mapping[str, str],
    config: EndpointConfig,
    *,
    base: Path,
    channel: int = 0,
    strict: bool = False,
    allow_pipes: bool = False,
    whole: bool = False,
    jobs: int = 1,
) -> Ends:
    """Find the one word in each of some recordings.

    Parameters
    ----------
    wav : mapping of str to str
        Entries of wav.scp.
    base : Path
        Folder that they are relative to.
    whole : bool
        Take a recording in which nothing is found whole, as doubtful.
    """
    times, skipped, doubtful, remarks = {}, {}, {}, {}
    speech_s = total_s = 0.0
    for utt, found, duration_s, odd, reason in _detected(
        list(wav.items()), jobs, config, base=base, channel=channel, strict=strict, allow_pipes=allow_pipes
    ):
        remarks[utt] = odd
        if found is None and whole and reason == UNFOUND:
            found = Speech(0.0, duration_s, f"{UNFOUND}, taken whole")
        if found is None:
            skipped[utt] = reason
            continue
        times[utt] = found.start_s, found.end_s
        if found.doubt:
            doubtful[utt] = found.doubt
        speech_s += found.end_s - found.start_s
        total_s += duration_s
    return Ends(times, skipped, doubtful, speech_s, total_s, remarks)


def time_beside(wav: Mapping[str, str], *, base: Path, channel: int = 0, jobs: int = 1) -> float:
    """Measure how much of a recording is not its word, in s: the median of recordings that are spread evenly over `wav`, up to
    200 of those in which speech is found. More than `UNTRIMMED_S` is an untrimmed corpus.
    """
    times = times_beside(wav, SAMPLED, base=base, channel=channel, jobs=jobs)
    return float(np.median(times)) if times else 0.0


def times_beside(
    wav: Mapping[str, str], count: int, *, base: Path, channel: int = 0, jobs: int = 1
) -> list[float]:
    """Measure how much is not the word, in s, in each of `count` recordings spread evenly over `wav` in which speech is found."""
    some = spread(list(wav.items()), count)
    rows = _detected(
        some, jobs, EndpointConfig(), base=base, channel=channel, strict=False, allow_pipes=False
    )
    return [found.beside_s for _, found, *_ in rows if found is not None]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Take up to `count` items, evenly spread."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else list(items)


def _detected(
    items: list[tuple[str, str]], jobs: int, config: EndpointConfig, **reading: Any
) -> Iterator[tuple]:
    """What `detect_chunk` finds in each of some recordings, in their order."""
    detect = functools.partial(detect_chunk, config=config, **reading)
    label = f"endpoints, {CHUNK} recordings a step"
    for results in ordered_map(detect, in_chunks(items, CHUNK), jobs=jobs, label=label):
        yield from results


def detect_chunk(
    chunk: list[tuple[str, str]],
    config: EndpointConfig,
    base: Path,
    channel: int,
    strict: bool,
    allow_pipes: bool,
) -> list[tuple]:
    """Find (utt, Speech or None, duration in s, Remarks or None, reason or None) of some recordings."""
    out: list[tuple] = []
    for utt, rxfilename in chunk:
        remarks: list[Remarks | None] = [None]
        counts: list[int] = []
        try:
            blocks, rate_hz = audio_blocks(
                rxfilename,
                base=base,
                channel=channel,
                strict=strict,
                allow_pipes=allow_pipes,
                on_remarks=remarks.append,
            )
            found = find_speech(counted(blocks, counts), rate_hz, config)
        except DataError as error:
            out.append((utt, None, 0.0, None, str(error)))
            continue
        reason = None if found else UNFOUND
        out.append((utt, found, sum(counts) / rate_hz, remarks[-1], reason))
    return out


def counted(blocks: Iterable[np.ndarray], counts: list[int]) -> Iterator[np.ndarray]:
    """Yield what `blocks` yield, and note the length of each."""
    for block in blocks:
        counts.append(len(block))
        yield block
