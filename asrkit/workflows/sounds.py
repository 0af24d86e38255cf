"""The samples of some utterances of a data directory."""

import logging
from collections.abc import Collection, Iterator

import numpy as np

from asrkit.audio.samples import resample
from asrkit.errors import DataError
from asrkit.families.base import counted
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import DataDir
from asrkit.io.recordings import cut, recordings

log = logging.getLogger("asrkit")


def read_sounds(
    data: DataDir,
    wanted: Collection[str],
    most_hz: int | None = None,
    *,
    allow_pipes: bool = False,
    unread: dict[str, str] | None = None,
) -> Iterator[tuple[str, np.ndarray, int]]:
    """Read the samples of utterances, each recording once.

    Parameters
    ----------
    data : DataDir
    wanted : collection of str
        Utterances; those without a recording are left out, and so are those whose recording can't be read.
    most_hz : int, optional
        Samples a second at the most, as many as a model hears; recordings of fewer keep theirs.
    allow_pipes : bool
        Run shell pipes found in wav.scp.
    unread : dict, optional
        Recordings that can't be read, to the reason why; they are not tried again.

    Yields
    ------
    utt : str
    samples : float32 (N,)
    rate_hz : int
    """
    unread = {} if unread is None else unread
    for recording in recordings(data):
        parts = [part for part in recording.parts if part[0] in wanted]
        if not parts or recording.name in unread:
            continue
        try:
            samples, rate_hz = read_audio(
                recording.entry,
                base=data.path,
                stated=recording.channel,
                allow_pipes=allow_pipes,
                on_remarks=lambda odd: None,
            )
            if most_hz is not None and rate_hz > most_hz:
                samples, rate_hz = resample(samples, rate_hz, most_hz), most_hz
            for utt, start_s, end_s in parts:
                yield utt, cut(samples, rate_hz, start_s, end_s), rate_hz
        except DataError as error:
            unread[recording.name] = str(error)


def warn_of_unread(unread: dict[str, str]) -> None:
    """Say that recordings can't be heard; nothing of none."""
    if unread:
        name, reason = next(iter(unread.items()))
        log.warning(
            "%s can't be heard in the report: '%s': %s", counted(len(unread), "recording"), name, reason
        )
