"""Recordings that are kept, because `--keep DIR` asks for it: DIR/NAME.wav, and a line each in DIR/heard.tsv."""

import threading
import time
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.audio import write_wav
from asrkit.io.places import local

HEADER = "file\tword\tp\tmilliseconds\n"


class Keeper:
    """A folder that what was heard goes into."""

    def __init__(self, folder: PathLike, most: int) -> None:
        """
        Parameters
        ----------
        folder : path
            Made if it is not there.
        most : int
            Recordings in it; later ones are not kept.

        Raises
        ------
        DataError
            It can't be written to.
        """
        self._folder, self._most, self._lock = (
            local(folder, "the folder of kept recordings"),
            most,
            threading.Lock(),
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._count = sum(1 for _ in self._folder.glob("*.wav"))
            self._table = self._folder / "heard.tsv"
            with open(self._table, "a", encoding="utf-8") as stream:
                if not stream.tell():
                    stream.write(HEADER)
        except OSError as error:
            raise DataError(
                f"{folder}: recordings can't be kept there: {error.strerror} (keep=DIR is a folder)"
            ) from None

    def __call__(self, sound: tuple[np.ndarray, int], heard: dict[str, Any]) -> None:
        """Keep samples and what was heard in them; a full disk, or a folder that is gone, is a DataError."""
        with self._lock:
            if self._count < self._most:
                self._keep(*sound, heard)
                self._count += 1

    def _keep(self, samples: np.ndarray, rate_hz: int, heard: dict[str, Any]) -> None:
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{self._count:05d}.wav"
        p = "-" if heard.get("p") is None else f"{heard['p']:.4f}"
        try:
            write_wav(self._folder / name, samples, rate_hz)
            with open(self._table, "a", encoding="utf-8") as stream:
                stream.write(f"{name}\t{heard['word']}\t{p}\t{1000 * len(samples) / rate_hz:.0f}\n")
        except OSError as error:
            raise DataError(f"{self._folder}: the recording could not be kept: {error.strerror}") from None
