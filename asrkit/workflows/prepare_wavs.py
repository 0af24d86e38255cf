"""Turn a folder of recordings into a Kaldi data directory: wav.scp, text, utt2spk, spk2utt."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asrkit.audio.endpoint import PHRASE_GAP_MS, UNTRIMMED_S, EndpointConfig
from asrkit.characters import CONTROL, UNSEEN, composed, phrase
from asrkit.config import PathLike, nearest
from asrkit.errors import DataError, SettingsError
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import DataDir, subset, write_data_dir
from asrkit.io.ffmpeg import FFMPEG_SUFFIXES, ffmpeg_path, is_text
from asrkit.io.files import c_sorted, read_table
from asrkit.io.holds import holding
from asrkit.io.places import RemotePath, absolute, as_path, open_place
from asrkit.io.remarks import Remarks, warn_of
from asrkit.runtime import ordered_map
from asrkit.workflows.detect_endpoints import Ends, find_ends, record_endpoints, time_beside

# What libsndfile reads, as people and corpora call it; under any other name it is known by its first bytes.
AUDIO_SUFFIXES = tuple(
    ".wav .wave .bwf .flac .ogg .oga .opus .mp3 .mp2 .mpga .aif .aiff .aifc .aff .au .snd .caf .w64 .rf64"
    " .sph .sphere .nist .wv1 .wv2".split()
)
# Sound that neither libsndfile nor ffmpeg can read by itself.
OTHER_SOUND = tuple(".raw .pcm .vox .gsm .sd2 .shn .dsf .dff .qcp .m4p .m4r".split())
BACKUPS = ("~", ".bak", ".old", ".orig", ".tmp", ".part", ".crdownload")
CONVERT = "install ffmpeg, or convert them: ffmpeg -i FILE FILE.wav"
PLACEHOLDERS = ("word", "speaker", "index", "*")
MAX_NAMED = 5

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Prepared:
    """A data directory made of recordings.

    Attributes
    ----------
    data_dir : path
    data : DataDir
        What was written.
    skipped : dict of str to str
        Utterances whose recordings can't be used, with the reasons.
    left_out : dict of str to int
        How many files were passed over, by suffix: those that are no recordings, or in a format that can't be read.
    beside_s : float, optional
        How much of a recording is not its word, in the median; None where nobody looked.
    ends : Ends, optional
        Where the words are; None where the recordings are taken whole.
    """

    data_dir: PathLike
    data: DataDir
    skipped: dict[str, str]
    left_out: dict[str, int] = field(default_factory=dict)
    beside_s: float | None = None
    ends: Ends | None = None

    def lines(self) -> list[str]:
        """How many recordings, words and speakers there are, what was passed over, and that speakers are not known."""
        num_words, speakers = len(set(self.data.text.values())), set(self.data.utt2spk.values())
        known = speakers.isdisjoint(self.data.utt2spk)
        by = f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}" if known else "unknown speakers"
        lines = [f"prepared {len(self.data.wav)} recordings of {num_words} words by {by} in {self.data_dir}"]
        if self.left_out:
            sound = [suffix for suffix in sorted(self.left_out) if is_unread_sound(suffix)]
            remedy = f" ({', '.join(sound)}: {CONVERT})" if sound else ""
            lines.append(f"left out: {sum(self.left_out.values())} files: {by_suffix(self.left_out)}{remedy}")
        if self.beside_s is not None:
            trimmed = "trimmed, taken whole" if self.ends is None else "not trimmed"
            lines.append(f"{trimmed}: {self.beside_s:.2f} s beside the word in the median")
        if self.ends is not None:
            lines += self.ends.lines()
        if not known:
            lines.append(
                "speakers are not known, each utterance counts as one of its own (speaker=NAME, or {speaker} in the pattern, says who "
                "speaks; asrkit crossval --by random needs none)"
            )
        return lines


@holding("data_dir")
def prepare_wavs(
    recordings_dir: PathLike,
    data_dir: PathLike,
    *,
    pattern: str = "{word}/{index}",
    speaker: str | None = None,
    word_map: PathLike | None = None,
    skip_bad: bool = False,
    phrases: bool = False,
    endpoints: bool | None = None,
    jobs: int = 1,
) -> Prepared:
    """Write a data directory of the recordings in a folder, whose paths say which words they hold.

    Parameters
    ----------
    recordings_dir, data_dir : path
        Folder of recordings, and data directory to write.
    pattern : str
        How a path below `recordings_dir` is made up: {word}, {speaker}, and {index} or {*} for what only
        tells recordings apart. Without an extension it fits every audio format.
    speaker : str, optional
        One speaker for all; without one, and without {speaker}, each utterance is its own.
    word_map : path, optional
        Table of lines such as `Z zero`: what a {word} stands for.
    skip_bad : bool
        Leave out recordings that can't be used instead of failing.
    phrases : bool
        A {word} with blanks, or what `word_map` says it stands for, is a phrase; else its blanks become `_`.
    endpoints : bool, optional
        Find the word in each recording, as `detect_endpoints` does with its default settings, but for pauses of up to 0.5 s in phrases; one in which
        nothing is found is taken whole. By default where the recordings are not trimmed: where more than 0.3 s of them are not the word, in the median.
    jobs : int
        Processes.

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        No recording fits or can be used, or none of a word's; two come to the same utterance, or a table is malformed.
    SettingsError
        The pattern has an unknown placeholder or no {word}, or the speaker is said twice.
    """
    regex = compile_pattern(pattern)
    if speaker is not None and "speaker" in regex.groupindex:
        raise SettingsError(f"speaker={speaker}, but the pattern '{pattern}' has a {{speaker}} too")
    recordings, others = find_recordings(as_path(recordings_dir))
    matches = match_recordings(as_path(recordings_dir), recordings, pattern, regex)
    words = read_words(word_map, matches.values(), phrases) if word_map else {}
    data = name_utterances(matches, speaker, words, as_path(data_dir), phrases)
    refuse_lost_words(as_path(recordings_dir), others, pattern, words, data, phrases)
    bad = find_bad(data.wav)
    good = {utt: path for utt, path in data.wav.items() if utt not in bad}
    beside_s = time_beside(good, base=data.path, jobs=jobs) if endpoints is None else None
    ends, config = None, EndpointConfig(max_gap_ms=PHRASE_GAP_MS) if phrases else EndpointConfig()
    if endpoints or (beside_s is not None and beside_s > UNTRIMMED_S):
        ends = find_ends(good, config, base=data.path, whole=True, jobs=jobs)
        bad |= ends.skipped
    for reason in bad.values():
        log.warning("%s", reason)
    if bad and not skip_bad:
        raise DataError(
            f"{recordings_dir}: {len(bad)} of {len(matches)} recordings cannot be used (skip_bad=true leaves them out)"
        )
    if len(bad) == len(matches):
        raise DataError(f"{recordings_dir}: none of {len(matches)} recordings can be used")
    kept = subset(data, data.wav.keys() - bad.keys())
    lost = c_sorted(set(data.text.values()) - set(kept.text.values()))
    if lost:
        named = name_some([f"'{word}'" for word in lost])
        raise DataError(
            f"{recordings_dir}: no recording can be used of {len(lost)} words: {named} "
            "(record them again, or take their files away)"
        )
    if ends is not None:
        kept = replace(kept, segments=ends.segments())
    write_data_dir(kept, data_dir)
    if ends is not None:
        record_endpoints(config, kept.path)
    left_out = Counter(suffix_of(path) for path in others)
    return Prepared(data_dir, kept, bad, left_out, beside_s, ends)


def compile_pattern(text: str) -> re.Pattern[str]:
    """Make a path pattern a regular expression; groups `word`, `speaker`, and one a further placeholder."""
    pieces = re.split(r"\{([^{}]*)\}", composed(text))  # text, placeholder, text, placeholder, ..., text
    regex = re.escape(pieces[0])
    seen = set()
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        if name not in PLACEHOLDERS:
            raise SettingsError(
                f"pattern='{text}': unknown placeholder {{{name}}}{nearest(name, PLACEHOLDERS)}"
            )
        beside = "".join(
            sign for sign in pieces[place - 1][-1:] + pieces[place + 1][:1] if not sign.isalnum()
        )
        group = name if name in ("word", "speaker") else f"other{place}"
        regex += f"(?P={name})" if group in seen else f"(?P<{group}>[^/{re.escape(beside)}]+?)"
        regex += re.escape(pieces[place + 1])
        seen.add(group)
    if "word" not in seen:
        raise SettingsError(f"pattern='{text}' has no {{word}}")
    return re.compile(regex)


def find_recordings(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the files below a folder, in order: recordings, and what is none; hidden files and folders are passed over.

    What is called as a recording is one, damaged or not; what is called otherwise is one if libsndfile opens it, unless
    its name says that it is a copy put aside.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    suffixes = {*AUDIO_SUFFIXES, *(FFMPEG_SUFFIXES if ffmpeg_path() else ())}
    if isinstance(folder, RemotePath):
        files = [path for path in folder.rglob("*") if not is_hidden(path, folder)]
        known = {path for path in files if suffix_of(path) in suffixes}
        return some_recordings(folder, list(known), [path for path in files if path not in known])

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}")

    recordings: list[Path] = []
    others: list[Path] = []
    empty: list[str] = []
    # Not rglob: whether that follows links to folders depends on the Python version.
    for below, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        if not folders and not names:
            empty.append(os.path.relpath(below, folder))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(below) / name for name in names if not name.startswith(".")):
            aside = path.name.lower().endswith(BACKUPS)
            known = suffix_of(path) in suffixes
            (recordings if known or (not aside and opens(path)) else others).append(path)
    if empty:
        log.warning("%s: %d empty folders: %s", folder, len(empty), name_some(sorted(empty)))
    return some_recordings(folder, recordings, others)


def is_hidden(path: Path, folder: Path) -> bool:
    return any(name.startswith(".") for name in path.relative_to(folder).parts)


def some_recordings(
    folder: Path, recordings: list[Path], others: list[Path]
) -> tuple[list[Path], list[Path]]:
    """Put what was found in order; a DataError where no recording is among it."""
    if not recordings:
        there = by_suffix(Counter(map(suffix_of, others))) or "no files at all"
        raise DataError(
            f"{folder}: no recordings, but {there} (convert them, for example ffmpeg -i FILE FILE.wav; "
            f"read are {' '.join(AUDIO_SUFFIXES)})"
        )
    return sorted(recordings, key=os.fsencode), sorted(others, key=os.fsencode)


def opens(path: Path) -> bool:
    """Whether libsndfile knows a file by its first bytes."""
    import soundfile

    try:  # by its number, for of some names libsndfile takes any bytes for samples
        with open(path, "rb", buffering=0) as stream, soundfile.SoundFile(stream.fileno(), closefd=False):
            return path.is_file()
    except (OSError, ValueError, soundfile.SoundFileError):
        return False


def suffix_of(path: Path) -> str:
    return path.suffix.lower()


def is_text_file(path: Path) -> bool:
    """Whether a file is text by its beginning, or empty, or can't be read."""
    try:
        with open_place(path) as stream:
            return is_text(stream.read(512))
    except OSError:
        return True


