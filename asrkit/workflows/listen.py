"""Hear words as they are spoken: from a microphone, a pipe or a file."""

import logging
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from asrkit.audio.samples import FULL_SCALES
from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.config import PathLike, check_fields, option
from asrkit.errors import DataError
from asrkit.io.audio import audio_blocks
from asrkit.io.live import FORMATS, microphone_blocks, pcm_blocks
from asrkit.io.memory_file import check_writable
from asrkit.io.places import as_path
from asrkit.words.confidence import AcceptConfig
from asrkit.workflows.recognizer import load
from asrkit.workflows.stream import HeardWord, Stream

SURE = 0.6  # with this, one word in a hundred was wrong and believed at 20 dB
FILE_S = 0.1  # of a file, that are heard at a time

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class SoundConfig:
    """What the sound is like."""

    rate: int = option(
        0,
        "samples a second of raw samples and of the microphone; 0: as the model has it",
        minimum=0,
        maximum=10_000_000,
    )
    format: str = option("s16", "of raw samples on stdin", choices=tuple(FORMATS))
    channels: int = option(1, "of raw samples on stdin, interleaved", minimum=1, maximum=64)
    channel: int = option(0, "the one that is heard", minimum=0)
    device: str = option(
        "", "microphone: its number or a part of its name; the default one where it is empty"
    )

    def __post_init__(self) -> None:
        check_fields(self)


def listen(
    exp: PathLike,
    source: PathLike | IO[bytes] | None = None,
    *,
    sound: SoundConfig | None = None,
    accept: AcceptConfig | None = None,
    detection: WordDetectorConfig | None = None,
    method: str = "viterbi",
    same_speaker: bool = True,
    speaker_file: PathLike | None = None,
) -> Iterator[HeardWord]:
    """Hear words as they are spoken.

    Parameters
    ----------
    source : path or binary file, optional
        A recording, or an open pipe with raw samples or a WAV; the microphone where it is not given.
    sound : SoundConfig, optional
    accept : AcceptConfig, optional
        When a word is believed; by default from a probability of 0.6 on.
    detection : WordDetectorConfig, optional
    same_speaker : bool
        What was heard helps with what comes next, as far as the model can learn.
    speaker_file : path, optional
        What was heard of the speaker goes on from this file, where it is there, and is written to it at the end.

    Yields
    ------
    HeardWord
        As soon as it has ended. A source that ends within a word gives it as far as it came.

    Raises
    ------
    DataError
        The model or the source can't be used, or the source breaks off; what was begun has been heard before that.
    """
    sound, accept = sound or SoundConfig(), accept or AcceptConfig(min_confidence=SURE)
    recognizer = load(exp, method, **vars(accept))
    try:
        recognizer.frontend.check_hears()
        speaker = recognizer.speaker() if same_speaker and recognizer.learns else None
    except DataError as error:
        raise DataError(f"{exp}: {error}") from None
    if speaker_file is not None:
        check_writable(speaker_file)
        speaker = recognizer.speaker(speaker_file if as_path(speaker_file).exists() else None)
    blocks, rate_hz = _opened(source, sound, recognizer.frontend.rate_hz or 0)
    stream = recognizer.stream(rate_hz, speaker=speaker, detection=detection)
    try:
        broken = yield from _heard(stream, blocks)
        yield from stream.close()
    finally:
        if speaker is not None and speaker_file is not None:
            speaker.save(speaker_file)
    if broken is not None:
        raise broken


def _heard(stream: Stream, blocks: Iterator[np.ndarray]) -> Generator[HeardWord, None, DataError | None]:
    """Yield what is heard in blocks, and return why they broke off; samples that are none are silence, so that later words keep their places."""
    said = False
    while True:
        try:
            block = next(blocks, None)
        except DataError as error:
            return error
        if block is None:
            return None
        try:
            heard = stream.push(block)
        except DataError as error:
            if not said:
                said = True
                log.warning("at %.1f s: %s; such samples are passed over", stream.position_s, error)
            heard = stream.push(np.where(np.abs(block) < FULL_SCALES, block, np.float32(0)))
        yield from heard


def _opened(
    source: PathLike | IO[bytes] | None, sound: SoundConfig, model_hz: int
) -> tuple[Iterator[np.ndarray], int]:
    rate_hz = sound.rate or model_hz
    if source is None:
        return microphone_blocks(rate_hz, sound.device, sound.channel)
    if isinstance(source, (str, os.PathLike)):
        blocks, own_hz = audio_blocks(source, channel=sound.channel, size=1 << 20)
        return _cut(blocks, round(FILE_S * own_hz)), own_hz
    return pcm_blocks(source, rate_hz, sound.format, sound.channels, sound.channel)


def _cut(blocks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    for block in blocks:
        for start in range(0, len(block), size):
            yield block[start : start + size]
