"""Pronunciation scores and human ratings of phones: the tables of `asrkit mixgop score`, and three forms of
ratings.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.config import nearest, parse_number
from asrkit.errors import DataError
from asrkit.io.files import read_lines

TABLE = "phones.tsv"
TEXTS = ("utt", "word", "phone", "rival", "comp")  # columns of phones.tsv that are no numbers of their own
NUMBERS = ("idx", "start", "end", "n_frames")  # and those that are, but no scores
FORMS = {
    ("utt", "phones", "scores"): "wide",
    ("utt", "idx", "rating"): "long",
    ("utt", "rating"): "utterances",
}


@dataclass(frozen=True, eq=False)
class Scores:
    """A phones.tsv: `rows[utt]` are the lines of an utterance, `columns[name]` a value a line (numbers but
    for TEXTS).
    """

    path: Path
    rows: dict
    columns: dict

    def phones(self, utt):
        return tuple(self.columns["phone"][self.rows[utt]])


@dataclass(frozen=True, eq=False)
class Ratings:
    """`by_utt[utt]` is {idx: rating}, or one rating in the form "utterances"; `phones[utt]` in the form
    "wide".
    """

    path: Path
    form: str
    by_utt: dict
    phones: dict


def read_scores(folder, kinds=()):
    """Read the phones.tsv of a folder; `kinds` are the columns that are read beside those that say which
    phone it is.
    """
    path = folder / TABLE
    if not path.exists():
        raise DataError(f"{path}: no such file (asrkit mixgop score makes it; give its folder)")
    (_, head), *lines = list(read_lines(path)) or [(1, "")]
    names = head.split("\t")
    for name in ("utt", "idx", "phone", *kinds):
        if name in names and (name in ("utt", "idx", "phone") or name not in TEXTS + NUMBERS):
            continue
        known = [one for one in names if one not in TEXTS + NUMBERS]
        remedy = (
            f"{nearest(name, known)}; it has {', '.join(known)}"
            if name in kinds
            else " (asrkit mixgop score writes it anew)"
        )
        raise DataError(f"{path}:1: no {'score' if name in kinds else 'column'} '{name}'{remedy}")
    cells = [line.split("\t") for _, line in lines]
    for (number, _), row in zip(lines, cells):
        if len(row) != len(names):
            raise DataError(
                f"{path}:{number}: {len(row)} fields, the first line names {len(names)} (asrkit mixgop score writes it anew)"
            )
    texts = dict(zip(names, zip(*cells))) if cells else dict.fromkeys(names, ())
    columns = {name: np.array(values, dtype=object) for name, values in texts.items() if name in TEXTS}
    for name in {"idx", "start", "end", *kinds} & texts.keys():
        columns[name] = numbers(texts[name], path, name)
    rows = {}
    for line, utt in enumerate(texts["utt"]):
        own = rows.setdefault(utt, [])
        if columns["idx"][line] != len(own):
            raise DataError(
                f"{path}:{line + 2}: idx {texts['idx'][line]} of {utt}, {len(own)} was to come (asrkit mixgop score writes it anew)"
            )
        own.append(line)
    return Scores(path, rows, columns)


def numbers(values, path, name):
    return np.array(
        [number_or_none(value, f"{path}:{number}: {name}") for number, value in enumerate(values, 2)],
        dtype=np.float64,
    )


def is_place(text):
    """Whether a text may be the place of a phone: the digits 0 to 9, so few that an array could have it."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


def number_or_none(text, where):
    """Read a number, nan for `nan` and `NA`."""
    try:
        return parse_number("nan" if text == "NA" else text)
    except ValueError as error:
        raise DataError(f"{where}: {error} (nan stands for none)") from None


def read_ratings(path):
    """Read ratings in one of the three forms: that of the first line's names, or what all lines look like."""
    lines = [
        (number, line.split("\t") if "\t" in line else line.split())
        for number, line in read_lines(path)
        if line.strip()
    ]
    form = FORMS.get(tuple(lines[0][1])) if lines else None
    if form:
        lines = lines[1:]
    if not lines:
        raise DataError(f"{path}: no ratings in it")
    if not form:
        single = all(len(row) == 3 and is_place(row[1]) and " " not in row[2].strip() for _, row in lines)
        form = {2: "utterances", 3: "long" if single else "wide"}.get(len(lines[0][1]), "")
    by_utt, phones = {}, {}
    for number, row in lines:
        where = f"{path}:{number}"
        if len(row) != (2 if form == "utterances" else 3):
            raise DataError(
                f"{where}: {len(row)} fields; a line is `utt phones scores`, `utt idx rating` or `utt rating`, all of one form, tabs between"
            )
        utt = row[0]
        if form == "long":
            if not is_place(row[1]):
                raise DataError(f"{where}: '{row[1]}' is no place of a phone in its utterance (0, 1, 2, …)")
            new, key = by_utt.setdefault(utt, {}), int(row[1])
        else:
            new, key = by_utt, utt
        if key in new:
            raise DataError(
                f"{where}: {utt}{f', phone {key},' if form == 'long' else ''} is rated twice (keep one line)"
            )
        if form == "wide":
            phones[utt] = tuple(row[1].split())
            values = [rating(text, where) for text in row[2].split()]
            if len(values) != len(phones[utt]):
                raise DataError(
                    f"{where}: {utt} has {len(phones[utt])} phones and {len(values)} ratings (one for each; nan for none)"
                )
            new[key] = dict(enumerate(values))
        else:
            new[key] = rating(row[-1].strip(), where)
    return Ratings(path, form, by_utt, phones)


def rating(text, where):
    value = number_or_none(text, where)
    if math.isinf(value):
        raise DataError(f"{where}: a rating is a finite number, not {text} (nan stands for none)")
    return value
