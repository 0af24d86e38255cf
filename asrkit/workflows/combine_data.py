"""Write several data directories as one, as Kaldi's combine_data.sh."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from asrkit.config import PathLike
from asrkit.errors import SettingsError
from asrkit.io.combine import combine
from asrkit.io.data_dir import SIDE_BY_SPEAKER, SIDE_BY_UTT, TABLES, DataDir, read_data_dir
from asrkit.io.holds import holding
from asrkit.io.places import as_path

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Combined:
    """Several data directories as one.

    Attributes
    ----------
    data : DataDir
        The whole.
    sizes : list of int
        Utterances of each part.
    left_out : list of str
        Tables that some parts have and the whole has not.
    """

    data: DataDir
    sizes: list[int]
    left_out: list[str]

    def lines(self) -> list[str]:
        """One line: how many utterances came from where."""
        sizes = " + ".join(map(str, self.sizes))
        return [f"combined {sizes} = {len(self.data.utts)} utterances in {self.data.path}"]


@holding("out_dir")
def combine_data(data_dirs: Sequence[PathLike], out_dir: PathLike) -> Combined:
    """Write the utterances of several data directories into one.

    A table that not all of them have is left out, and cmvn.scp where a speaker is in two of them. Recordings
    and archives stay where they are, and are named by their absolute paths.

    Parameters
    ----------
    data_dirs : list of path
    out_dir : path
        The new data directory, another than those.

    Returns
    -------
    Combined

    Raises
    ------
    DataError
        An utterance is in two of them, or they disagree about a recording, a speaker or how the features were
        made.
    SettingsError
        `out_dir` is one of `data_dirs`.
    """
    out = as_path(out_dir)
    if out.resolve() in [as_path(directory).resolve() for directory in data_dirs]:
        raise SettingsError(
            f"{out_dir}: the output folder is one of the directories; the whole is written elsewhere"
        )
    parts = [read_data_dir(directory) for directory in data_dirs]
    whole = combine(parts, out)
    names = (*TABLES, *SIDE_BY_UTT, *SIDE_BY_SPEAKER)
    left_out = [
        name
        for name in names
        if not (out / name).exists() and any((part.path / name).exists() for part in parts)
    ]
    if left_out:
        log.info("left out, because not all have it or a speaker is in several: %s", ", ".join(left_out))
    return Combined(whole, [len(part.utts) for part in parts], left_out)
