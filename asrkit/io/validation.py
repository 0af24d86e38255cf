"""Find the faults of a data directory: each as one line with file, line, key, numbers and remedy."""

import functools
import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np

from asrkit.characters import BYTE_ORDER_MARK, composed, phrase, unseen
from asrkit.config import PathLike, option, parse_float, parse_int
from asrkit.errors import DataError, printable
from asrkit.features.frontend import unusable
from asrkit.io.archive import SPEC, read_matrix, resolve
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import (
    ORIGINALS,
    SIDE_BY_SPEAKER,
    SIDE_BY_UTT,
    TABLES,
    missing_file,
    parse_segment,
)
from asrkit.io.files import c_sorted, decode_line, fault_of_unseen, is_free, split_line
from asrkit.io.pipes import is_pipe, refuse_pipe
from asrkit.io.places import as_path, is_file
from asrkit.io.remarks import warn_of
from asrkit.io.speakers import compare_speakers
from asrkit.io.trainability import record_faults, vocabulary_faults, word_faults
from asrkit.runtime import ordered_map

log = logging.getLogger("asrkit")

CHECKED = (*TABLES, "spk2utt", *SIDE_BY_UTT, *SIDE_BY_SPEAKER, ORIGINALS)

# Tables where fix-data drops an utterance whose line is malformed.
REMOVED_BY_FIX = ("utt2spk", "text", "segments", "wav.scp", "feats.scp")

# Ends of segments are commonly rounded to 10 ms.
ROUNDING_S = 0.01


@dataclass(frozen=True)
class Checks:
    """What to look at, and what may be absent."""

    no_feats: bool = option(False, "feats.scp may be absent (where present it is checked)")
    no_text: bool = option(False, "text may be absent (where present it is checked)")
    no_wav: bool = option(False, "wav.scp may be absent (where present it is checked)")
    sentences: bool = option(
        False, "text may hold several words an utterance, as mixgop takes them and train does not"
    )
    phrases: bool = option(False, "several words an utterance are one class, as train --phrases takes them")
    allow_pipes: bool = option(False, "accept shell pipes in scp files; reading runs them")
    read_feats: bool = option(True, "read every feature matrix and CMVN statistic, not only its scp line")
    read_wavs: bool = option(True, "read every recording, not only look whether its file exists")


@dataclass(frozen=True)
class Entry:
    """Where a key stands in a table, and what follows it."""

    line: int
    value: str


def find_faults(path: PathLike, checks: Checks) -> list[str]:
    """Find all faults of a data directory; what is unusual but allowed is logged as a warning.

    Parameters
    ----------
    path : path
        The data directory.
    checks : Checks

    Returns
    -------
    list of str
        One line each; empty for a valid directory.
    """
    path = as_path(path)
    if not path.is_dir():
        return [f"{path}: no such directory (asrkit prepare-wavs makes one)"]
    faults = _absent(path, checks)
    tables = {}
    for name in CHECKED:
        if (path / name).exists():
            tables[name], found = _scan(path / name)
            faults += found
    faults += _compare_utts(path, tables)
    faults += compare_speakers(path, tables)
    faults += _compare_recordings(path, tables)
    segments = tables.get("segments", {})
    stated = {fields[0] for entry in segments.values() if len(fields := entry.value.split()) == 4}
    infos, found = _check_wavs(path, tables.get("wav.scp", {}), checks, stated)
    faults += found
    faults += _check_segment_places(path, segments, infos)
    shapes, found = _check_feats(path, tables, checks)
    faults += found
    dim = next(iter(shapes.values()))[1] if shapes else None
    faults += _check_cmvn(path, tables.get("cmvn.scp", {}), checks, dim)
    faults += record_faults(path)
    if not checks.sentences:
        text = tables.get("text", {})
        words = {utt: phrase(entry.value) if checks.phrases else entry.value for utt, entry in text.items()}
        faults += word_faults(path, words, {utt: entry.line for utt, entry in text.items()}, checks.phrases)
        if "feats.scp" in tables and checks.read_feats:
            frames = {utt: frames for utt, (frames, _) in shapes.items()}
            faults += vocabulary_faults(path, words, frames)
    return [printable(fault) for fault in faults]


