"""One phone of an alignment, and what names of phones say: silences, stress, positions in a word. No paths."""

import collections
import re
from dataclasses import dataclass, replace

# What aligners call the stretches that are no phone, in any case; TIMIT's closures (`bcl`) are phones.
SILENCES = frozenset(("", "sil", "sp", "spn", "nsn", "pau", "h#"))  # words of these names are none either
NOISES = frozenset(
    """silence ssil silb sile !sil !enter !exit !null pause epi lau laugh laughter noise nps vocnoise iver spoken_noise
    breath brth br_noise cough garbage gbg unk unknown oov eps usb""".split()
)
BRACKETS = ("<>", "[]", "{}", "()", "++", "**", "##", "__", "%%")  # all between the two is no phone
MARKS = re.compile(r"[_#.…:\-–—*+]*")  # without a letter: `_`, `#`, `--`, `...`, `_:`
POSITION = re.compile(r"(?<=.)_[BIES]$")  # Kaldi's: begin, inside and end of a word, a word by itself
# ARPAbet's vowels, in capitals, and nothing else: the digits of `a1` or `ao2` in other alphabets are tones.
STRESS = re.compile(r"(?<=^AA|^AE|^AH|^AO|^AW|^AX|^AY|^EH|^ER|^EY|^IH|^IY|^OW|^OY|^UH|^UW)[0-2]$")
# Times of two decimals: start and duration are each off by up to 5 ms, and so is the start of the next phone.
OVERLAP_S = 0.015
TINY_S = 1e-6  # far below any rounding of times, far above that of floats


@dataclass(frozen=True)
class Phone:
    """One aligned phone (or word); one of no length is kept, so that whoever scores it counts it.

    Attributes
    ----------
    label : str
    start_s, end_s : float
        Seconds from the start of the utterance.
    word : str
        The word it belongs to, where the alignment names it.
    word_index : int
        Which of the utterance's words that is, as one may be said twice in a row; -1 where it is not known.
    """

    label: str
    start_s: float
    end_s: float
    word: str = ""
    word_index: int = -1


def overlap(end_s, start_s):
    """Tell whether what starts at `start_s` overlaps what ends at `end_s`, by more than rounded times
    explain.
    """
    return start_s < end_s - OVERLAP_S - TINY_S


def is_unsaid(label):
    """Tell whether a label names no word and no phone: `sil`, `<p:>`, `[noise]`, `...`."""
    return (
        label.lower() in SILENCES
        or MARKS.fullmatch(label) is not None
        or (len(label) > 1 and label[0] + label[-1] in BRACKETS)
    )


def is_silence(label, more=()):
    """Tell whether a label names no phone; `more` are further silences, exactly as they are written.

    Brackets count in pairs alone: `{` and `<\\` are phones of X-SAMPA, and so are `b_<` and `t_+`.

    Examples
    --------
    >>> [is_silence(label) for label in ("SIL", "<p:>", "+NOISE+", "h#", "{", "bcl", "b_<")]
    [True, True, True, True, False, False, False]
    """
    return label in more or is_unsaid(label) or label.lower() in NOISES


def plain(label):
    """Strip stress and position: `AH0_B` is `AH`."""
    return STRESS.sub("", POSITION.sub("", label))


def clean(phones, *, strip_stress=True, strip_position=True, silences=()):
    """Leave out silences, those that `silences` names included, and reduce the others to plain names.

    Returns
    -------
    tuple of Phone
    collections.Counter
        The silences that were left out.
    """
    kept, left_out = [], collections.Counter()
    for phone in phones:
        bare = POSITION.sub("", phone.label)
        if phone.label in silences or is_silence(bare, silences):
            left_out[bare] += 1
            continue
        label = STRESS.sub("", bare) if strip_stress else bare
        label += "" if strip_position else phone.label[len(bare) :]
        kept.append(phone if label == phone.label else replace(phone, label=label))
    return tuple(kept), left_out
