"""Praat's TextGrid files, read in the long and the short form and written in the long one.

Praat's own rule makes the two forms one: what counts is the texts in quotes, the numbers and the flags that
stand free, and all other words (`xmin =`, `intervals [2]:`) are for the human reader. So a file is a row of
such tokens, in one order.
"""

import codecs
import re
from dataclasses import dataclass

from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.io.files import atomic_write, read_bytes
from asrkit.io.places import as_path
from asrkit.phones.phone import TINY_S, Phone, overlap

SUFFIX = ".textgrid"
PHONE_TIERS, WORD_TIERS = ("phones", "phonemes", "phone"), ("words", "word")
TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"'  # a quote inside is doubled
    r"|!(?P<comment>[^\n]*)"
    r"|(?P<word>[^\s\"]+)"
    r'|(?P<open>")'  # no other quote closes it: the file is cut off
)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
UNMARKED = ((b"F\0", "utf-16-le"), (b"\0F", "utf-16-be"))  # of "File type"


@dataclass(frozen=True)
class Tier:
    """A named row of intervals, those without a label included; of points where `points`, which have no
    length.
    """

    name: str
    intervals: tuple[Phone, ...]
    points: bool = False


class Tokens:
    """The tokens of a TextGrid file one after the other; an unexpected one is a DataError that names its
    line.
    """

    def __init__(self, text, path):
        self._text, self._path, self._place = text, path, 0
        self._matches = TOKEN.finditer(text)

    def fail(self, problem, remedy="save it anew in Praat, as a text file"):
        line = self._text.count("\n", 0, self._place) + 1
        raise DataError(f"{self._path}:{line}: {problem} ({remedy})")

    def text(self, what):
        kind, value = self._next(what)
        return value if kind == "text" else self.fail(f"{what} should stand here, not {value}")

    def number(self, what):
        kind, value = self._next(what)
        return float(value) if kind == "number" else self.fail(f"{what} should stand here, not '{value}'")

    def count(self, what):
        value = self.number(what)
        return int(value) if value >= 0 and value.is_integer() else self.fail(f"{what} is {value:g}")

    def flag(self, what):
        kind, value = self._next(what)
        return value if kind == "flag" else self.fail(f"{what} should stand here, not '{value}'")

    def _next(self, what):
        for match in self._matches:
            self._place = match.start()
            if match["text"] is not None:
                return "text", match["text"].replace('""', '"')
            if match["open"]:
                self.fail("a quote is opened and never closed")
            word = match["word"]
            if word and NUMBER.fullmatch(word):
                return "number", word
            if word and word[0] == "<":
                return "flag", word
        self._place = len(self._text.rstrip())
        self.fail(f"the file is cut off: {what} is missing")


def read_textgrid(path):
    """Read a TextGrid file.

    Returns
    -------
    tuple of Tier
        In the order of the file; times are seconds from the start of the recording.

    Raises
    ------
    DataError
        The file is no TextGrid in text form, is cut off, is neither UTF-8 nor UTF-16, or its intervals
        overlap.
    """
    tokens = Tokens(_decoded(path), path)
    kind, holds = tokens.text('"ooTextFile"'), None
    if kind in ("ooTextFile", "ooTextFile short"):
        holds = tokens.text('"TextGrid"')
    if holds != "TextGrid":
        tokens.fail(
            f"holds a '{holds or kind}', not a TextGrid in text form",
            "in Praat: Save as text file, for each TextGrid",
        )
    start_s = tokens.number("the start")
    if abs(start_s) > TINY_S:
        tokens.fail(
            f"starts at {start_s:g} s; times count from the start of the recording",
            "in Praat: Modify times, Shift to zero",
        )
    tokens.number("the end")
    if tokens.flag("<exists>") != "<exists>":
        return ()
    return tuple(_tier(tokens) for _ in range(tokens.count("the number of tiers")))


