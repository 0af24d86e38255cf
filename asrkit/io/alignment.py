"""Which phone is spoken when: alignments as CTM files.

asrkit keeps an alignment as OUT/phones.ctm, Kaldi's lines `utterance channel start duration label`, in
seconds from the start of the utterance; OUT/words.ctm beside it says which words the phones belong to.
"""

import bisect
from dataclasses import replace

from asrkit.config import parse_float, shortened
from asrkit.errors import DataError
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.packed import text_lines
from asrkit.io.places import as_path
from asrkit.phones.phone import TINY_S, Phone, overlap

PHONES, WORDS = "phones.ctm", "words.ctm"


def read_alignment(path):
    """Read phones.ctm, and the words of words.ctm where that lies beside it.

    Parameters
    ----------
    path : path
        The folder that `asrkit mixgop import-alignment` wrote, or a CTM file of any name; either file may be
        gzipped.

    Returns
    -------
    dict of str to tuple of Phone
        Utterances in C-locale order, phones in the order of their starts. A phone's word is the one that its
        centre lies in.

    Raises
    ------
    DataError
        The file is missing or empty, or a line is no CTM line, or phones overlap by more than times of two
        decimals explain.
    """
    phones, words = find_ctm(path), find_ctm(path, WORDS)
    if phones is None:
        raise DataError(f"{as_path(path) / PHONES}: no such file (asrkit mixgop import-alignment makes it)")
    alignment = read_ctm(phones)
    return alignment if words is None else with_words(alignment, read_ctm(words))


def find_ctm(path, name=PHONES):
    """Find the CTM file of phones or words, gzipped or not, that belongs to a folder or to a file; None where
    there is none.

    A file is itself that of its phones; words belong to it where it is called phones.ctm.
    """
    path = as_path(path)
    if not path.is_dir():
        if name == PHONES:
            return path
        if path.name not in (PHONES, f"{PHONES}.gz"):
            return None
        path = path.parent
    return next((path / found for found in (name, f"{name}.gz") if (path / found).exists()), None)


def with_words(alignment, words):
    """Add each phone's word to an alignment: the one in which the phone's centre lies, `""` where none does."""
    return {utt: _with_words(phones, words.get(utt, ())) for utt, phones in alignment.items()}


def _with_words(phones, words):
    starts = [word.start_s for word in words]
    told = []
    for phone in phones:
        centre_s = (phone.start_s + phone.end_s) / 2
        index = bisect.bisect_right(starts, centre_s + TINY_S) - 1
        inside = index >= 0 and centre_s <= words[index].end_s + TINY_S
        told.append(replace(phone, word=words[index].label, word_index=index) if inside else phone)
    return tuple(told)


def read_ctm(path):
    """Read one CTM file as `read_alignment` does; empty lines and NIST's comments (`;;`) are passed over."""
    utts, channels = {}, {}
    for number, line in text_lines(path):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        where = f"{path}:{number}"
        utt, phone = _phone(fields, where)
        if channels.setdefault(utt, fields[1]) != fields[1]:
            raise DataError(
                f"{where}: utterance '{utt}' on channels {channels[utt]} and {fields[1]} (give each its own utterance)"
            )
        utts.setdefault(utt, []).append((phone, number))
    if not utts:
        raise DataError(f"{path}: holds no phones (lines `utterance channel start duration label`)")
    return {utt: _in_order(path, utt, utts[utt]) for utt in c_sorted(utts)}


def _phone(fields, where):
    """(utterance, Phone) of the fields of one CTM line."""
    wanted = "`utterance channel start duration label`"
    if len(fields) < 5:
        raise DataError(
            f"{where}: {len(fields)} fields instead of the 5 of {wanted} (write the line anew or remove it)"
        )
    utt, _, start, duration, label = fields[:5]
    try:
        start_s, duration_s = parse_float(start), parse_float(duration)
    except ValueError:
        raise DataError(
            f"{where}: utterance '{utt}': '{shortened(start)} {shortened(duration)}' are not a start and a duration in seconds (lines are {wanted})"
        ) from None
    if start_s < 0 or duration_s < 0:
        name, value = ("start", start_s) if start_s < 0 else ("duration", duration_s)
        raise DataError(
            f"{where}: utterance '{utt}': {name} {value:g} s is negative (times count from the start of the utterance)"
        )
    if len(fields) > 5 and not _is_confidence(fields[5]):
        raise DataError(
            f"{where}: utterance '{utt}': '{fields[5]}' is no confidence; a label is one word (lines are {wanted} [confidence])"
        )
    return utt, Phone(label, start_s, start_s + duration_s)


def _is_confidence(text):
    try:
        _ = text == "NA" or parse_float(text)
    except ValueError:
        return False
    return True


def _in_order(path, utt, numbered):
    """Phones by time, those of equal times in the order of the file; an overlap is an error."""
    numbered.sort(key=lambda pair: (pair[0].start_s, pair[0].end_s))
    for (before, _), (after, number) in zip(numbered, numbered[1:]):
        if overlap(before.end_s, after.start_s):
            raise DataError(
                f"{path}:{number}: utterance '{utt}': '{after.label}' starts at {after.start_s:g} s, "
                f"before '{before.label}' ends at {before.end_s:g} s (one alignment an utterance; keep one of the two)"
            )
    return tuple(phone for phone, _ in numbered)


def write_alignment(folder, alignment, words):
    """Write phones.ctm and words.ctm; words of an earlier alignment do not stay beside the phones of this
    one.

    Parameters
    ----------
    folder : path
    alignment, words : dict of str to sequence of Phone
        Of each utterance; without `words` there is no words.ctm.
    """
    for name in (WORDS, f"{WORDS}.gz", f"{PHONES}.gz"):
        remove(as_path(folder) / name)
    if words:
        write_ctm(as_path(folder) / WORDS, words)
    write_ctm(as_path(folder) / PHONES, alignment)


def write_ctm(path, alignment):
    """Write Kaldi's CTM, times to the tenth of a millisecond: start and end are rounded, so that what touches
    still touches.
    """
    with atomic_write(path) as stream:
        for utt in c_sorted(alignment):
            for phone in alignment[utt]:
                start, end = round(phone.start_s * 1e4), round(phone.end_s * 1e4)
                stream.write(f"{utt} 1 {start / 1e4:.4f} {(end - start) / 1e4:.4f} {phone.label}\n")


def unpaired(data, alignment):
    """Find the utterances with features but without alignment, and the other way round: dict of utt to
    reason.
    """
    reasons = {utt: "no alignment" for utt in data.feats if utt not in alignment}
    reasons.update(
        {utt: f"aligned, but not in {data.path / 'feats.scp'}" for utt in alignment if utt not in data.feats}
    )
    return reasons
