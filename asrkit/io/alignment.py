"""Which phone is spoken when: alignments as CTM files and in Kaldi's archives, cleaned and held against a
data directory.

asrkit keeps an alignment as OUT/phones.ctm, Kaldi's lines `utterance channel start duration label`, in
seconds from the start of the utterance; OUT/words.ctm beside it says which words the phones belong to.
"""

import bisect
import collections
import gzip
import math
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asrkit.errors import DataError
from asrkit.io.archive import SPEC, refuse_pipe, resolve
from asrkit.io.files import atomic_write, c_sorted, read_bytes, read_table

PHONES, WORDS = "phones.ctm", "words.ctm"
# in any case; and all in parentheses
SILENCES = frozenset(("", "sil", "sp", "spn", "nsn", "pau", "#", "<eps>", "<sil>"))
POSITION = re.compile(r"(?<=.)_[BIES]$")  # Kaldi's: begin, inside and end of a word, a word by itself
# ARPAbet's vowels, in capitals, and nothing else: the digits of `a1` or `ao2` in other alphabets are tones.
STRESS = re.compile(r"(?<=^AA|^AE|^AH|^AO|^AW|^AX|^AY|^EH|^ER|^EY|^IH|^IY|^OW|^OY|^UH|^UW)[0-2]$")
KEY = re.compile(rb"\s*(\S+)[ \t]?")  # of an archive
WINDOW_S = 0.025  # a recording is longer than its frames' shifts by up to one window
# Times of two decimals: start and duration are each off by up to 5 ms, and so is the start of the next phone.
OVERLAP_S = 0.015
TINY_S = 1e-6  # far below any rounding of times, far above that of floats


@dataclass(frozen=True)
class Phone:
    """One aligned phone (or word); one of no length is kept, so that whoever scores it counts it."""

    label: str
    start_s: float
    end_s: float
    word: str = ""  # the word it belongs to, where the alignment says so
    word_index: int = -1  # and which of the utterance's words that is: one may be said twice in a row


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
        raise DataError(f"{Path(path) / PHONES}: no such file (asrkit mixgop import-alignment makes it)")
    alignment = read_ctm(phones)
    return alignment if words is None else with_words(alignment, read_ctm(words))


def find_ctm(path, name=PHONES):
    """The CTM file of phones or words, gzipped or not, that belongs to a folder or to a file; None where
    there is none.

    A file is itself that of its phones; words belong to it where it is called phones.ctm.
    """
    path = Path(path)
    if not path.is_dir():
        if name == PHONES:
            return path
        if path.name not in (PHONES, f"{PHONES}.gz"):
            return None
        path = path.parent
    return next((path / found for found in (name, f"{name}.gz") if (path / found).exists()), None)


def with_words(alignment, words):
    """The alignment with each phone's word: the one in which the phone's centre lies, `""` where none does."""
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
    for number, line in enumerate(_text(path).split("\n"), 1):
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


def _content(path):
    """The bytes of a file, gzipped or not."""
    content = read_bytes(path)
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, OSError, zlib.error):
        raise DataError(f"{path}: a gzip file that is cut off or damaged (make it anew)") from None


def _text(path):
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{number}: not UTF-8 text (convert it, for example with iconv)") from None


def _phone(fields, where):
    """(utterance, Phone) of the fields of one CTM line."""
    wanted = "`utterance channel start duration label`"
    if len(fields) < 5:
        raise DataError(
            f"{where}: {len(fields)} fields instead of the 5 of {wanted} (write the line anew or remove it)"
        )
    utt, _, start, duration, label = fields[:5]
    try:
        start_s, duration_s = float(start), float(duration)
    except ValueError:
        start_s = duration_s = math.nan
    if not (math.isfinite(start_s) and math.isfinite(duration_s)):
        raise DataError(
            f"{where}: utterance '{utt}': '{start} {duration}' are not a start and a duration in seconds (lines are {wanted})"
        )
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
        return text == "NA" or math.isfinite(float(text))
    except ValueError:
        return False


def _in_order(path, utt, numbered):
    """Phones by time, those of equal times in the order of the file; an overlap is an error."""
    numbered.sort(key=lambda pair: (pair[0].start_s, pair[0].end_s))
    for (before, _), (after, number) in zip(numbered, numbered[1:]):
        if after.start_s < before.end_s - OVERLAP_S - TINY_S:
            raise DataError(
                f"{path}:{number}: utterance '{utt}': '{after.label}' starts at {after.start_s:g} s, "
                f"before '{before.label}' ends at {before.end_s:g} s (one alignment an utterance; keep one of the two)"
            )
    return tuple(phone for phone, _ in numbered)


