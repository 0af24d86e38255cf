"""The recordings of a data directory and the utterances that lie in them."""

from dataclasses import dataclass

from asrkit.errors import DataError
from asrkit.io.files import c_sorted

CHUNK = 50  # recordings a unit of work; fixed, so that nothing depends on the number of jobs


@dataclass(frozen=True)
class Recording:
    """A recording, or a channel of it, and the utterances in it.

    Attributes
    ----------
    name, entry : str
        In wav.scp.
    parts : list of (str, float, float)
        Utterance, start and end in s; one that is a whole recording goes from 0 to -1.
    channel : int or None
        That the segments state.
    """

    name: str
    entry: str
    parts: list[tuple[str, float, float]]
    channel: int | None = None


def in_chunks(items, size):
    """Split a list into lists of `size` items, the last of them with what is left."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def recordings(data):
    """List the recordings of a data directory with the utterances in each.

    Returns
    -------
    list of Recording
        In C-locale order; one whose segments state several channels comes once for each.

    Raises
    ------
    DataError
        A segment's recording is not in wav.scp.
    """
    by_recording = {}
    for utt, segment in data.segments.items():
        if segment.recording not in data.wav:
            raise DataError(
                f"{data.path / 'segments'}: utterance '{utt}' is of recording '{segment.recording}', which is not in wav.scp"
                f" (asrkit fix-data {data.path} removes it)"
            )
        by_channel = by_recording.setdefault(segment.recording, {})
        by_channel.setdefault(segment.channel, []).append((utt, segment.start_s, segment.end_s))
    if not data.segments:
        by_recording = {utt: {None: [(utt, 0.0, -1.0)]} for utt in data.wav}
    return [
        Recording(name, data.wav[name], by_recording[name][channel], channel)
        for name in c_sorted(by_recording)
        for channel in sorted(by_recording[name], key=lambda channel: -1 if channel is None else channel)
    ]


def cut(samples, rate_hz, start_s, end_s):
    """Take a segment out of a recording's samples (N,); an end of -1 means the recording's own.

    Raises
    ------
    DataError
        The segment ends after the recording.
    """
    if end_s < 0:
        return samples[int(round(start_s * rate_hz)) :]
    if end_s > len(samples) / rate_hz + 0.05:
        raise DataError(f"segment ends at {end_s:g} s, the recording at {len(samples) / rate_hz:g} s")
    return samples[int(round(start_s * rate_hz)) : int(round(end_s * rate_hz))]
