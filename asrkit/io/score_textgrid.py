"""Scores of pronunciation as TextGrid files, to be looked at in Praat beside the recording.

A file has the tiers `words` (where the alignment has words), `phones`, and one for each kind of score. All
files of one scoring have the same tiers, so that a script may count on their numbers: a kind that has no
value at all has no tier. The intervals of a kind are those of the phones, their text the score with about
four digits, never as 1e-05. A phone without a score has an empty text, as a pause has: Praat leaves empty
intervals out of its counts and tables, and the text `nan` it would take for a label.
"""

import logging
import math

import numpy as np

from asrkit.config import parse_float
from asrkit.io.files import read_lines, remove
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.io.ratings import read_scores
from asrkit.io.reading import reading
from asrkit.io.textgrid import write_textgrid
from asrkit.phones.phone import Phone

FOLDER, SUFFIX = "textgrid", ".TextGrid"
SHOWN = 5

log = logging.getLogger("asrkit")


def remove_score_textgrids(out):
    """Delete the TextGrids of an earlier scoring."""
    for path in (as_path(out) / FOLDER).glob(f"*{SUFFIX}"):
        remove(path)


def write_score_textgrids(out, kinds, ends):
    """Write OUT/textgrid/<utt>.TextGrid for every utterance of OUT/phones.tsv, its words those of
    OUT/words.tsv.

    Phones that overlap by the rounding of their times (`read_alignment` refuses more) touch in the file: the
    later one starts where the earlier ends. One that has no length, or lies within the one before it, has no
    interval, and a warning names its utterance.

    Parameters
    ----------
    out : path
        Folder of `asrkit mixgop score`.
    kinds : sequence of str
        Columns of phones.tsv that are scores.
    ends : dict of str to float
        Where each recording ends, in seconds, as far as that is known.
    """
    scores = read_scores(as_path(out), kinds)
    columns = scores.columns
    kinds = [kind for kind in kinds if not np.isnan(columns[kind]).all()]
    words = read_words(as_path(out) / "words.tsv")
    lost = []
    for utt, lines in scores.rows.items():
        spans = [(columns["start"][line], columns["end"][line]) for line in lines]
        tiers = {"words": words.get(utt, ())} if words else {}
        tiers["phones"] = intervals(columns["phone"][lines], spans)
        for kind in kinds:
            tiers[kind] = intervals([score_text(value) for value in columns[kind][lines]], spans)
        if write_textgrid(as_path(out) / FOLDER / (file_name(utt) + SUFFIX), tiers, ends.get(utt, 0.0)):
            lost.append(utt)
    if lost:
        some = ", ".join(lost[:SHOWN]) + (", …" if len(lost) > SHOWN else "")
        log.warning(
            "%d utterances: phones without length, or within the one before, are not in the TextGrids: %s",
            len(lost),
            some,
        )


def intervals(texts, spans):
    return [Phone(text, *span) for text, span in zip(texts, spans, strict=True)]


def read_words(path):
    """Read the words of each utterance: dict of utt to list of intervals."""
    words = {}
    for number, line in read_lines(path):
        if number > 1:
            with reading(f"{path}:{number}", "no line of words", "asrkit mixgop score writes it anew"):
                utt, _, word, start_s, end_s, *_ = line.split("\t")
                words.setdefault(utt, []).append(Phone(word, parse_float(start_s), parse_float(end_s)))
    return words


def score_text(value):
    """Write a score with about four digits: `-97.29`, `0.3193`, `-123457`; nothing for nan."""
    if math.isnan(value):
        return ""
    if math.isinf(value) or not value:
        return f"{value:.0f}"
    decimals = min(max(3 - math.floor(math.log10(abs(value))), 0), 4)
    text = f"{value:.{decimals}f}"
    return text if float(text) else "0"