def line_fault(name: str, value: str) -> str:
    """Find what is wrong with what follows the key on a line of the file `name`, or an empty string."""
    fields = value.split()
    if not fields:
        return "empty transcript" if name == "text" else "nothing follows the key"
    if name == "segments":
        try:
            parse_segment(value)
        except ValueError as error:
            return str(error)
    if name in ("utt2spk", ORIGINALS, *SIDE_BY_UTT, *SIDE_BY_SPEAKER) and len(fields) != 1:
        return f"{len(fields) + 1} fields instead of 2"
    if name == "spk2gender" and value not in ("m", "f"):
        return f"gender '{value}' is neither m nor f"
    if name in SIDE_BY_UTT:
        try:
            good = (parse_float if name == "utt2dur" else parse_int)(value) > 0
        except ValueError:
            good = False
        if not good:
            return f"'{value}' is not a positive {'number of seconds' if name == 'utt2dur' else 'count of frames'}"
    return ""


def _absent(path, checks):
    present = {name for name in CHECKED if (path / name).exists()}
    faults = [missing_file(path, name) for name in ("utt2spk", "spk2utt") if name not in present]
    if "text" not in present and not checks.no_text:
        faults.append(f"{missing_file(path, 'text')[:-1]}; no_text=true if by design)")
    if not present & {"wav.scp", "feats.scp"} and not (checks.no_wav and checks.no_feats):
        faults.append(
            f"{path}: neither wav.scp nor feats.scp (asrkit prepare-wavs and asrkit compute-mfcc make them)"
        )
    elif "wav.scp" not in present and not checks.no_wav:
        log.warning("%s: no wav.scp, only features (no_wav=true if by design)", path)
    elif "feats.scp" not in present and not checks.no_feats:
        log.warning(
            "%s: no feats.scp yet (asrkit compute-mfcc %s makes it; no_feats=true if by design)", path, path
        )
    if "segments" in present and "wav.scp" not in present:
        faults.append(f"{path}/segments: there is no wav.scp with its recordings ({path}/wav.scp)")
    return faults


def _scan(path):
    """Read the entries of one table, the first where a key is repeated, and the faults of its lines."""
    entries, faults = {}, []
    fix = f"asrkit fix-data {path.parent}"
    try:
        data = path.read_bytes()
    except OSError as error:
        return {}, [f"{path}: cannot be read: {error.strerror}"]
    if not data:
        return {}, [f"{path}: empty file"]
    if b"\r\n" in data:
        log.warning(
            "%s: lines end as on Windows; asrkit reads them, Kaldi does not (%s rewrites them)", path, fix
        )
    previous, taken_apart = None, []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        here = f"{path}:{number}"
        if line.startswith(BYTE_ORDER_MARK.encode()):
            faults.append(f"{here}: begins with a byte order mark ({fix} removes it)")
        text, fault = decode_line(line)
        own, value = split_line(text)
        if not own:
            faults.append(f"{here}: empty line ({fix} removes it)")
            continue
        names = own if is_free(path) else text
        sign = None if fault else unseen(names)
        if fault or sign:
            faults.append(f"{here}: {fault or fault_of_unseen(sign)}")
        key, value = composed(own), value if is_free(path) else composed(value)
        if names != composed(names):
            taken_apart.append(number)
        if key in entries:
            first = entries[key].line
            faults.append(f"{here}: key '{key}' appears twice, first on line {first} ({fix} keeps the first)")
            continue
        if previous is not None and own.encode() < previous.encode():
            faults.append(f"{here}: '{key}' comes after '{previous}', not in C-locale order ({fix} sorts it)")
        wrong = line_fault(path.name, value)
        if wrong:
            remedy = f"{fix} removes it" if path.name in REMOVED_BY_FIX else "correct it"
            faults.append(f"{here}: '{key}': {wrong} ({remedy})")
        entries[key] = Entry(number, value)
        previous = own
    if taken_apart:
        log.warning(
            "%s: %d lines have letters that are taken apart (NFD; first line %d); asrkit composes them, for Kaldi they are "
            "other words (%s rewrites them)",
            path,
            len(taken_apart),
            taken_apart[0],
            fix,
        )
    return entries, faults


