"""Align recordings with their words by pocketsphinx -> phones.ctm and words.ctm."""

import functools
import importlib
import logging
from dataclasses import dataclass
from pathlib import Path

from asrkit.audio.level import silence_reason
from asrkit.config import PathLike
from asrkit.distribution import missing_extra
from asrkit.errors import DataError, SettingsError
from asrkit.io.alignment import write_alignment
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.features import ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.holds import holding
from asrkit.io.lexicon import look_up, read_lexicon, read_pronunciations
from asrkit.io.places import local
from asrkit.io.recordings import cut, recordings
from asrkit.io.remarks import Remarks, warn_of
from asrkit.phones.aligner import Aligner, aligner
from asrkit.phones.phone import Phone, plain
from asrkit.runtime import one_thread, ordered_map

CHUNK = 8  # recordings a unit of work; fixed, so that nothing depends on the number of jobs
REMEDY = "lexicon=FILE with lines `WORD P1 P2 …`, or pronunciations=FILE"

Ways = tuple[tuple[str, ...], ...]  # to say one word: the labels of the phones of each

Words = list[list[tuple[str, int, int]]]  # label, first frame and number of frames of the phones of each
Outcome = tuple[str, Words | None, int, Remarks | None, str]  # as of `align_chunk`

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class AlignedPhones:
    """Phones and words of the utterances that were aligned.

    Attributes
    ----------
    alignment, words : dict of str to tuple of Phone
    skipped : dict of str to str
        Why an utterance could not be aligned.
    """

    alignment: dict[str, tuple[Phone, ...]]
    words: dict[str, tuple[Phone, ...]]
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """How many phones and words there are, and what was skipped."""
        phones = [phone.label for some in self.alignment.values() for phone in some]
        return [
            f"phones: {len(phones)} of {len(set(phones))} kinds; words: {sum(map(len, self.words.values()))}",
            summary("aligned", len(self.alignment), self.skipped),
        ]


