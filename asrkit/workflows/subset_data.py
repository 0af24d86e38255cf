"""Copy a part of a data directory, as Kaldi's subset_data_dir.sh."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike, parse_float
from asrkit.errors import DataError, SettingsError
from asrkit.io.data_dir import DataDir, read_data_dir, subset
from asrkit.io.files import read_lines, read_numbers
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.io.speakers import REMEDY, who_is_unknown

MAX_NAMED = 5

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Subset:
    """A part of a data directory.

    Attributes
    ----------
    data : DataDir
        The part.
    out_dir : path
    num_before : int
        Utterances of the whole.
    """

    data: DataDir
    out_dir: PathLike
    num_before: int

    def lines(self) -> list[str]:
        """One line: how many utterances there were and are."""
        return [f"reducing #utt from {self.num_before} to {len(self.data.utts)} in {self.out_dir}"]


@holding("out_dir")
def subset_data(
    data_dir: PathLike,
    out_dir: PathLike,
    *,
    spk_list: PathLike | None = None,
    utt_list: PathLike | None = None,
    utt_regex: str | None = None,
    first: int | None = None,
    last: int | None = None,
    shortest: int | None = None,
    random: int | None = None,
    per_spk: int | None = None,
    per_word: int | None = None,
    seed: int = 0,
    exclude: bool = False,
    skip_missing: bool = False,
) -> Subset:
    """Write the utterances that one of the settings chooses; recordings and archives stay where they are.

    Parameters
    ----------
    data_dir, out_dir : path
    spk_list, utt_list : path, optional
        File of speakers or utterances, one a line.
    utt_regex : str, optional
        Regular expression, found in the ids of utterances.
    first, last, shortest, random : int, optional
        So many utterances; the shortest by utt2num_frames or utt2dur.
    per_spk, per_word : int, optional
        So many utterances of every speaker or word, or all there are.
    seed : int
        Of `random`.
    exclude : bool
        Leave out what `spk_list`, `utt_list` or `utt_regex` chooses.
    skip_missing : bool
        Ids of a list that are not in the directory are no error.

    Returns
    -------
    Subset

    Raises
    ------
    DataError
        No utterance or fewer than asked for can be chosen, or the directory is malformed.
    SettingsError
        Not exactly one setting chooses, its value is impossible, or `out_dir` is `data_dir`.
    """
    lists = {"spk_list": spk_list, "utt_list": utt_list}
    numbers = {
        "first": first,
        "last": last,
        "shortest": shortest,
        "random": random,
        "per_spk": per_spk,
        "per_word": per_word,
    }
    choices = {**lists, "utt_regex": utt_regex, **numbers}
    given: dict[str, Any] = {name: value for name, value in choices.items() if value is not None}
    if len(given) != 1:
        raise SettingsError(f"exactly one of {', '.join(choices)} chooses, but {len(given)} are given")
    ((name, value),) = given.items()
    if as_path(data_dir).resolve() == as_path(out_dir).resolve():
        raise SettingsError(
            f"{out_dir}: the output folder is the data directory; a part is written elsewhere"
        )
    if name in numbers:
        if exclude:
            raise SettingsError("exclude=true goes with spk_list=FILE, utt_list=FILE or utt_regex=RE")
        if value < 1:
            raise SettingsError(f"{name}={value}: at least 1 is needed")
        if seed < 0:
            raise SettingsError(f"seed={seed} is less than 0")
    data = read_data_dir(data_dir)
    if name in lists:
        chosen = choose_listed(data, name, value, skip_missing)
    elif name in numbers:
        chosen = choose_number(data, name, value, seed)
    else:
        chosen = choose_matching(data, value)
    among = set(chosen)
    keep = [utt for utt in data.utts if (utt in among) != exclude]
    if not keep:
        raise DataError(
            f"{data_dir}: none of {len(data.utts)} utterances is chosen; {out_dir} was not written"
        )
    return Subset(subset(data, keep, out_dir), out_dir, len(data.utts))


def choose_matching(data: DataDir, utt_regex: str) -> list[str]:
    try:
        pattern = re.compile(composed(utt_regex))
    except re.error as error:
        raise SettingsError(f"utt_regex='{utt_regex}': {error}") from None
    return [utt for utt in data.utts if pattern.search(utt)]


def choose_listed(data: DataDir, name: str, path: PathLike, skip_missing: bool) -> list[str]:
    """Choose the utterances whose speaker or id is in the file `path`, which the setting `name` named."""
    what = "speakers" if name == "spk_list" else "utterances"
    wanted = {line.split()[0]: number for number, line in read_lines(path) if line.strip()}
    key_of = {utt: data.speaker(utt) if what == "speakers" else utt for utt in data.utts}
    missing = sorted(wanted.keys() - set(key_of.values()), key=wanted.__getitem__)
    if missing and not skip_missing:
        named = ", ".join(f"'{key}' (line {wanted[key]})" for key in missing[:MAX_NAMED])
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        count = f"{len(missing)} of {len(wanted)} {what}"
        raise DataError(f"{path}: {count} not in {data.path}: {named}{more} (skip_missing=true goes on)")
    return [utt for utt in data.utts if key_of[utt] in wanted]


def choose_number(data: DataDir, name: str, number: int, seed: int) -> list[str]:
    """Choose `number` utterances, or so many of every speaker or word, as the setting `name` says."""
    if name == "per_spk":
        unknown = who_is_unknown(data)
        if unknown:
            log.warning("%s: so per_spk=%d chooses by utterance (%s)", unknown, number, REMEDY)
        return spread({utt: data.speaker(utt) for utt in data.utts}, number)
    if name == "per_word":
        if not data.text:
            raise DataError(f"{data.path / 'text'}: no such file, but per_word={number} needs it")
        return spread({utt: data.text.get(utt, "") for utt in data.utts}, number)
    if number > len(data.utts):
        raise DataError(
            f"{data.path}: {name}={number}, but there are {len(data.utts)} utterances (ask for fewer)"
        )
    if name == "first":
        return data.utts[:number]
    if name == "last":
        return data.utts[-number:]
    if name == "shortest":
        lengths = read_lengths(data)
        return sorted(data.utts, key=lengths.__getitem__)[:number]
    return np.random.default_rng(seed).choice(data.utts, size=number, replace=False).tolist()


def spread(group_of: Mapping[str, str], number: int) -> list[str]:
    """Choose `number` utterances of every group, at even distances in its list, so that not all come from one
    corner.
    """
    groups: dict[str, list[str]] = {}
    for utt, group in group_of.items():
        groups.setdefault(group, []).append(utt)
    chosen = []
    for utts in groups.values():
        count = min(number, len(utts))
        chosen += [utts[i * len(utts) // count] for i in range(count)]
    return chosen


def read_lengths(data: DataDir) -> dict[str, float]:
    """Read the lengths of all utterances, in frames or seconds, whichever the directory knows."""
    remedy = f"asrkit compute-mfcc {data.path} writes it"
    for name in ("utt2num_frames", "utt2dur"):
        if (data.path / name).exists():
            table = read_numbers(data.path / name, parse_float, check_sorted=True, remedy=remedy)
            break
    else:
        raise DataError(f"{data.path}: neither utt2num_frames nor utt2dur ({remedy})")
    lacking = next((utt for utt in data.utts if utt not in table), None)
    if lacking is not None:
        raise DataError(f"{data.path}/{name}: no length for utterance '{lacking}' ({remedy})")
    return table
