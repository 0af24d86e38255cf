"""The characters of words and names: one Unicode form, and none that nobody sees; phrases, which are classes of several words."""

import re
import unicodedata
from collections.abc import Iterable

BYTE_ORDER_MARK = "\ufeff"
WORD_BYTES = 1000  # of the longest word, in UTF-8: it names arrays of the model file
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
# Beside control characters: white space where Python cuts and Kaldi does not, and what has no width. The two joiners
# (U+200C, U+200D) are none of these, for Persian and the scripts of India are spelled with them.
UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)


def composed(text: str) -> str:
    """Write a text in Unicode's composed form (NFC): macOS takes letters apart, most keyboards do not.

    Examples
    --------
    >>> composed("cafe\\u0301") == "caf\\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def phrase(text: str) -> str:
    """Write several words in the one form that a phrase has: one blank between them, none around.

    Examples
    --------
    >>> phrase(" turn\\t left ")
    'turn left'
    """
    return " ".join(text.split())


def column(word: str) -> str:
    """Write a word, or a phrase, where columns stand side by side: blanks become `_`.

    Examples
    --------
    >>> column("turn left"), column("left")
    ('turn_left', 'left')
    """
    return word.replace(" ", "_")


def alike_in_columns(words: Iterable[str]) -> str | None:
    """Say which two words are one where columns stand side by side, or None."""
    names: dict[str, str] = {}
    for word in words:
        other = names.setdefault(column(word), word)
        if other != word:
            return f"'{other}' and '{word}' would be one word in tables of several columns (rename one)"
    return None


def unseen(text: str, pattern: re.Pattern[str] = UNSEEN) -> str | None:
    """Name the first character of a text that no word or name may hold, or None.

    Examples
    --------
    >>> unseen("New\\u00a0York"), unseen("New York")
    ('U+00A0 (NO-BREAK SPACE)', None)
    """
    found = pattern.search(text)
    if not found:
        return None
    return f"U+{ord(found[0]):04X} ({unicodedata.name(found[0], 'a control character')})"
