"""Letters that the default font lacks: drawn with whatever installed fonts have them.

Each letter by itself, from left to right: what joins letters or turns the direction of writing, as Arabic has it, is left to
matplotlib, which does so from 3.11 on.
"""

import contextlib
import functools
import logging
import unicodedata
import warnings

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

log = logging.getLogger("asrkit")

UPRIGHT, REGULAR = "normal", 400
HOLLOW = ("LastResort", "Last Resort", "Adobe Blank")  # they have every character, as a box or as nothing
CJK = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO")
_told: set[str] = set()  # the characters that a warning has named


def use_fonts(figure):
    """Let every text of a figure whose letters the default font lacks fall back on fonts that have them; warn once of those none has."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()  # their texts do not exist before
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and not artist.get_text().isascii())
    wanted = frozenset().union(*(foreign(text.get_text()) for text in texts))
    if not wanted:
        return
    families, missing = fallbacks(wanted, len(fontManager.ttflist))
    for text in texts:
        if foreign(text.get_text()):
            text.set_fontfamily([*text.get_fontfamily(), *families])
    if new := sorted(missing - _told):
        _told.update(new)
        kinds = ", ".join(dict.fromkeys(font_for(character) for character in new))
        some = " ".join(new[:10]) + (f" and {len(new) - 10} more" if len(new) > 10 else "")
        log.warning("pictures: no installed font has %s, boxes stand for them (install %s)", some, kinds)


@contextlib.contextmanager
def quiet():
    """Let matplotlib keep silent of missing glyphs, which `use_fonts` tells, and of weights that a font does not come in."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph |Matplotlib currently does not support")
            yield
    finally:
        logger.setLevel(level)


def foreign(text):
    """The visible characters of a text that the default font lacks: frozenset."""
    default = _open(findfont(FontProperties()))
    return frozenset(
        character
        for character in set(text)
        if not character.isascii()
        and unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp")
        and not default.get_char_index(ord(character))
    )


@functools.cache
def fallbacks(characters, installed):
    """Choose of so many `installed` fonts those that have as many of the characters as possible, the one with most first.

    Returns
    -------
    families : tuple of str
    missing : frozenset of str
        What none has.
    """
    fonts = [entry for entry in fontManager.ttflist if not entry.name.startswith(HOLLOW)]
    fonts.sort(
        key=lambda entry: (entry.style != UPRIGHT, abs(_weight(entry) - REGULAR), entry.name, entry.fname)
    )
    has = {}
    for entry in fonts:
        if entry.name not in has and (own := _covered(entry.fname, characters)):
            has[entry.name] = own
    families, missing = [], characters
    while has:
        best = max(has, key=lambda name: len(has[name] & missing))  # the first of equals
        if not has[best] & missing:
            break
        families.append(best)
        missing -= has.pop(best)
    return tuple(families), missing


def _weight(entry):
    return entry.weight if isinstance(entry.weight, int) else REGULAR


def _covered(path, characters):
    font = _open(path)
    if font is None or not font.scalable:  # pictures of emoji can't be drawn
        return frozenset()
    return frozenset(character for character in characters if font.get_char_index(ord(character)))


def _open(path):
    try:
        return get_font(path)
    except (OSError, RuntimeError):  # FreeType's: no font, or one that is gone since the list was made
        return None


def font_for(character):
    """Name a kind of font that has a character."""
    script = unicodedata.name(character, "").partition(" ")[0]
    if script in CJK:
        return "Noto Sans CJK"
    return f"Noto Sans {script.title()}" if script.isalpha() else "a font for it"