def _compare_utts(path, tables):
    """Find every utterance that some file has and another lacks."""
    recordings = "segments" if "segments" in tables else "wav.scp"
    names = [n for n in ("utt2spk", "text", recordings, "feats.scp", *SIDE_BY_UTT) if n in tables]
    faults = []
    for utt in c_sorted({utt for name in names for utt in tables[name]}):
        having = [f"{name}:{tables[name][utt].line}" for name in names if utt in tables[name]]
        lacking = [name for name in names if utt not in tables[name]]
        if lacking:
            also = f" (also {', '.join(having[1:])})" if having[1:] else ""
            remedy = f"asrkit fix-data {path} removes it"
            if set(lacking) <= set(SIDE_BY_UTT):
                remedy = f"asrkit compute-mfcc {path} writes it anew"
            faults.append(
                f"{path}/{having[0]}: utterance '{utt}'{also} is not in {', '.join(lacking)} ({remedy})"
            )
    return faults


def _compare_recordings(path, tables):
    """Find recordings of segments that wav.scp lacks, and the reverse."""
    if not {"segments", "wav.scp"} <= tables.keys():
        return []
    wav, used, faults = tables["wav.scp"], set(), []
    for utt, entry in tables["segments"].items():
        recording = (entry.value.split() or [""])[0]
        used.add(recording)
        if recording and recording not in wav:
            faults.append(
                f"{path}/segments:{entry.line}: utterance '{utt}': recording '{recording}' is not in wav.scp "
                f"(asrkit fix-data {path} removes it)"
            )
    for recording, entry in wav.items():
        if recording not in used:
            here = f"{path}/wav.scp:{entry.line}: recording '{recording}'"
            faults.append(f"{here} is not in segments (asrkit fix-data {path} removes it)")
    return faults


def _check_wavs(path, wav, checks, stated):
    """Read the recordings: (duration in s, channels) of those that can be read, and the faults of the others; what is
    `stated` are recordings whose channels segments name.
    """
    places, rates, stereo, remarks, faults = {}, {}, [], {}, []
    given = {key: entry for key, entry in wav.items() if entry.value}
    check = functools.partial(_wav_info, path=path, checks=checks)
    infos = ordered_map(check, [entry.value for entry in given.values()], label="recordings")
    for (key, entry), (info, odd, fault) in zip(given.items(), infos):
        if fault:
            faults.append(f"{path}/wav.scp:{entry.line}: recording '{key}': {fault}")
        if info is None:
            continue
        rate, num_samples, channels = info
        remarks[f"'{key}'"] = None if key in stated else odd
        places[key] = num_samples / rate, channels
        rates.setdefault(rate, []).append(key)
        if channels > 1 and key not in stated:
            stereo.append(key)
    if len(rates) > 1:
        each = ", ".join(
            f"{len(keys)} at {rate} Hz (first '{keys[0]}')" for rate, keys in sorted(rates.items())
        )
        log.warning("%s/wav.scp: different sample rates in one directory: %s", path, each)
    if stereo:
        log.warning(
            "%s/wav.scp: %d recordings have several channels (first '%s')", path, len(stereo), stereo[0]
        )
    warn_of(remarks, used=False)
    return places, faults


def _wav_info(spec, path, checks):
    """What `audio_info` says of a recording, or None, its Remarks, or None, and its fault, or None."""
    remarks = [None]
    try:
        if not checks.read_wavs:
            _check_exists(spec, path, checks)
            return None, None, None
        info = audio_info(spec, base=path, allow_pipes=checks.allow_pipes, on_remarks=remarks.append)
        if info[1] == 0:
            raise DataError(f"{spec}: 0 samples (record it again, or leave it out)")
        return info, remarks[-1], None
    except DataError as error:
        return None, None, str(error)


def _check_exists(spec, path, checks):
    """Raise DataError for a forbidden pipe or a file that does not exist."""
    refuse_pipe(spec, checks.allow_pipes)
    if not is_pipe(spec) and not is_file(resolve(SPEC.fullmatch(spec)["path"], path)):
        raise DataError(f"{spec}: no such file")


