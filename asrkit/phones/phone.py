"""One phone of an alignment, and what names of phones say: silences, stress, positions in a word. No paths."""

import collections
import re
from dataclasses import dataclass, replace

# in any case; and all in parentheses
SILENCES = frozenset(("", "sil", "sp", "spn", "nsn", "pau", "#", "<eps>", "<sil>"))
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


def is_silence(label):
    return label.lower() in SILENCES or (label[0] == "(" and label[-1] == ")")


def plain(label):
    """Strip stress and position: `AH0_B` is `AH`."""
    return STRESS.sub("", POSITION.sub("", label))


def clean(phones, *, strip_stress=True, strip_position=True):
    """Leave out silences, and reduce the others to plain names.

    Returns
    -------
    tuple of Phone
    collections.Counter
        The silences that were left out.
    """
    kept, silences = [], collections.Counter()
    for phone in phones:
        bare = POSITION.sub("", phone.label)
        if is_silence(bare):
            silences[bare] += 1
            continue
        label = STRESS.sub("", bare) if strip_stress else bare
        label += "" if strip_position else phone.label[len(bare) :]
        kept.append(phone if label == phone.label else replace(phone, label=label))
    return tuple(kept), silences
