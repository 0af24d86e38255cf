"""Turn a folder of recordings into a Kaldi data directory: wav.scp, text, utt2spk, spk2utt."""

import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asrkit.config import PathLike, nearest
from asrkit.errors import DataError, SettingsError
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import DataDir, subset, write_data_dir
from asrkit.io.files import c_sorted, read_table
from asrkit.runtime import ordered_map

AUDIO_SUFFIXES = tuple(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph".split()
)
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
    """

    data_dir: PathLike
    data: DataDir
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """One line: how many recordings, words and speakers there are."""
        num_words, num_speakers = len(set(self.data.text.values())), len(set(self.data.utt2spk.values()))
        return [
            f"prepared {len(self.data.wav)} recordings of {num_words} words by {num_speakers} speakers in {self.data_dir}"
        ]


def prepare_wavs(
    recordings_dir: PathLike,
    data_dir: PathLike,
    *,
    pattern: str = "{word}/{index}",
    speaker: str | None = None,
    word_map: PathLike | None = None,
    skip_bad: bool = False,
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

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        No recording fits or can be used, two come to the same utterance, or a table is malformed.
    SettingsError
        The pattern has an unknown placeholder or no {word}, or the speaker is said twice.
    """
    regex = compile_pattern(pattern)
    if speaker is not None and "speaker" in regex.groupindex:
        raise SettingsError(f"speaker={speaker}, but the pattern '{pattern}' has a {{speaker}} too")
    matches = match_recordings(Path(recordings_dir), pattern, regex)
    words = read_words(word_map, matches.values()) if word_map else {}
    data = name_utterances(matches, speaker, words, Path(data_dir))
    bad = find_bad(data.wav)
    for reason in bad.values():
        log.warning("%s", reason)
    if bad and not skip_bad:
        raise DataError(
            f"{recordings_dir}: {len(bad)} of {len(matches)} recordings cannot be used (skip_bad=true leaves them out)"
        )
    if len(bad) == len(matches):
        raise DataError(f"{recordings_dir}: none of {len(matches)} recordings can be used")
    data = subset(data, data.wav.keys() - bad.keys())
    write_data_dir(data, data_dir)
    return Prepared(data_dir, data, bad)


def compile_pattern(text: str) -> re.Pattern[str]:
    """Make a path pattern a regular expression; groups `word`, `speaker`, and one a further placeholder."""
    pieces = re.split(r"\{([^{}]*)\}", text)  # text, placeholder, text, placeholder, ..., text
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


def match_recordings(folder: Path, pattern_text: str, pattern: re.Pattern[str]) -> dict[str, re.Match[str]]:
    """Find recordings and match their paths below `folder`: dict of recording to match, in order."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    # Not rglob: whether that follows links to folders depends on the Python version.
    walk = os.walk(folder, followlinks=True)
    files = [Path(below) / name for below, _, names in walk for name in names if not name.startswith(".")]
    recordings = sorted((path for path in files if path.suffix.lower() in AUDIO_SUFFIXES), key=os.fsencode)
    if not recordings:
        others = name_some(sorted({path.suffix for path in files})) or "no files at all"
        raise DataError(
            f"{folder}: no recordings, but {others} (convert them; read are {' '.join(AUDIO_SUFFIXES)})"
        )
    has_suffix = Path(pattern_text).suffix.lower() in AUDIO_SUFFIXES
    matches, strangers = {}, []
    for path in recordings:
        below = path.relative_to(folder)
        match = pattern.fullmatch((below if has_suffix else below.with_suffix("")).as_posix())
        if match:
            matches[os.path.abspath(path)] = match
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
    matches: Mapping[str, re.Match[str]], one_speaker: str | None, words: Mapping[str, str], data_dir: Path
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
        text[utt] = words.get(raw_word, clean(raw_word))
        utt2spk[utt] = speaker
    return DataDir(data_dir, wav=wav, text=text, utt2spk=utt2spk)


def clean(part: str) -> str:
    """Make a part of an utterance id: no white space, composed letters (macOS decomposes them)."""
    return re.sub(r"\s", "_", unicodedata.normalize("NFC", part))


def clean_speaker(name: str) -> str:
    """Make a speaker id without signs up to `-`, which follows it in ids: so `bob` sorts before `bob_b`."""
    return re.sub(r"[\x00-\x2d]", "_", clean(name))


def read_words(path: PathLike, matches: Iterable[re.Match[str]]) -> dict[str, str]:
    """Read the table of what each {word} stands for."""
    words = read_table(path, check_sorted=False)
    for name, word in words.items():
        if len(word.split()) != 1:
            raise DataError(f"{path}: '{name}': '{word}' is not one word")
    unused = c_sorted(words.keys() - {match["word"] for match in matches})
    if unused:
        log.warning("%s: no recording is called %s", path, ", ".join(unused))
    return words


def find_bad(wav: Mapping[str, str]) -> dict[str, str]:
    """Find recordings that can't be used: dict of utterance to reason."""
    reasons = zip(wav, ordered_map(bad_reason, list(wav.values()), label="recordings"))
    return {utt: reason for utt, reason in reasons if reason}


def bad_reason(path: str) -> str | None:
    """Why a recording can't be used, or None."""
    try:
        path.encode()
        if path != path.strip() or "\n" in path or path.endswith("|"):
            raise DataError(f"{path!r}: wav.scp cannot hold such a path (rename it)")
        if audio_info(path)[1] == 0:
            raise DataError(f"{path}: 0 samples (record it again)")
    except UnicodeEncodeError:
        return f"{path!r}: its name is not UTF-8 (rename it)"
    except DataError as error:
        return str(error)
    return None
