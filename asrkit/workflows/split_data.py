"""Split a data directory into parts, as Kaldi's split_data.sh."""

import logging
from dataclasses import dataclass
from pathlib import Path

from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.io.data_dir import read_data_dir, subset
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.io.speakers import REMEDY, who_is_unknown

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Split:
    """A data directory in parts.

    Attributes
    ----------
    folder : path
        With the parts, which are called 1, 2, ...
    parts : list of list of str
        The utterances of each part.
    """

    folder: Path
    parts: list[list[str]]

    def lines(self) -> list[str]:
        """One line: how many utterances each part has."""
        sizes = [len(utts) for utts in self.parts]
        return [
            f"split {sum(sizes)} utterances into {len(sizes)} parts of {' '.join(map(str, sizes))} in {self.folder}"
        ]


@holding("data_dir", make=False)
def split_data(data_dir: PathLike, parts: int, *, per_utt: bool = False) -> Split:
    """Write a data directory in parts, `data_dir`/split<parts>/1 and so on.

    The parts are balanced by number of utterances and keep their order.

    Parameters
    ----------
    data_dir : path
    parts : int
        How many parts.
    per_utt : bool
        Split by utterance: a speaker may be in several parts.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        There are fewer speakers than parts, or the directory is malformed.
    SettingsError
        `parts` is less than 1.
    """
    if parts < 1:
        raise SettingsError(f"parts={parts}, but at least 1 part is needed")
    data = read_data_dir(data_dir)
    groups: dict[str, list[str]] = {}  # what stays together
    for utt in data.utts:
        groups.setdefault(utt if per_utt else data.speaker(utt), []).append(utt)
    if len(groups) == 1 and parts > 1 and not per_utt:
        raise DataError(
            f"{data_dir}: {parts} parts asked for, but there is 1 speaker, who stays together (per_utt=true splits by utterance)"
        )
    if len(groups) < parts:
        there_are = f"{len(groups)} {'utterances' if per_utt else 'speakers'}"
        remedy = "ask for fewer" if per_utt else "ask for fewer, or per_utt=true"
        raise DataError(f"{data_dir}: {parts} parts asked for, but there are {there_are} ({remedy})")
    unknown = "" if per_utt else who_is_unknown(data)
    if unknown:
        log.warning("%s: the same voice may be in several parts (%s)", unknown, REMEDY)
    folder = as_path(data_dir) / f"split{parts}"
    split = cut_evenly(list(groups.values()), parts)
    for number, utts in enumerate(split, 1):
        subset(data, utts, folder / str(number))
    return Split(folder, split)


def cut_evenly(groups: list[list[str]], parts: int) -> list[list[str]]:
    """Join neighbouring groups of utterances to `parts` lists of about equal length, none empty."""
    groups = groups[::-1]  # a stack with the first on top
    split = []
    for parts_left in range(parts, 0, -1):
        fair = sum(map(len, groups)) / parts_left
        utts = groups.pop()
        while len(groups) >= parts_left and abs(len(utts) + len(groups[-1]) - fair) <= abs(len(utts) - fair):
            utts = utts + groups.pop()
        split.append(utts)
    return split
