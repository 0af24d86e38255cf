"""Turn a folder of recordings into a Kaldi data directory: wav.scp, text, utt2spk, spk2utt.

The place and name of a recording say which word it holds. By default the folder is the word (SRC/yes/1.wav);
otherwise --pattern tells, with {word}, {speaker}, and {index} or {*} for what only tells recordings apart.
A placeholder never holds `/` or a sign such as `_` that stands beside it in the pattern; of two placeholders
that touch, the first takes as little as it can. Without an extension the pattern fits every audio format.
An utterance is called speaker-word-index, or word-index where the speaker is not known.
"""

import os
import re
import sys
import unicodedata
from pathlib import Path

from tqdm import tqdm

from asrkit.config import add_flag, nearest
from asrkit.errors import DataError, UsageError
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import DataDir, subset, write_data_dir
from asrkit.io.files import c_sorted, read_table

EXAMPLE = "example: asrkit prepare-wavs recordings data/all --pattern '{word}_{speaker}_{index}'"

AUDIO_SUFFIXES = tuple(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph".split()
)
PLACEHOLDERS = ("word", "speaker", "index", "*")
MAX_NAMED = 5


def add_arguments(parser):
    parser.add_argument("src", metavar="SRC", help="folder of recordings")
    parser.add_argument("dir", metavar="DIR", help="data directory to write")
    add_flag(parser, "pattern", "{word}/{index}", "how a path below SRC is made up")
    parser.add_argument(
        "--speaker", metavar="NAME", help="one speaker for all (else each utterance is its own)"
    )
    parser.add_argument(
        "--map", metavar="FILE", help="table of lines such as `Z zero`: what a {word} stands for"
    )
    add_flag(parser, "skip-bad", False, "leave out recordings that cannot be used instead of failing")


def main(args):
    pattern = compile_pattern(args.pattern)
    if args.speaker is not None and "speaker" in pattern.groupindex:
        raise UsageError(f"--speaker {args.speaker}, but the pattern '{args.pattern}' has a {{speaker}} too")
    matches = match_recordings(Path(args.src), args.pattern, pattern)
    words = read_words(args.map, matches.values()) if args.map else {}
    data = name_utterances(matches, args.speaker, words, Path(args.dir))
    bad = find_bad(data.wav)
    for reason in bad.values():
        print(reason, file=sys.stderr)
    if bad and not args.skip_bad:
        remedy = "--skip-bad true leaves them out"
        raise DataError(f"{args.src}: {len(bad)} of {len(matches)} recordings cannot be used ({remedy})")
    if len(bad) == len(matches):
        raise DataError(f"{args.src}: none of {len(matches)} recordings can be used")
    data = subset(data, data.wav.keys() - bad.keys())
    write_data_dir(data, args.dir)
    num_words, num_speakers = len(set(data.text.values())), len(set(data.utt2spk.values()))
    print(
        f"prepared {len(data.wav)} recordings of {num_words} words by {num_speakers} speakers in {args.dir}"
    )
    return 0


def compile_pattern(text):
    """The regular expression of a path pattern; groups `word`, `speaker` and one for each other placeholder."""
    pieces = re.split(r"\{([^{}]*)\}", text)  # text, placeholder, text, placeholder, ..., text
    regex = re.escape(pieces[0])
    seen = set()
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        if name not in PLACEHOLDERS:
            raise UsageError(
                f"--pattern '{text}': unknown placeholder {{{name}}}{nearest(name, PLACEHOLDERS)}"
            )
        beside = "".join(
            sign for sign in pieces[place - 1][-1:] + pieces[place + 1][:1] if not sign.isalnum()
        )
        group = name if name in ("word", "speaker") else f"other{place}"
        regex += f"(?P={name})" if group in seen else f"(?P<{group}>[^/{re.escape(beside)}]+?)"
        regex += re.escape(pieces[place + 1])
        seen.add(group)
    if "word" not in seen:
        raise UsageError(f"--pattern '{text}' has no {{word}}")
    return re.compile(regex)


def match_recordings(src, pattern_text, pattern):
    """Recording -> match of its path below `src`, in order; those that do not match are named."""
    if not src.is_dir():
        raise DataError(f"{src}: no such folder")
    # Not rglob: whether that follows links to folders depends on the Python version.
    walk = os.walk(src, followlinks=True)
    files = [Path(folder) / name for folder, _, names in walk for name in names if not name.startswith(".")]
    recordings = sorted((path for path in files if path.suffix.lower() in AUDIO_SUFFIXES), key=os.fsencode)
    if not recordings:
        others = name_some(sorted({path.suffix for path in files})) or "no files at all"
        raise DataError(
            f"{src}: no recordings, but {others} (convert them; read are {' '.join(AUDIO_SUFFIXES)})"
        )
    has_suffix = Path(pattern_text).suffix.lower() in AUDIO_SUFFIXES
    matches, strangers = {}, []
    for path in recordings:
        below = path.relative_to(src)
        match = pattern.fullmatch((below if has_suffix else below.with_suffix("")).as_posix())
        if match:
            matches[os.path.abspath(path)] = match
        else:
            strangers.append(str(below))
    some = f"{len(strangers)} of {len(recordings)} recordings do not match '{pattern_text}': {name_some(strangers)}"
    if not matches:
        raise DataError(f"{src}: {some} (give another --pattern)")
    if strangers:
        print(f"left out: {some}", file=sys.stderr)
    return matches


def name_some(names):
    return ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")


def name_utterances(matches, one_speaker, words, out):
    """The data directory of recording -> match; refuses two recordings or speakers that come to the same id."""
    wav, text, utt2spk = {}, {}, {}
    raw_speakers = {}
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
                f"{both} both become utterance '{utt}' (rename one, or let --pattern tell them apart)"
            )
        wav[utt] = path
        text[utt] = words.get(raw_word, clean(raw_word))
        utt2spk[utt] = speaker
    return DataDir(out, wav=wav, text=text, utt2spk=utt2spk)


def clean(part):
    """A part of an utterance id: no white space, and composed letters (macOS decomposes them in file names)."""
    return re.sub(r"\s", "_", unicodedata.normalize("NFC", part))


def clean_speaker(name):
    """A speaker id without signs up to `-`, which follows it in utterance ids: so `bob` sorts before `bob_b`."""
    return re.sub(r"[\x00-\x2d]", "_", clean(name))


def read_words(path, matches):
    """The table of --map: {word} as it stands in the path -> word."""
    words = read_table(path, check_sorted=False)
    for name, word in words.items():
        if len(word.split()) != 1:
            raise DataError(f"{path}: '{name}': '{word}' is not one word")
    unused = c_sorted(words.keys() - {match["word"] for match in matches})
    if unused:
        print(f"{path}: no recording is called {', '.join(unused)}", file=sys.stderr)
    return words


def find_bad(wav):
    """Utterance -> why its recording cannot be used."""
    bad = {}
    for utt, path in tqdm(wav.items(), desc="recordings", disable=None, file=sys.stderr):
        try:
            path.encode()
            if path != path.strip() or "\n" in path or path.endswith("|"):
                raise DataError(f"{path!r}: wav.scp cannot hold such a path (rename it)")
            if audio_info(path)[1] == 0:
                raise DataError(f"{path}: 0 samples (record it again)")
        except UnicodeEncodeError:
            bad[utt] = f"{path!r}: its name is not UTF-8 (rename it)"
        except DataError as error:
            bad[utt] = str(error)
    return bad
