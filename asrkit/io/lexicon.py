"""How words are said: dictionaries in Kaldi's and CMU's form, and the pronunciations of each utterance's
words.
"""

import re

from asrkit.errors import DataError
from asrkit.io.files import in_words, read_lines

VARIANT = re.compile(r"(?<=.)\(\d+\)$")  # CMU's second and third way to say a word: `read(2)`
BETWEEN = "|"  # words of one utterance


def read_lexicon(path, words=None):
    """Read lines `WORD P1 P2 …`; a word may have several, also as `WORD(2)`. Lines that start with ;;; are
    comments.

    Parameters
    ----------
    words : iterable of str, optional
        Those that will be looked up; all others are passed over, which is quicker.

    Returns
    -------
    dict of str to tuple of tuple of str
        The ways to say each word.
    """
    wanted = None if words is None else {word.lower() for word in words}
    lexicon, number = {}, 0
    for number, line in read_lines(path, free=True):
        if line.startswith(";;;"):
            continue
        fields = in_words(line, f"{path}:{number}").split(None, 1)
        if not fields:
            continue
        if len(fields) < 2 or not fields[1].strip():
            raise DataError(f"{path}:{number}: '{fields[0]}' without phones (lines `WORD P1 P2 …`)")
        word = VARIANT.sub("", fields[0]) if fields[0][-1] == ")" else fields[0]
        if wanted is None or word.lower() in wanted:
            # a dict keeps the order of the file
            lexicon.setdefault(word, {})[tuple(fields[1].split())] = None
    if not number:
        raise DataError(f"{path}: empty (lines `WORD P1 P2 …`)")
    return {word: tuple(ways) for word, ways in lexicon.items()}


def look_up(lexicon, word):
    """Find the ways to say a word, written as it is, or all small, or all in capitals; None where there are
    none.
    """
    return lexicon.get(word) or lexicon.get(word.lower()) or lexicon.get(word.upper())


def read_pronunciations(path):
    """Read lines `utt<TAB>P1 P2 | P3 …`: what was to be said, word by word.

    Returns
    -------
    dict of str to tuple of tuple of str
        Phones of each word of an utterance.
    """
    found = {}
    for number, line in read_lines(path):
        utt, tab, words = line.partition("\t")
        said = tuple(tuple(word.split()) for word in words.split(BETWEEN))
        if not (utt.strip() and tab and all(said)):
            raise DataError(
                f"{path}:{number}: '{line}' is not of the form `utt P1 P2 | P3 …`, with a tab after utt and phones in every word"
            )
        if utt in found:
            raise DataError(f"{path}:{number}: utterance '{utt}' appears twice (keep one of the lines)")
        found[utt] = said
    return found