def _decoded(path):
    """A file's text with `\\n` line ends."""
    content = read_bytes(path)
    if content.startswith((b"ooBinaryFile", b'"Praat chronological')):
        raise DataError(f"{path}: a binary or chronological TextGrid (in Praat: Save as text file)")
    encoding = next((name for mark, name in (*MARKS, *UNMARKED) if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: neither UTF-8 nor UTF-16 text (convert it, for example with iconv)"
        ) from None
    text = composed(text).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if '"' not in text[:200]:
        raise DataError(f'{path}: no TextGrid file, which starts with File type = "ooTextFile"')
    return text


def _tier(tokens):
    kind = tokens.text('"IntervalTier" or "TextTier"')
    if kind not in ("IntervalTier", "TextTier"):
        tokens.fail(f"a tier of kind '{kind}', neither IntervalTier nor TextTier")
    points = kind == "TextTier"
    name = tokens.text("the name of a tier")
    tokens.number("the start of a tier"), tokens.number("the end of a tier")
    intervals, last_s = [], 0.0
    for _ in range(tokens.count("the number of intervals")):
        start_s = tokens.number("the start of an interval")
        end_s = start_s if points else tokens.number("the end of an interval")
        if start_s < -TINY_S or end_s < start_s - TINY_S:
            tokens.fail(f"an interval from {start_s:g} to {end_s:g} s in tier '{name}'", "mend it in Praat")
        if overlap(last_s, start_s):
            tokens.fail(
                f"an interval of tier '{name}' starts at {start_s:g} s, before the one above it ends at {last_s:g} s",
                "mend it in Praat",
            )
        start_s = max(start_s, 0.0)
        end_s = max(start_s, end_s)
        last_s = max(last_s, end_s)
        intervals.append(Phone(tokens.text("a label"), start_s, end_s))
    return Tier(name, tuple(intervals), points)


def pick_tier(tiers, wanted="", among=(), required=True):
    """Pick the interval tier called `wanted`, else by one of the names `among`; a ValueError says why there
    is none.

    Case does not matter. Where a file has several speakers, MFA calls a tier `speaker - phones`: that counts
    where there is one. A tier that is not required and not there is None.
    """
    names = [wanted.strip().lower()] if wanted else among
    found = [tier for tier in tiers if tier.name.strip().lower() in names]
    if not found:
        found = [tier for tier in tiers if tier.name.strip().lower().rpartition(" - ")[2] in names]
    if not found and not required:
        return None
    if len(found) != 1:
        told = ", ".join(f"'{tier.name}'" for tier in tiers) or "none"
        raise ValueError(
            f"{len(found) or 'no'} tiers called {' or '.join(names)}, one is needed (tiers: {told}; tier= and word_tier= choose)"
        )
    if found[0].points:
        raise ValueError(f"tier '{found[0].name}' holds points, not intervals")
    return found[0]


def find_textgrids(path):
    """Find all TextGrid files of a folder and the folders in it, or the one file that `path` is, sorted."""
    path = as_path(path)
    return (
        [path]
        if path.is_file()
        else sorted(file for file in path.rglob("*") if file.suffix.lower() == SUFFIX)
    )


def write_textgrid(path, tiers, end_s):
    """Write a TextGrid in the long form, UTF-8.

    Parameters
    ----------
    tiers : dict of str to iterable of Phone
        Intervals of each tier, in any order; between them unlabelled ones are put in, for a tier has no gaps.
    end_s : float
        Where the recording ends; an interval that ends later makes it longer.

    Returns
    -------
    int
        How many intervals could not be written, because they have no length (Praat knows no such thing).

    Raises
    ------
    DataError
        Intervals of a tier overlap by more than the rounding of times explains.
    """
    tiers = {name: tuple(phones) for name, phones in tiers.items()}
    filled, lost = {}, 0
    end_s = max([float(end_s), *(float(phone.end_s) for phones in tiers.values() for phone in phones)])
    for name, phones in tiers.items():
        filled[name], without = _without_gaps(path, name, phones, end_s)
        lost += without
    with atomic_write(path) as stream:
        stream.write(f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {end_s!r}\n')
        stream.write(f"tiers? <exists>\nsize = {len(filled)}\nitem []:\n")
        for t, (name, intervals) in enumerate(filled.items(), 1):
            stream.write(f'    item [{t}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}\n')
            stream.write(
                f"        xmin = 0\n        xmax = {end_s!r}\n        intervals: size = {len(intervals)}\n"
            )
            for i, (label, from_s, to_s) in enumerate(intervals, 1):
                stream.write(
                    f"        intervals [{i}]:\n            xmin = {from_s!r}\n            xmax = {to_s!r}\n"
                )
                stream.write(f"            text = {_quoted(label)}\n")
    return lost


def _without_gaps(path, name, phones, end_s):
    """(label, start, end) from 0 to `end_s` without gaps or overlaps, and how many had no length."""
    intervals, last_s, lost = [], 0.0, 0
    for phone in sorted(phones, key=lambda phone: (phone.start_s, phone.end_s)):
        start_s, stop_s = float(phone.start_s), float(phone.end_s)
        if overlap(last_s, start_s):
            raise DataError(
                f"{path}: tier '{name}': '{phone.label}' starts at {start_s:g} s, before the one before it ends at {last_s:g} s"
            )
        start_s = last_s if abs(start_s - last_s) < TINY_S else max(start_s, last_s)
        if stop_s - start_s < TINY_S:
            lost += 1
            continue
        if start_s > last_s:
            intervals.append(("", last_s, start_s))
        intervals.append((phone.label, start_s, stop_s))
        last_s = stop_s
    if end_s > last_s:
        intervals.append(("", last_s, end_s))
    return intervals, lost


def _quoted(text):
    return '"' + text.replace('"', '""') + '"'
