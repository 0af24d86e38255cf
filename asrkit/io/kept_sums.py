"""The sums of the iterations that a training has behind it, kept beside the model to be: killed, it estimates again and reads no data."""

import contextlib
import io
import logging
import time

import numpy as np

from asrkit.errors import DataError, StoreError
from asrkit.io.pieces import pieces
from asrkit.io.places import as_path

FOLDER = ".sums.asrkit-part"

log = logging.getLogger("asrkit")


class KeptSums:
    """Of words that advance together, an iteration after another.

    Parameters
    ----------
    folder : path
        Of the model to be.
    signature : str
        Of all that decides about the training.
    keep_s : float
        Seconds of work that a kill may cost.
    """

    def __init__(self, folder, signature, keep_s):
        self._pieces, self._keep_s = pieces(as_path(folder) / FOLDER, signature), keep_s
        self._place, self._waiting, self._since = 0, [], time.monotonic()

    def take(self, digest):
        """Give the next iteration's sums, a dict of arrays for each model, if they are of the models of that digest; else None."""
        if self._pieces is None or self._place == len(self._pieces):
            return None
        if self._pieces.facts[self._place] != digest:
            self._pieces.keep(self._place)  # of another number of workers, which leaves other words to do
            return None
        found = {}
        with np.load(io.BytesIO(self._pieces.read(self._place)), allow_pickle=False) as archive:
            for key in archive.files:
                number, name = key.split(".", 1)
                found.setdefault(int(number), {})[name] = archive[key]
        self._place += 1
        return [found[number] for number in sorted(found)]

    def add(self, digest, sums):
        """Take an iteration's sums, a dict of arrays for each model; written together, a few seconds' worth at once."""
        if self._pieces is None:
            return
        stream = io.BytesIO()
        arrays = {f"{number}.{name}": array for number, own in enumerate(sums) for name, array in own.items()}
        np.savez(stream, **arrays)
        self._waiting.append((stream.getvalue(), digest))
        if time.monotonic() - self._since < self._keep_s:
            return
        try:
            for waiting in self._waiting:
                self._pieces.append(*waiting)
        except (DataError, StoreError) as error:
            log.warning("%s: its iterations are not kept, if this training is killed", error)
            with contextlib.suppress(StoreError):
                self._pieces.remove()
            self._pieces = None
            return
        self._place, self._waiting, self._since = len(self._pieces), [], time.monotonic()

    def close(self):
        """Close the files; what they hold stays."""
        if self._pieces is not None:
            self._pieces.close()

    def remove(self):
        """Remove them: the model is there."""
        if self._pieces is not None:
            self._pieces.remove()