def is_unread_sound(suffix: str) -> bool:
    """Whether files of a suffix that were passed over are sound."""
    return suffix in FFMPEG_SUFFIXES or suffix in OTHER_SOUND


def by_suffix(counts: Mapping[str, int]) -> str:
    """Write how many files of each suffix there are, the most first: `.m4a 5, .txt 2`."""
    order = sorted(counts, key=lambda suffix: (-counts[suffix], suffix))
    return ", ".join(f"{suffix or 'without suffix'} {counts[suffix]}" for suffix in order)


def refuse_lost_words(
    folder: Path,
    others: Iterable[Path],
    pattern_text: str,
    words: Mapping[str, str],
    data: DataDir,
    phrases: bool,
) -> None:
    """Raise a DataError where all recordings of a word are in formats that can't be read; warn where all its files are
    none of sound, nor text.
    """
    bare = (
        pattern_text.removesuffix(Path(pattern_text).suffix) if "}" not in Path(pattern_text).suffix else ""
    )
    patterns = [compile_pattern(text) for text in (pattern_text, bare) if text]
    lost: dict[str, Counter[str]] = {}
    for path in others:
        below = composed(path.relative_to(folder).with_suffix("").as_posix())
        match = next((found for pattern in patterns if (found := pattern.fullmatch(below))), None)
        if match and (is_unread_sound(suffix_of(path)) or not is_text_file(path)):
            word = words.get(match["word"], clean_word(match["word"], phrases))
            lost.setdefault(word, Counter())[suffix_of(path)] += 1
    for word in data.text.values():
        lost.pop(word, None)
    odd = {word: counts for word, counts in lost.items() if not any(map(is_unread_sound, counts))}
    if odd:
        named = name_some([f"'{word}' ({by_suffix(counts)})" for word, counts in odd.items()])
        log.warning("%s: nothing that is known as a recording of %d words: %s", folder, len(odd), named)
    lost = {word: counts for word, counts in lost.items() if word not in odd}
    if lost:
        named = name_some([f"'{word}' ({by_suffix(counts)})" for word, counts in lost.items()])
        raise DataError(f"{folder}: no recording can be read of {len(lost)} words: {named} ({CONVERT})")


