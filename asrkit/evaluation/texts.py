"""Check the words and speakers of utterances that a Python user gives, as dicts or as sequences."""

from collections import Counter
from collections.abc import Collection, Mapping, Set

from asrkit.characters import composed, phrase, unseen
from asrkit.errors import DataError, told

ONE_WORD = "one word, a str without white space, or a phrase of words with one blank between"
NAME = "a str that is not empty"


def texts_by_utt(references, hypotheses, speakers=None):
    """Check what `asrkit.score_errors` is given.

    Parameters
    ----------
    references, hypotheses, speakers : dict of str to str, or sequence of str
        As there.

    Returns
    -------
    references, hypotheses, speakers : dict of str to str
        By utterance id; no decision is "". The ids of sequences are their indices, with leading zeros, so
        that they sort as the sequence stands. Speakers are {} where there are none.

    Raises
    ------
    DataError
        An argument is not what it should be; the message says which, what it is and what it should be.
    """
    keyed = isinstance(references, Mapping)
    refs = _texts("references", references, keyed, is_word, ONE_WORD)
    if not refs:
        raise DataError("references is empty; it should have the word of at least one utterance")
    count = None if keyed else len(refs)
    decision = f'{ONE_WORD}, or "" or None for no decision'
    hyps = _texts("hypotheses", hypotheses, keyed, is_decision, decision, count)
    foreign = [utt for utt in hyps if utt not in refs]
    if foreign:
        raise DataError(
            f"hypotheses: {len(foreign)} of {len(hyps)} are of utterances that references has not: "
            f"{first(foreign)}"
        )
    if speakers is None:
        return refs, hyps, {}
    owners = _texts("speakers", speakers, keyed, is_name, NAME, count)
    lacking = [utt for utt in refs if utt not in owners]
    if lacking:
        raise DataError(
            f"speakers: {len(lacking)} of the {len(refs)} utterances of references have none: {first(lacking)}"
        )
    return refs, hyps, owners


def check_words(name, words):
    """List the words of an argument, composed; a DataError where it is no collection of words."""
    if isinstance(words, str | bytes) or not isinstance(words, Collection):
        raise DataError(f"{name} is {told(words)}; it should be a collection of words")
    for word in words:
        if not is_word(word):
            raise DataError(f"{name} holds {told(word)}; it should hold words, each {ONE_WORD}")
    return [composed(word) for word in words]


def is_word(value):
    """Whether it is one word or one phrase."""
    return isinstance(value, str) and value != "" and phrase(value) == value and not unseen(value)


def is_decision(value):
    return value is None or is_word(value) or (isinstance(value, str) and not value)


def is_name(value):
    return isinstance(value, str) and bool(value)


def first(utts, shown=5):
    """The first utterances in C-locale order, as text."""
    return ", ".join(c_sorted(utts)[:shown]) + (", …" if len(utts) > shown else "")


def c_sorted(keys):
    """Keys in C-locale (byte) order."""
    return sorted(keys, key=str.encode)


def _texts(name, values, keyed, fits, wanted, count=None):
    """Make an argument a dict of utterance id to text.

    Parameters
    ----------
    keyed : bool
        Whether references are a dict.
    fits : callable
        Whether a value is what is `wanted`.
    count : int, optional
        How many there must be.
    """
    items = _items(values)
    if items is None:
        raise DataError(
            f"{name} is {told(values)}; it should be a dict of utterance id to str, or a sequence of str"
        )
    if isinstance(values, Mapping) != keyed:
        own, other = ("a sequence", "a dict") if keyed else ("a dict", "a sequence")
        raise DataError(f"{name} is {own} and references {other}; they should be of one kind")
    if count is not None and len(items) != count:
        raise DataError(
            f"{name} has {len(items)} entries and references {count}; they should be equally long"
        )
    for place, value in items:
        if keyed and not is_name(place):
            raise DataError(f"{name} has the utterance id {told(place)}; it should be {NAME}")
        if not fits(value):
            raise DataError(f"{name}[{place!r}] is {told(value)}; it should be {wanted}")
    digits = len(str(len(items) - 1))
    texts = {
        composed(str(place)) if keyed else f"{place:0{digits}d}": composed(str(value or ""))
        for place, value in items
    }
    if len(texts) < len(items):
        own = Counter(composed(str(place)) for place, _ in items)
        twice = next(place for place, count in own.items() if count > 1)
        raise DataError(f"{name} has the utterance id '{twice}' twice, its letters composed and taken apart")
    return texts


def _items(values):
    """(key or index, value) pairs; None of what is neither a dict nor in any order."""
    if isinstance(values, Mapping):
        return list(values.items())
    if isinstance(values, str | bytes | Set):
        return None
    try:
        return list(enumerate(values))
    except TypeError:
        return None
