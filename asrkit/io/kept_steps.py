"""Where a stepwise training is within its passes, kept beside the model to be: killed, it goes on from its last mini-batches."""

import logging
import shutil
import time

from asrkit.errors import DataError, StoreError
from asrkit.io.model_file import read_npz, write_npz
from asrkit.io.places import RemotePath, as_path

FOLDER = ".steps.asrkit-part"
KIND = "record of steps"

log = logging.getLogger("asrkit")


class KeptSteps:
    """Of the words that train together, in a process of their own perhaps.

    Parameters
    ----------
    folder : path
        Of the model to be.
    number : int
        Which group of words it is.
    signature : str
        Of all that decides about the training.
    keep_s : float
        Seconds of work that a kill may cost.
    """

    def __init__(self, folder, number, signature, keep_s):
        self._path, self._signature, self._keep_s = (
            as_path(folder) / FOLDER / f"{number}.npz",
            signature,
            keep_s,
        )
        self._since = None

    def load(self):
        """(facts, arrays) of a killed training of the same settings and data; None where there are none."""
        try:
            meta, arrays = read_npz(self._path, KIND)
        except (DataError, OSError):
            return None
        return (meta["facts"], arrays) if meta.get("signature") == self._signature else None

    def due(self):
        """Whether it is time to keep what is done; the first call starts the clock."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return self._keep_s is not None and now - self._since >= self._keep_s

    def save(self, facts, arrays):
        """Replace what was kept."""
        try:
            write_npz(self._path, KIND, {"signature": self._signature, "facts": facts}, arrays)
        except (DataError, StoreError) as error:
            log.warning("%s: its steps are not kept, if this training is killed", error)
            self._keep_s = None
        self._since = time.monotonic()


def remove_steps(folder):
    """Remove them of all groups."""
    found = as_path(folder) / FOLDER
    if not isinstance(found, RemotePath):
        shutil.rmtree(found, ignore_errors=True)
        return
    for one in found.glob("*.npz"):
        one.unlink(missing_ok=True)