def match_recordings(
    folder: Path, recordings: Sequence[Path], pattern_text: str, pattern: re.Pattern[str]
) -> dict[str, re.Match[str]]:
    """Match the paths of recordings below `folder`: dict of recording to match, in order."""
    suffixes = {*AUDIO_SUFFIXES, *map(suffix_of, recordings)} - {""}
    has_suffix = suffix_of(Path(pattern_text)) in suffixes
    matches, strangers = {}, []
    for path in recordings:
        below = path.relative_to(folder)
        match = pattern.fullmatch(composed((below if has_suffix else below.with_suffix("")).as_posix()))
        if match:
            matches[str(absolute(path))] = match
        else:
            strangers.append(str(below))
    some = f"{len(strangers)} of {len(recordings)} recordings do not match '{pattern_text}': {name_some(strangers)}"
    if not matches:
        raise DataError(f"{folder}: {some} (give another pattern)")
    if strangers:
        log.warning("left out: %s", some)
    return matches


def name_some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")


def name_utterances(
    matches: Mapping[str, re.Match[str]],
    one_speaker: str | None,
    words: Mapping[str, str],
    data_dir: Path,
    phrases: bool,
) -> DataDir:
    """Make the data directory of matched recordings.

    Raises
    ------
    DataError
        Two recordings or two speakers come to the same id.
    """
    wav: dict[str, str] = {}
    text: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    raw_speakers: dict[str, str] = {}
    for path, match in matches.items():
        groups = match.groupdict()
        raw_word, raw_speaker = groups.pop("word"), groups.pop("speaker", one_speaker)
        utt = "-".join(clean(part) for part in (raw_word, *groups.values()))
        speaker = utt
        if raw_speaker is not None:
            speaker = clean_speaker(raw_speaker)
            utt = f"{speaker}-{utt}"
            if raw_speakers.setdefault(speaker, raw_speaker) != raw_speaker:
                both = f"'{raw_speaker}' and '{raw_speakers[speaker]}'"
                raise DataError(f"{path}: speakers {both} both become '{speaker}' (rename one)")
        if utt in wav:
            both = f"{path} and {wav[utt]}"
            raise DataError(
                f"{both} both become utterance '{utt}' (rename one, or let the pattern tell them apart)"
            )
        wav[utt] = path
        text[utt] = words.get(raw_word, clean_word(raw_word, phrases))
        utt2spk[utt] = speaker
    return DataDir(data_dir, wav=wav, text=text, utt2spk=utt2spk)