def write_ctm(path, alignment):
    """Write Kaldi's CTM, times to the tenth of a millisecond: start and end are rounded, so that what touches
    still touches.
    """
    with atomic_write(path) as stream:
        for utt in c_sorted(alignment):
            for phone in alignment[utt]:
                start, end = round(phone.start_s * 1e4), round(phone.end_s * 1e4)
                stream.write(f"{utt} 1 {start / 1e4:.4f} {(end - start) / 1e4:.4f} {phone.label}\n")


def read_phone_table(path):
    """Kaldi's phones.txt, lines `label number`, as a dict from number to label."""
    labels = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        fields = line.split()
        if len(fields) != 2 or not fields[1].isdecimal():
            raise DataError(
                f"{path}:{number}: '{line}' is not of the form `label number` (Kaldi's phones.txt is wanted)"
            )
        if labels.setdefault(int(fields[1]), fields[0]) != fields[0]:
            raise DataError(
                f"{path}:{number}: number {fields[1]} is both '{labels[int(fields[1])]}' and '{fields[0]}' (keep one of the lines)"
            )
    return labels


def read_ali(path, labels, frame_shift_s):
    """Read phones that Kaldi's ali-to-phones wrote, with `--per-frame` or with `--write-lengths`.

    One phone a frame: equal neighbours are one phone, so that two of the same in a row are only told apart by
    their positions in the word; `--write-lengths` keeps them apart.

    Parameters
    ----------
    path : path
        An archive, binary or text, gzipped or not; an scp file; or a folder with files `ali*`.
    labels : dict of int to str
        As `read_phone_table` gives them.

    Returns
    -------
    dict of str to tuple of Phone
        Silences included; utterances in C-locale order.
    """
    path = Path(path)
    files = find_alis(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no files ali*.ark or ali*.gz (ali-to-phones --per-frame makes them)")
    alignment = {}
    for file in files:
        for utt, numbers, lengths in _scp_runs(file) if file.suffix == ".scp" else _ark_runs(file):
            where = f"{file}: utterance '{utt}'"
            if utt in alignment:
                raise DataError(f"{where} appears twice (keep one of the two)")
            unknown = next((int(number) for number in numbers if int(number) not in labels), None)
            if unknown is not None:
                raise DataError(
                    f"{where}: no phone has the number {unknown} (of transition ids ali-to-phones --per-frame makes phones)"
                )
            ends = np.concatenate([[0], np.cumsum(lengths)])
            alignment[utt] = tuple(
                Phone(labels[int(number)], float(ends[i] * frame_shift_s), float(ends[i + 1] * frame_shift_s))
                for i, number in enumerate(numbers)
            )
    return {utt: alignment[utt] for utt in c_sorted(alignment)}


def find_alis(folder):
    """The archives that `read_ali` reads of a folder."""
    return sorted(file for file in Path(folder).glob("ali*") if file.suffix in (".ark", ".gz"))


def _scp_runs(path):
    """Yield (utterance, phone numbers, frames of each); the same entries as in an archive, each where the scp
    file says.
    """
    content, held = b"", None
    for utt, spec in read_table(path, check_sorted=False).items():
        refuse_pipe(spec, False)
        match = SPEC.fullmatch(spec)
        if not match or match["range"] is not None:
            raise DataError(f"{path}: utterance '{utt}': '{spec}' is not of the form path:offset")
        if match["path"] != held:
            content, held = _content(resolve(match["path"], path.parent)), match["path"]
            semicolons = b";" in content
        numbers, lengths, _ = _entry(content, int(match["offset"] or 0), semicolons, held)
        yield utt, numbers, lengths


def _ark_runs(path):
    content, place = _content(path), 0
    semicolons = b";" in content
    while match := KEY.match(content, place):
        numbers, lengths, place = _entry(content, match.end(), semicolons, path)
        try:
            yield match[1].decode(), numbers, lengths
        except UnicodeDecodeError:
            raise DataError(f"{path}: no archive, its keys are not text (at byte {match.start()})") from None


def _entry(content, place, semicolons, path):
    """Phone numbers and frames of each from the entry at `place`, and where it ends.

    Binary pairs say how many pairs they are, and look as half as many single numbers would, but for what
    follows: no key starts with the byte 4 that goes before each number. Pairs in text have a semicolon
    between them, so that a single pair is one only where `semicolons` stand elsewhere in the file.
    """
    start = place
    try:
        if content[place : place + 3] == b"\0B\4":
            count = int.from_bytes(content[place + 3 : place + 7], "little", signed=True)
            first, place = place + 7, place + 7 + 5 * count
            pairs = content[place : place + 1] == b"\4"
            count, place = (2 * count, first + 10 * count) if pairs else (count, place)
            records = np.frombuffer(content[first:place], dtype=[("size", "i1"), ("value", "<i4")])
            if count < 0 or len(records) != count or (records["size"] != 4).any():
                raise ValueError
            numbers = records["value"]
        else:
            place = content.index(b"\n", place)  # the last number of a line without end may lack digits
            pairs = semicolons
            numbers = np.array(
                [int(word) for word in content[start:place].replace(b";", b" ").split()], dtype=np.int64
            )
        numbers, lengths = (numbers[0::2], numbers[1::2]) if pairs else _runs(numbers)
        if len(numbers) != len(lengths) or (lengths < 0).any():
            raise ValueError
    except (ValueError, OverflowError):
        raise DataError(
            f"{path}: cut off or no archive of whole numbers, at byte {start} (write it anew)"
        ) from None
    return numbers, lengths, place


def _runs(frames):
    """The number of each run of equal ones, and how long it is."""
    starts = np.flatnonzero(np.diff(frames, prepend=frames[:1] - 1))
    return frames[starts], np.diff(starts, append=len(frames))


def clean(phones, *, strip_stress=True, strip_position=True):
    """Phones without silences, by plain names.

    Returns
    -------
    tuple of Phone
    collections.Counter
        The silences that were left out.
    """
    kept, silences = [], collections.Counter()
    for phone in phones:
        plain = POSITION.sub("", phone.label)
        if is_silence(plain):
            silences[plain] += 1
            continue
        label = STRESS.sub("", plain) if strip_stress else plain
        label += "" if strip_position else phone.label[len(plain) :]
        kept.append(phone if label == phone.label else replace(phone, label=label))
    return tuple(kept), silences


def is_silence(label):
    return label.lower() in SILENCES or (label[0] == "(" and label[-1] == ")")


def misfits(alignment, data):
    """Utterances of a data directory and an alignment that do not fit each other.

    Returns
    -------
    skipped : dict of str to str
        Utterance -> why it can't be used.
    unknown : int
        How many were not held against a length, because neither utt2dur, segments nor utt2num_frames knows
        one.
    """
    lengths = utterance_lengths(data)
    utts = set(data.utts)
    skipped, unknown = {utt: "no alignment" for utt in data.utts if utt not in alignment}, 0
    for utt, phones in alignment.items():
        last = max(phones, key=lambda phone: phone.end_s)
        if utt not in utts:
            skipped[utt] = f"not in {data.path}"
        elif utt not in lengths:
            unknown += 1
        elif last.end_s > lengths[utt] + OVERLAP_S:
            skipped[utt] = f"'{last.label}' ends at {last.end_s:.2f} s, the utterance at {lengths[utt]:.2f} s"
    return skipped, unknown


def utterance_lengths(data):
    """Seconds of each utterance as far as the directory knows them: utt2dur, segments, utt2num_frames (and a
    window).
    """
    lengths = {}
    frames = _numbers(data.path / "utt2num_frames")
    if frames:
        shift_s = frame_shift_s(data)
        lengths.update({utt: count * shift_s + WINDOW_S for utt, count in frames.items()})
    lengths.update(
        {
            utt: segment.end_s - segment.start_s
            for utt, segment in data.segments.items()
            if segment.end_s != -1
        }
    )
    return lengths | _numbers(data.path / "utt2dur")


def frame_shift_s(data):
    """Seconds a frame of a data directory's features: from the file frame_shift, else Kaldi's 10 ms."""
    return next(iter(_numbers(data.path / "frame_shift", keyed=False).values()), 0.01)


def _numbers(path, keyed=True):
    """A table of numbers, or of one without a key; `{}` where there is no such file."""
    try:
        table = read_table(path, check_sorted=False) if path.exists() else {}
        return {key: float(value if keyed else key) for key, value in table.items()}
    except ValueError:
        raise DataError(f"{path}: a value is no number (asrkit compute-mfcc writes it anew)") from None
