"""Find the speech in every recording: wav.scp -> segments, by energy and zero crossings."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.audio.endpoint import EndpointConfig, find_speech
from asrkit.config import PathLike, format_conf
from asrkit.errors import DataError
from asrkit.io.audio import audio_blocks
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ENDPOINT_RECORD, ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.files import atomic_write, write_table
from asrkit.io.holds import holding
from asrkit.io.recordings import CHUNK, in_chunks
from asrkit.io.remarks import Remarks, warn_of
from asrkit.runtime import ordered_map


@dataclass(frozen=True)
class EndpointsDetected:
    """Where the speech lies in the recordings of a data directory.

    Attributes
    ----------
    path : path
        The table segments.
    times : dict of str to (float, float)
        Start and end in s of the utterance that each recording is.
    skipped : dict of str to str
        Recordings without speech, with the reasons.
    doubtful : dict of str to str
        Recordings in which something else than the word may have been found, with the reasons.
    speech_s, total_s : float
        Durations of the speech and of the recordings that it was found in.
    """

    path: Path
    times: dict[str, tuple[float, float]]
    skipped: dict[str, str]
    doubtful: dict[str, str]
    speech_s: float
    total_s: float

    def lines(self) -> list[str]:
        """One line: in how many recordings speech was found, and how much of it; one more where some are doubtful."""
        found = summary("found", len(self.times), self.skipped)
        lines = [f"{found}: {self.speech_s:.1f} s of speech in {self.total_s:.1f} s"]
        if self.doubtful:
            lines.append(
                f"doubtful, listen to them: {len(self.doubtful)} recordings{first_reasons(self.doubtful)}"
            )
        return lines


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
        Replace segments that are there already.
    jobs : int
        Processes.

    Returns
    -------
    EndpointsDetected

    Raises
    ------
    DataError
        There are segments already, too many recordings fail, or none has speech.
    """
    config, read = config or EndpointConfig(), read or ReadConfig()
    data = read_data_dir(data_dir, require=("wav.scp",))
    path = data.path / "segments"
    if data.segments and not force:
        raise DataError(f"{path}: already there (force=true replaces it)")
    detect = functools.partial(
        detect_chunk,
        config=config,
        base=data.path,
        channel=channel,
        strict=strict,
        allow_pipes=read.allow_pipes,
    )
    chunks = in_chunks(list(data.wav.items()), CHUNK)
    times, skipped, doubtful, remarks = {}, {}, {}, {}
    speech_s = total_s = 0.0
    for results in ordered_map(detect, chunks, jobs=jobs, label=f"endpoints, {CHUNK} recordings a step"):
        for utt, found, duration_s, odd, reason in results:
            remarks[utt] = odd
            if reason:
                skipped[utt] = reason
                continue
            times[utt] = found.start_s, found.end_s
            if found.doubt:
                doubtful[utt] = found.doubt
            speech_s += found.end_s - found.start_s
            total_s += duration_s
    warn_of(remarks)
    check_skipped(skipped, read.max_skipped, "found", len(times))
    if not times:  # an empty table would say that the recordings are not cut at all
        raise DataError(f"{data.path}: no recording with speech in it{first_reasons(skipped)}")
    write_table(
        path, {utt: f"{utt} {start_s:.3f} {end_s:.3f}" for utt, (start_s, end_s) in times.items()}, sync=True
    )
    with atomic_write(data.path / ENDPOINT_RECORD) as stream:
        stream.write(format_conf(config))
    return EndpointsDetected(path, times, skipped, doubtful, speech_s, total_s)


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
        reason = None if found else "no speech found"
        out.append((utt, found, sum(counts) / rate_hz, remarks[-1], reason))
    return out


def counted(blocks: Iterable[np.ndarray], counts: list[int]) -> Iterator[np.ndarray]:
    """Yield what `blocks` yield, and note the length of each."""
    for block in blocks:
        counts.append(len(block))
        yield block