@one_thread()
@holding("out")
def mixgop_align(
    data_dir: PathLike,
    out: PathLike,
    *,
    lexicon: PathLike | None = None,
    pronunciations: PathLike | None = None,
    model: PathLike | None = None,
    channel: int = 0,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> AlignedPhones:
    """Find the phones of a data directory's recordings and write phones.ctm and words.ctm.

    Parameters
    ----------
    data_dir : path
        Data directory with wav.scp and text.
    out : path
        Folder for phones.ctm and words.ctm.
    lexicon : path, optional
        Dictionary, lines `WORD P1 P2 …`; else CMU's, which comes with pocketsphinx.
    pronunciations : path, optional
        Phones of each utterance in place of a dictionary.
    model : path, optional
        Folder of an acoustic model in pocketsphinx's form; else its own of US English.
    channel : int
        Channel of recordings that have several.

    Returns
    -------
    AlignedPhones

    Raises
    ------
    DataError
        pocketsphinx or a model is missing, nothing could be aligned, or more utterances than allowed could
        not.
    SettingsError
        Both a lexicon and pronunciations are given.
    """
    read = read or ReadConfig()
    if lexicon and pronunciations:
        raise SettingsError(
            f"pronunciations={pronunciations} says how all words are said, so lexicon={lexicon} would do nothing (give one of them)"
        )
    data = read_data_dir(data_dir, require=("wav.scp", "text"))
    try:
        importlib.import_module("pocketsphinx")
    except ImportError as error:
        raise missing_extra("align", "mixgop align needs pocketsphinx", error) from None
    acoustic = open_model(model)
    ways, skipped = find_pronunciations(data, lexicon, pronunciations)
    ways = in_phones_of(acoustic, ways, skipped, pronunciations or lexicon or "the dictionary")
    work = [
        (one, [(*part, ways[part[0]]) for part in one.parts if part[0] in ways]) for one in recordings(data)
    ]
    work = [(recording, parts) for recording, parts in work if parts]
    found = {part[0] for _, parts in work for part in parts}
    skipped.update({utt: "no recording in wav.scp" for utt in ways if utt not in found})
    check_skipped(skipped, read.max_skipped, "could align", len(found))
    chunks = [work[i : i + CHUNK] for i in range(0, len(work), CHUNK)]
    align = functools.partial(
        align_chunk, model=acoustic.model, base=data.path, channel=channel, allow_pipes=read.allow_pipes
    )
    alignment, words, remarks, slow = {}, {}, {}, []
    for results in ordered_map(align, chunks, jobs=jobs, label=f"alignments, {CHUNK} recordings a step"):
        for utt, said, rate_hz, odd, reason in results:
            if said is None:
                skipped[utt] = reason
                continue
            alignment[utt], words[utt] = in_seconds(said, data.text[utt].split(), acoustic.frame_s)
            remarks[utt] = odd
            slow += [utt] if rate_hz < acoustic.rate_hz else []
    if not alignment:
        raise DataError(f"{data.path}: nothing could be aligned{first_reasons(skipped)}")
    warn_of(remarks)
    if slow:
        log.warning(
            "%d recordings (%s, ...) have a lower rate than the model, %d Hz: their upper band is empty",
            len(slow),
            slow[0],
            acoustic.rate_hz,
        )
    write_alignment(out, alignment, words)
    return AlignedPhones(alignment, words, skipped)


def open_model(folder: PathLike | None) -> Aligner:
    """Open the acoustic model of a folder, pocketsphinx's own for None."""
    path = local(folder, "the acoustic model") if folder else wheel_file("en-us")
    if not (path / "mdef").is_file():
        raise DataError(
            f"{path}: no acoustic model of pocketsphinx, there is no mdef in it (model= names the folder of one)"
        )
    try:
        return aligner(str(path))
    except RuntimeError as error:
        raise DataError(
            f"{path}: pocketsphinx can't use this model: {error} (copy it again: mdef, means, variances, feat.params, …)"
        ) from None


def wheel_file(name: str) -> Path:
    """Locate a file or folder of the US English model that comes with pocketsphinx."""
    from pocketsphinx import get_model_path  # late: an extra

    return Path(get_model_path("en-us")) / name


def find_pronunciations(
    data: DataDir, lexicon: PathLike | None, pronunciations: PathLike | None
) -> tuple[dict[str, list[Ways]], dict[str, str]]:
    """Find, for each word of every utterance, the ways to say it; why an utterance has none is the second
    dict.
    """
    if pronunciations:
        said = read_pronunciations(pronunciations)
    else:
        vocabulary = {word for text in data.text.values() for word in text.split()}
        entries = read_lexicon(lexicon or wheel_file("cmudict-en-us.dict"), vocabulary)
    ways, skipped = {}, {}
    for utt in data.utts:
        words = data.text.get(utt, "").split()
        if not words:
            skipped[utt] = "no words in text"
        elif not pronunciations:
            ways[utt] = [look_up(entries, word) for word in words]
            missing = [word for word, some in zip(words, ways[utt]) if not some]
            if missing:
                skipped[utt] = f"not in the dictionary: {', '.join(dict.fromkeys(missing))} ({REMEDY})"
                del ways[utt]
        elif utt not in said:
            skipped[utt] = f"not in {pronunciations}"
        elif len(said[utt]) != len(words):
            skipped[utt] = f"{len(words)} words in text, {len(said[utt])} in {pronunciations}"
        else:
            ways[utt] = [(phones,) for phones in said[utt]]
    return ways, skipped


def in_phones_of(
    model: Aligner, ways: dict[str, list[Ways]], skipped: dict[str, str], source: PathLike
) -> dict[str, list[Ways]]:
    """Write pronunciations in the model's phones; utterances with others go to `skipped`."""
    phones = sorted({phone for words in ways.values() for some in words for way in some for phone in way})
    others = set(model.unknown_phones(phones))
    names = {phone: plain(phone) if phone in others else phone for phone in phones}
    unknown = set(model.unknown_phones(sorted(set(names.values()))))
    found = {}
    for utt, words in ways.items():
        new = [tuple(dict.fromkeys(tuple(names[phone] for phone in way) for way in some)) for some in words]
        lost = [phone for some in new for way in some for phone in way if phone in unknown]
        if lost:
            skipped[utt] = (
                f"phones of {source} that the model does not have: {', '.join(dict.fromkeys(lost))}"
            )
        else:
            found[utt] = new
    return found


def align_chunk(chunk: list[tuple], model: str, base: Path, channel: int, allow_pipes: bool) -> list[Outcome]:
    """Align some recordings: list of (utt, phones of each word or None, own rate in Hz, Remarks or None, why
    None).
    """
    by = aligner(model)
    out: list[Outcome] = []
    for recording, parts in chunk:
        remarks: list[Remarks | None] = [None]
        try:
            samples, own_hz = read_audio(
                recording.entry,
                rate=by.rate_hz,
                base=base,
                channel=channel,
                stated=recording.channel,
                allow_pipes=allow_pipes,
                on_remarks=remarks.append,
            )
        except DataError as error:
            out += [(part[0], None, 0, None, str(error)) for part in parts]
            continue
        for utt, start_s, end_s, ways in parts:
            said = reason = None
            try:
                part = cut(samples, by.rate_hz, start_s, end_s)
                reason = silence_reason(part)
                said = None if reason else by.align(part, ways)
            except (DataError, ValueError) as error:
                reason = str(error)
            out.append((utt, said, own_hz, remarks[-1], reason or ""))
    return out


def in_seconds(said: Words, words: list[str], frame_s: float) -> tuple[tuple[Phone, ...], tuple[Phone, ...]]:
    """Give the phones and words of one utterance their times in seconds."""
    phones, spans = [], []
    for word, some in zip(words, said, strict=True):
        own = [Phone(label, start * frame_s, (start + count) * frame_s, word) for label, start, count in some]
        phones += own
        spans.append(Phone(word, own[0].start_s, own[-1].end_s))
    return tuple(phones), tuple(spans)