def clean(part: str) -> str:
    """Make a part of an utterance id: no white space or unseen characters, composed letters (macOS takes them apart)."""
    return UNSEEN.sub("", re.sub(r"\s", "_", composed(part))) or "_"


def clean_word(part: str, phrases: bool) -> str:
    """Make a word, or a phrase, of a part of a path."""
    return " ".join(map(clean, part.split())) or "_" if phrases else clean(part)


def clean_speaker(name: str) -> str:
    """Make a speaker id without signs up to `-`, which follows it in ids: so `bob` sorts before `bob_b`."""
    return re.sub(r"[\x00-\x2d]", "_", clean(name))


def read_words(path: PathLike, matches: Iterable[re.Match[str]], phrases: bool) -> dict[str, str]:
    """Read the table of what each {word} stands for."""
    words = read_table(path, check_sorted=False)
    for name, word in words.items():
        if len(word.split()) != 1 and not (phrases and word):
            remedy = " (phrases=true takes it for one class)" * bool(word)
            raise DataError(f"{path}: '{name}': '{word}' is not one word{remedy}")
        words[name] = phrase(word)
    unused = c_sorted(words.keys() - {match["word"] for match in matches})
    if unused:
        log.warning("%s: no recording is called %s", path, ", ".join(unused))
    return words


def find_bad(wav: Mapping[str, str]) -> dict[str, str]:
    """Find recordings that can't be used: dict of utterance to reason."""
    bad, remarks = {}, {}
    for utt, (reason, odd) in zip(wav, ordered_map(look_at, list(wav.values()), label="recordings")):
        if reason:
            bad[utt] = reason
        remarks[utt] = odd
    warn_of(remarks, used=False)
    return bad


def look_at(path: str) -> tuple[str | None, Remarks | None]:
    """Why a recording can't be used, or None, and what is odd about it, or None."""
    remarks: list[Remarks | None] = [None]
    try:
        path.encode()
        if path != path.strip() or "\n" in path or CONTROL.search(path) or path.endswith("|"):
            raise DataError(f"{path!r}: wav.scp cannot hold such a path (rename it)")
        if audio_info(path, on_remarks=remarks.append)[1] == 0:
            raise DataError(f"{path}: 0 samples (record it again)")
    except UnicodeEncodeError:
        return f"{path!r}: its name is not UTF-8 (rename it)", None
    except DataError as error:
        return str(error), None
    return None, remarks[-1]
