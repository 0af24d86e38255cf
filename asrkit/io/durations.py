"""How long utterances are, and how far apart the frames of their features: what a data directory says, and
whether its parts agree.
"""

import contextlib
import math

from asrkit.config import parse_float, parse_int
from asrkit.errors import DataError
from asrkit.io.archive import Archives
from asrkit.io.audio import audio_info
from asrkit.io.files import read_lines, read_numbers

WINDOW_S = 0.025  # a recording is longer than its frames' shifts by up to one window
KALDIS_SHIFT_S = 0.01
LOOKED_AT = 20  # utterances whose frames are held against their durations
HEARD = 5  # recordings that are read for it, where no table has durations


def stated_frame_shift_s(data, kind):
    """Find the frame shift, seconds, that a data directory's features are said to have.

    Parameters
    ----------
    data : DataDir
    kind : FeatureKind

    Returns
    -------
    float or None
        Of the settings that made them, else of the file frame_shift; None where neither says it.

    Raises
    ------
    DataError
        The file holds no frame shift.
    """
    if kind.frame_shift_s is not None:
        return kind.frame_shift_s
    path = data.path / "frame_shift"
    if not path.exists():
        return None
    try:
        shift_s = parse_float(" ".join(line for _, line in read_lines(path)))
    except ValueError as error:
        raise DataError(f"{path}: no number of seconds: {error} (Kaldi writes 0.01)") from None
    if not 0 < shift_s <= 1:
        raise DataError(f"{path}: {shift_s:g} is no frame shift in seconds (Kaldi writes 0.01)")
    return shift_s


def unstated_frame_shift_s(data, frames_of):
    """Take Kaldi's frame shift for features of which nobody stated it, where durations do not contradict that.

    Parameters
    ----------
    data : DataDir
    frames_of : callable
        Utterance -> frames of its features, or a DataError.

    Raises
    ------
    DataError
        Most utterances that were looked at last longer or shorter than so many frames of 10 ms.
    """
    seconds, seen = table_lengths(data), []
    for utt in spread(
        [utt for utt in data.feats if utt in seconds or (not seconds and utt in data.wav)], LOOKED_AT
    ):
        if len(seen) == HEARD and not seconds:
            break
        try:
            frames = frames_of(utt)
            duration_s = seconds[utt] if seconds else heard_length(data, utt)
        except (DataError, OSError):  # no features, or no recording: others tell
            continue
        seen.append((duration_s, frames, utt))
    seen.sort(key=lambda one: one[0] / max(one[1], 1))
    if seen:
        duration_s, frames, utt = seen[len(seen) // 2]
        # Windows of up to 50 ms, and what recordings are longer than whole frames.
        if abs(duration_s - frames * KALDIS_SHIFT_S - WINDOW_S / 2) > 0.04 + 0.03 * duration_s:
            raise DataError(
                f"{data.path}: nobody said how far apart frames are, and Kaldi's 0.01 s can't be: utterance '{utt}' has "
                f"{frames} frames in {duration_s:.2f} s, about {duration_s / max(frames, 1):.2g} s a frame "
                f"(write the right number of seconds into {data.path / 'frame_shift'})"
            )
    return KALDIS_SHIFT_S


def spread(items, most):
    """Pick at most `most` items, evenly from all of a list."""
    return items[:: max(1, math.ceil(len(items) / most))]


def table_lengths(data):
    """Find the seconds of each utterance as far as utt2dur and segments know them."""
    seconds = {
        utt: segment.end_s - segment.start_s for utt, segment in data.segments.items() if segment.end_s != -1
    }
    return seconds | side_numbers(data.path / "utt2dur", parse_float)


def heard_length(data, utt):
    """Measure an utterance that is a whole recording, in seconds."""
    rate_hz, samples, _ = audio_info(data.wav[utt], base=data.path)
    return samples / rate_hz


def heard_lengths(data, utts):
    """Measure a few of the utterances that are whole recordings: dict of utterance to seconds."""
    seconds = {}
    for utt in spread([utt for utt in utts if utt in data.wav and not data.segments], LOOKED_AT):
        with contextlib.suppress(DataError, OSError):  # whoever needs these recordings says why
            seconds[utt] = heard_length(data, utt)
    return seconds


def utterance_lengths(data, shift_s):
    """Find the seconds of each utterance, as far as the directory knows them: utt2dur, segments,
    utt2num_frames (and a window).
    """
    frames = side_numbers(data.path / "utt2num_frames", parse_int)
    return {utt: count * shift_s + WINDOW_S for utt, count in frames.items()} | table_lengths(data)


def count_frames(data):
    """Count the frames of each utterance: utt2num_frames, else the features themselves; those that can't be
    read are not counted.
    """
    frames = side_numbers(data.path / "utt2num_frames", parse_int)
    with Archives(data.path) as archives:
        for utt in [utt for utt in data.feats if utt not in frames]:
            with contextlib.suppress(DataError):  # whoever needs these features says why
                frames[utt] = len(archives.read(data.feats[utt]))
    return frames


def side_numbers(path, parse):
    """Read a table of numbers, `{}` where there is no such file."""
    return read_numbers(path, parse) if path.exists() else {}
