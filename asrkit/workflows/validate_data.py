"""Check a Kaldi data directory and list every fault with file, line, key and remedy."""

from dataclasses import dataclass

from asrkit.config import PathLike
from asrkit.io.validation import Checks, find_faults
from asrkit.runtime import one_thread


@dataclass(frozen=True)
class Validated:
    """What a check of a data directory found.

    Attributes
    ----------
    data_dir : path
    faults : list of str
        One line each, with file, line, key and remedy.
    """

    data_dir: PathLike
    faults: list[str]

    def lines(self) -> list[str]:
        """The faults, or one line that says that there are none."""
        return self.faults or [f"Successfully validated data-directory {self.data_dir}"]


@one_thread()
def validate_data(data_dir: PathLike, *, checks: Checks | None = None) -> Validated:
    """Check a data directory; what is unusual but allowed is logged as a warning.

    Parameters
    ----------
    data_dir : path
    checks : Checks, optional
        What to look at, and what may be absent.

    Returns
    -------
    Validated
    """
    return Validated(data_dir, find_faults(data_dir, checks or Checks()))
