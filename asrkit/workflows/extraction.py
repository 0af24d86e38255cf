"""From recordings to features, a chunk at a time: read, cut, computed, and why some can't be used."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.audio.endpoint import UNTRIMMED_S
from asrkit.audio.level import silence_reason
from asrkit.config import check_fields, option
from asrkit.errors import DataError, SettingsError
from asrkit.features.frontend import why_unusable
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import DataDir
from asrkit.io.pipes import is_pipe
from asrkit.io.recordings import Recording, cut
from asrkit.io.remarks import Remarks
from asrkit.workflows.detect_endpoints import time_beside, times_beside

# Kaldi's others are for whole numbers and for values from 0 to 1: they would spoil features
COMPRESSIONS = (0, 1, 2, 3, 5)

# recordings of which no more than a fifth are untrimmed where the corpus is trimmed: by chance it is so once in 170 times where half are
FEW = 20
HELD = 2**20  # samples whose features are computed at once; one recording may have more

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class RecordingConfig:
    channel: int = option(0, "channel of recordings that have several", minimum=0)
    strict: bool = option(False, "refuse recordings with several channels")
    allow_downsample: bool = option(True, "resample recordings of a higher rate; false skips them")
    allow_upsample: bool = option(
        True, "resample recordings of a lower rate, with a warning; false skips them"
    )
    min_duration: float = option(0.0, "skip utterances shorter than this, in seconds", minimum=0)
    compress: int = option(0, "Kaldi's compression method: 1, 2, 3 or 5; 0 stores float32")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.compress not in COMPRESSIONS:
            raise SettingsError(f"compress={self.compress} is none of {', '.join(map(str, COMPRESSIONS))}")


def warn_of_untrimmed(data: DataDir, channel: int, jobs: int) -> None:
    """Warn where single words are taken whole, though the recordings are not trimmed."""
    files = {utt: entry for utt, entry in data.wav.items() if not is_pipe(entry)}
    if data.segments or not data.text or any(len(text.split()) != 1 for text in data.text.values()):
        return
    few = times_beside(files, FEW, base=data.path, channel=channel, jobs=jobs)
    if sum(beside_s > UNTRIMMED_S for beside_s in few) <= len(few) / 5:
        return
    beside_s = time_beside(files, base=data.path, channel=channel, jobs=jobs)
    if beside_s > UNTRIMMED_S:
        log.warning(
            "%s: the recordings are not trimmed, %.2f s beside the word in the median, and are taken whole (asrkit detect-endpoints "
            "%s finds the words)",
            data.path,
            beside_s,
            data.path,
        )


def warn_of_slow(rates: dict[str, int], rate_hz: int) -> None:
    """Warn where recordings have a lower rate than their features."""
    slow = [utt for utt, rate in rates.items() if rate < rate_hz]
    if slow:
        log.warning(
            "%d recordings (%s, ...) have a lower rate than the %d Hz of the features: resampled, but their upper band is empty",
            len(slow),
            slow[0],
            rate_hz,
        )


def rate_reason(own_hz: int, wanted_hz: int, allow_downsample: bool, allow_upsample: bool) -> str | None:
    """Why a recording's rate is refused, or None."""
    if own_hz > wanted_hz and not allow_downsample:
        return f"recorded at {own_hz} Hz, above {wanted_hz} Hz, and allow_downsample=false"
    if own_hz < wanted_hz and not allow_upsample:
        return f"recorded at {own_hz} Hz, below {wanted_hz} Hz, and allow_upsample=false"
    return None


def extract_chunk(
    chunk: list[Recording],
    compute: Callable[[list[np.ndarray]], list[np.ndarray]],
    rate_hz: int,
    base: Path,
    channel: int,
    strict: bool,
    allow_pipes: bool,
    allowed: tuple[bool, bool],
    durations_s: tuple[float, float],
) -> list[tuple]:
    """Features of some recordings: (utt, feats or None, duration in s, own rate in Hz, Remarks or None,
    reason or None).
    """
    out: list[tuple] = []
    parts: dict[int, np.ndarray] = {}  # samples whose features the rows of `out` still lack
    held = 0
    for recording in chunk:
        remarks: list[Remarks | None] = [None]
        try:
            samples, own_rate = read_audio(
                recording.entry,
                rate=rate_hz,
                base=base,
                channel=channel,
                stated=recording.channel,
                strict=strict,
                allow_pipes=allow_pipes,
                on_remarks=remarks.append,
            )
        except DataError as error:
            out += [(utt, None, 0.0, 0, None, str(error)) for utt, _, _ in recording.parts]
            continue
        for utt, start_s, end_s in recording.parts:
            try:
                part = cut(samples, rate_hz, start_s, end_s)
            except DataError as error:
                out.append((utt, None, 0.0, 0, None, str(error)))
                continue
            reason = silence_reason(part) or rate_reason(own_rate, rate_hz, *allowed)
            least_s, most_s = durations_s
            if len(part) < least_s * rate_hz:
                reason = f"{len(part) / rate_hz:.3f} s, less than min_duration={least_s:g}"
            if len(part) > most_s * rate_hz:
                reason = f"{len(part) / rate_hz:.3f} s, more than max_duration={most_s:g}"
            if reason is None:
                parts[len(out)] = part
                held += len(part)
            out.append((utt, None, len(part) / rate_hz, own_rate, remarks[-1], reason))
        if held >= HELD:
            _fill(out, parts, compute)
            parts, held = {}, 0
    _fill(out, parts, compute)
    return out


def _fill(
    out: list[tuple], parts: dict[int, np.ndarray], compute: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> None:
    """Put the features of some parts into their rows, or why they can't be used."""
    computed = compute(list(parts.values()))
    for place, feats, reason in zip(parts, computed, why_unusable(computed), strict=True):
        utt, _, duration_s, *rest, _ = out[place]
        if not len(feats):
            reason = f"{duration_s:.3f} s, shorter than one window"
        out[place] = (utt, feats, duration_s, *rest, reason)


def each(compute: Callable[[np.ndarray], np.ndarray], recordings: list[np.ndarray]) -> list[np.ndarray]:
    """Compute the features of each of some recordings by itself."""
    return [compute(samples) for samples in recordings]
