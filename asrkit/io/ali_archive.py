"""Alignments in Kaldi's archives, as ali-to-phones writes them."""

import re

import numpy as np

from asrkit.characters import composed
from asrkit.config import parse_int, shortened
from asrkit.errors import DataError
from asrkit.io.archive import MAX_DIGITS, SPEC, resolve
from asrkit.io.files import c_sorted, read_table
from asrkit.io.packed import gunzipped, text_lines
from asrkit.io.pipes import is_pipe, run_pipe
from asrkit.io.places import as_path
from asrkit.phones.phone import Phone

KEY = re.compile(rb"\s*(\S+)[ \t]?")  # of an archive


def read_phone_table(path):
    """Read Kaldi's phones.txt, lines `label number`: dict of number to label."""
    labels = {}
    for number, line in text_lines(path):
        try:
            label, text = line.split()
            index = parse_int(text)
        except ValueError:
            raise DataError(
                f"{path}:{number}: '{shortened(line)}' is not of the form `label number` (Kaldi's phones.txt is wanted)"
            ) from None
        if labels.setdefault(index, label) != label:
            raise DataError(
                f"{path}:{number}: number {index} is both '{labels[index]}' and '{label}' (keep one of the lines)"
            )
    return labels


def read_ali(path, labels, frame_shift_s, allow_pipes=False):
    """Read phones that Kaldi's ali-to-phones wrote, with `--per-frame` or with `--write-lengths`.

    One phone a frame: equal neighbours are one phone, so that two of the same in a row are only told apart by
    their positions in the word; `--write-lengths` keeps them apart.

    Parameters
    ----------
    path : path
        An archive, binary or text, gzipped or not; an scp file; or a folder with files `ali*`.
    labels : dict of int to str
        As `read_phone_table` gives them.
    allow_pipes : bool
        Run shell pipes found in an scp file.

    Returns
    -------
    dict of str to tuple of Phone
        Silences included; utterances in C-locale order.
    """
    path = as_path(path)
    files = find_alis(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no files ali*.ark or ali*.gz (ali-to-phones --per-frame makes them)")
    alignment = {}
    for file in files:
        runs = _scp_runs(file, allow_pipes) if file.suffix == ".scp" else _ark_runs(file)
        for utt, numbers, lengths in runs:
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
    """Find the archives that `read_ali` reads of a folder."""
    return sorted(file for file in as_path(folder).glob("ali*") if file.suffix in (".ark", ".gz"))


def _scp_runs(path, allow_pipes):
    """Yield (utterance, phone numbers, frames of each); the same entries as in an archive, each where the scp
    file says.
    """
    content, held = b"", None
    for utt, spec in read_table(path, check_sorted=False).items():
        if is_pipe(spec):
            try:
                entry = run_pipe(spec, allow_pipes)
                numbers, lengths, _ = _entry(entry, 0, b";" in entry, spec)
            except DataError as error:
                raise DataError(f"{path}: utterance '{utt}': {error}") from None
            yield utt, numbers, lengths
            continue
        match = SPEC.fullmatch(spec)
        if not match or match["range"] is not None or len(match["offset"] or "") > MAX_DIGITS:
            raise DataError(f"{path}: utterance '{utt}': '{spec}' is not of the form path:offset")
        if match["path"] != held:
            content, held = gunzipped(resolve(match["path"], path.parent)), match["path"]
            semicolons = b";" in content
        numbers, lengths, _ = _entry(content, parse_int(match["offset"] or "0"), semicolons, held)
        yield utt, numbers, lengths


def _ark_runs(path):
    content, place = gunzipped(path), 0
    semicolons = b";" in content
    while match := KEY.match(content, place):
        numbers, lengths, place = _entry(content, match.end(), semicolons, path)
        try:
            yield composed(match[1].decode()), numbers, lengths
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
                [parse_int(word) for word in content[start:place].replace(b";", b" ").decode().split()],
                dtype=np.int64,
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