def _check_segment_places(path, segments, infos):
    """Find segments past the end of their recording, or of a channel that it does not have."""
    faults = []
    for utt, entry in segments.items():
        try:
            segment = parse_segment(entry.value)
        except ValueError:
            continue  # told by _scan
        if segment.recording not in infos:
            continue
        duration_s, channels = infos[segment.recording]
        if (segment.channel or 0) >= channels:
            faults.append(
                f"{path}/segments:{entry.line}: utterance '{utt}': channel {segment.channel}, but recording "
                f"'{segment.recording}' has {channels} (count starts at 0)"
            )
        if segment.end_s > duration_s + ROUNDING_S or segment.start_s >= duration_s:
            times = f"{segment.start_s:g} to {segment.end_s:g} s"
            faults.append(
                f"{path}/segments:{entry.line}: utterance '{utt}': {times} lies past the end of recording "
                f"'{segment.recording}' of {duration_s:.3f} s (correct the times, -1 is the end)"
            )
    return faults


def _check_feats(path, tables, checks):
    """Find the shapes of all matrices that can be used, and the faults of the others."""
    faults, shapes = [], {}
    anew = f"asrkit compute-mfcc {path} computes it anew"
    feats, num_frames = tables.get("feats.scp", {}), tables.get("utt2num_frames", {})
    for utt, entry, array in _arrays(path, "feats.scp", feats, checks, faults):
        here = f"{path}/feats.scp:{entry.line}: utterance '{utt}'"
        if array.ndim == 2 and len(array):
            fault = unusable(array)
            if not fault:
                shapes[utt] = array.shape
            elif np.isfinite(array).all():  # the others are told of by _read_array
                faults.append(f"{here}: {fault} ({anew})")
        else:
            what = "0 frames" if array.size == 0 else f"a vector of {len(array)}, not a matrix"
            faults.append(f"{here}: {what} ({anew}, asrkit subset-data leaves it out)")
    usual_dim = Counter(dim for _, dim in shapes.values()).most_common(1)
    for utt, (frames, dim) in shapes.items():
        if dim != usual_dim[0][0]:
            here = f"{path}/feats.scp:{feats[utt].line}: utterance '{utt}'"
            faults.append(
                f"{here}: dimension {dim}, but {usual_dim[0][1]} others have {usual_dim[0][0]} ({anew})"
            )
        if utt in num_frames and num_frames[utt].value != str(frames):
            faults.append(
                f"{path}/utt2num_frames:{num_frames[utt].line}: utterance '{utt}': {num_frames[utt].value} frames, "
                f"but its matrix has {frames} ({anew})"
            )
    return {utt: shape for utt, shape in shapes.items() if shape[1] == usual_dim[0][0]}, faults


def _check_cmvn(path, cmvn, checks, dim):
    faults = []
    for speaker, entry, array in _arrays(path, "cmvn.scp", cmvn, checks, faults):
        here, anew = (
            f"{path}/cmvn.scp:{entry.line}: speaker '{speaker}'",
            f"asrkit compute-cmvn {path} computes it anew",
        )
        if array.ndim != 2 or len(array) != 2:
            faults.append(f"{here}: shape {array.shape}, not the two rows of CMVN statistics ({anew})")
        elif dim is not None and array.shape[1] != dim + 1:
            faults.append(
                f"{here}: statistics of shape {array.shape} for features of dimension {dim} ({anew})"
            )
    return faults


def _arrays(path, name, scp, checks, faults):
    """Yield (key, entry, array) of the entries of an scp file; those that cannot be read go to `faults`."""
    owner = "speaker" if name == "cmvn.scp" else "utterance"
    given = {key: entry for key, entry in scp.items() if entry.value}
    read = functools.partial(_read_array, path=path, checks=checks)
    arrays = ordered_map(read, [entry.value for entry in given.values()], label=name)
    for (key, entry), (array, fault) in zip(given.items(), arrays):
        if fault:
            faults.append(f"{path}/{name}:{entry.line}: {owner} '{key}': {fault}")
        if array is not None:
            yield key, entry, array


def _read_array(spec, path, checks):
    """An array, or None where it can't or shall not be read, and its fault, or None."""
    try:
        if not checks.read_feats:
            _check_exists(spec, path, checks)
            return None, None
        array = read_matrix(spec, base=path, allow_pipes=checks.allow_pipes)
    except DataError as error:
        return None, str(error)
    broken = array.size - int(np.isfinite(array).sum())
    return array, f"{broken} of {array.size} values are NaN or infinite (compute it anew)" if broken else None
