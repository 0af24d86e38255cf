"""Import phones' times as other programs write them: TextGrids, CTM files and Kaldi's archives -> phones.ctm."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asrkit.config import PathLike, format_value
from asrkit.errors import DataError, SettingsError
from asrkit.io.ali_archive import find_alis, read_ali, read_phone_table
from asrkit.io.alignment import PHONES, WORDS, find_ctm, read_ctm, write_alignment
from asrkit.io.alignment_fit import frame_misfits, frame_shift_remedy, misfits, refuse_other_scale
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.durations import (
    KALDIS_SHIFT_S,
    WINDOW_S,
    count_frames,
    heard_lengths,
    stated_frame_shift_s,
    table_lengths,
)
from asrkit.io.features import KIND_RECORD, check_skipped, read_kind, summary
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.io.textgrid import PHONE_TIERS, SUFFIX, WORD_TIERS, find_textgrids, pick_tier, read_textgrid
from asrkit.phones.phone import Phone, clean, is_silence, is_unsaid

Alignment = Mapping[str, Sequence[Phone]]
FORMATS = ("auto", "ctm", "textgrid", "ali")

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class ImportedAlignment:
    """Phones and words of the utterances that were imported.

    Attributes
    ----------
    alignment, words : dict of str to sequence of Phone
        Of each utterance; `words` has those whose words are known.
    silences : Counter
        The silences that were left out, by label.
    skipped : dict of str to str
        Why an utterance was not imported.
    """

    alignment: Alignment
    words: Alignment
    silences: Counter
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """How much there is: `phones: 70972 of 39 kinds; words: 15849; silences left out: 12 (sil 10, no
        label 2)`.
        """
        phones = [phone for some in self.alignment.values() for phone in some]
        empty = sum(phone.end_s <= phone.start_s for phone in phones)
        told = ", ".join(f"{label or 'no label'} {count}" for label, count in self.silences.most_common())
        counts = (
            f"phones: {len(phones)} of {len({phone.label for phone in phones})} kinds"
            + (f", {empty} of no length" if empty else "")
            + f"; words: {sum(map(len, self.words.values()))}; silences left out: {self.silences.total()}"
            + (f" ({told})" if told else "")
        )
        return [counts, summary("imported", len(self.alignment), self.skipped)]


@holding("out")
def mixgop_import_alignment(
    src: PathLike,
    out: PathLike,
    *,
    format: str = "auto",
    tier: str = "",
    word_tier: str = "",
    prefix_folder: bool = False,
    phones: PathLike | None = None,
    frame_shift_s: float = 0.0,
    strip_stress: bool = True,
    strip_position: bool | None = None,
    silences: Sequence[str] = (),
    data_dir: PathLike | None = None,
    max_skipped: int = 0,
    allow_pipes: bool = False,
) -> ImportedAlignment:
    """Write the phones of an alignment to phones.ctm, and its words, where they are known, to words.ctm.

    Parameters
    ----------
    src : path
        File or folder with the alignment.
    out : path
        Folder for phones.ctm and words.ctm.
    format : {"auto", "ctm", "textgrid", "ali"}
        What `src` is; "auto" goes by names.
    tier, word_tier : str
        TextGrid: names of the tiers; empty: PHONE_TIERS and WORD_TIERS.
    prefix_folder : bool
        TextGrid: an utterance is called folder-file, after the folder of `src` that its file lies in.
    phones : path, optional
        Where labels are numbers, as in Kaldi's archives and in the CTM files of `ali-to-phones --ctm-output`: the file phones.txt.
    frame_shift_s : float
        Kaldi's archives: seconds a frame; 0: that of `data_dir`, else 0.01.
    strip_stress : bool
        AH0, AH1 and AH2 become AH.
    strip_position : bool, optional
        AH_B, AH_I, AH_E and AH_S become AH. None: not in TextGrids.
    silences : sequence of str
        Labels that are no phones, exactly as written, beside those that are known to be none.
    data_dir : path, optional
        Data directory that the alignment must fit: ends at the durations, archives in their number of frames, too.
    max_skipped : int
        Utterances that may be unusable.
    allow_pipes : bool
        Kaldi's archives: run shell pipes found in an scp file.

    Returns
    -------
    ImportedAlignment

    Raises
    ------
    DataError
        Nothing could be imported, too many utterances could not, or times are on another scale than the recordings.
    SettingsError
        A setting is missing, or would do nothing.
    """
    src, out = as_path(src), as_path(out)
    if format not in FORMATS:
        raise SettingsError(f"format={format} is none of {', '.join(FORMATS)}")
    if not src.exists():
        raise DataError(f"{src}: no such file or folder")
    kind = guess_format(src) if format == "auto" else format
    if kind == "ali" and not phones:
        raise SettingsError(
            "phones of an archive are numbers: phones=FILE names the phones.txt that says what they mean"
        )
    of_textgrids = {"tier": tier, "word_tier": word_tier, "prefix_folder": prefix_folder}
    refuse_idle("textgrid", of_textgrids, kind, src)
    refuse_idle("ali", {"frame_shift_s": frame_shift_s}, kind, src)
    if kind == "ctm" and (src if src.is_dir() else src.parent).resolve() == out.resolve():
        raise SettingsError(f"OUT is where the alignment is read ({out}); what is imported goes elsewhere")
    data = read_data_dir(data_dir) if data_dir else None
    stated_s = stated_frame_shift_s(data, read_kind(data.path / KIND_RECORD)) if data else None
    shift_s = frame_shift_s or stated_s or KALDIS_SHIFT_S
    skipped: dict[str, str] = {}
    if kind == "textgrid":
        found, words = read_textgrids(src, skipped, tier, word_tier, prefix_folder)
    elif kind == "ali":
        found, words = read_ali(src, read_phone_table(phones), shift_s, allow_pipes), {}
    else:
        found, words = read_ctms(src)
    if kind != "ali":
        found = named(found, src, phones)
    alignment: dict[str, tuple[Phone, ...]] = {}
    left_out: Counter[str] = Counter()
    strip_position = kind != "textgrid" if strip_position is None else strip_position
    for utt, labelled in found.items():
        kept, silent = clean(
            labelled, strip_stress=strip_stress, strip_position=strip_position, silences=silences
        )
        if not kept:
            skipped[utt] = f"no phones, {silent.total()} silences"
            continue
        alignment[utt] = kept
        left_out += silent
    if data:
        whole = {utt: found[utt] for utt in alignment}
        skipped = {**hold_against(src, whole, data, shift_s if kind == "ali" else None, stated_s), **skipped}
    alignment = {utt: some for utt, some in alignment.items() if utt not in skipped}
    if not alignment:
        raise DataError(f"{src}: nothing could be imported: {summary('imported', 0, skipped)}")
    check_skipped(skipped, max_skipped, "imported", len(alignment))
    words = {utt: some for utt, some in words.items() if utt in alignment}
    write_alignment(out, alignment, words)
    return ImportedAlignment(alignment, words, left_out, skipped)


def hold_against(
    src: Path, alignment: Alignment, data: DataDir, own_shift_s: float | None, stated_s: float | None
) -> dict[str, str]:
    """Find the utterances that do not fit a data directory, and why; another time scale of all is a DataError.

    Parameters
    ----------
    alignment : dict of str to sequence of Phone
        Silences included.
    own_shift_s : float or None
        Frame shift of an alignment that was made of frames, and must have as many as the features.
    stated_s : float or None
        Frame shift that the features are said to have.
    """
    seconds = table_lengths(data)
    frames = count_frames(data) if own_shift_s or not seconds else {}
    skipped = frame_misfits(alignment, frames, own_shift_s, stated_s) if own_shift_s else {}
    shift_s, remedy = stated_s or KALDIS_SHIFT_S, ""
    if not seconds and stated_s is None and frames:
        remedy = frame_shift_remedy(data, option="")
    lengths = {utt: count * shift_s + WINDOW_S for utt, count in frames.items()} | seconds
    if (
        own_shift_s and stated_s is None
    ):  # as many frames as the features have, which are not known to be 10 ms apart
        lengths = {utt: length for utt, length in lengths.items() if utt in seconds}
    fitting = {utt: phones for utt, phones in alignment.items() if utt not in skipped}
    lengths = lengths or heard_lengths(data, fitting)
    refuse_other_scale(src, fitting, lengths, remedy)
    unfit, unknown = misfits(alignment, data, lengths)
    if unknown:
        log.warning(
            "%s: the lengths of %d utterances are not known (no utt2dur, segments or utt2num_frames)",
            data.path,
            unknown,
        )
    return {**unfit, **skipped}


def named(found: Alignment, src: Path, phones: PathLike | None) -> Alignment:
    """Put phones' names in place of their numbers, those of the table `phones`.

    Raises
    ------
    SettingsError
        All labels but silences are numbers, and there is no table; or there is one, and they are names.
    """
    labels = {phone.label for some in found.values() for phone in some}
    numbers = {label for label in labels if label.isascii() and label.isdecimal()}
    others = sorted(label for label in labels - numbers if not is_silence(label))
    if not phones:
        if numbers and not others:
            raise SettingsError(
                f"{src}: phones are numbers ({', '.join(sorted(numbers, key=int)[:5])}): "
                "phones=FILE names the phones.txt that says what they mean"
            )
        return found
    if others or not numbers:
        told = ", ".join(others[:5]) or "silences alone"
        raise SettingsError(f"phones={phones} is for numbers, and the labels of {src} are names ({told})")
    table = read_phone_table(phones)
    unknown = min((number for number in numbers if int(number) not in table), key=int, default=None)
    if unknown is not None:
        utt = next(utt for utt, some in found.items() if any(phone.label == unknown for phone in some))
        raise DataError(f"{src}: utterance '{utt}': no phone of {phones} has the number {unknown}")
    return {
        utt: [
            replace(phone, label=table[int(phone.label)]) if phone.label in numbers else phone
            for phone in some
        ]
        for utt, some in found.items()
    }


def guess_format(src: Path) -> str:
    """Guess what `src` is by names alone."""
    if src.is_dir():
        if find_ctm(src):
            return "ctm"
        if find_textgrids(src):
            return "textgrid"
        if find_alis(src):
            return "ali"
        raise DataError(
            f"{src}: no alignment: neither {PHONES} nor TextGrid files nor ali*.ark or ali*.gz (format= and SRC's name help)"
        )
    name = src.name.lower()
    if name.endswith(SUFFIX):
        return "textgrid"
    if name.endswith((".ark", ".ark.gz", ".scp")) or (name.startswith("ali") and name.endswith(".gz")):
        return "ali"
    if name.endswith(("ctm", "ctm.gz")):
        return "ctm"
    raise SettingsError(f"{src} may be anything: format= says what (ctm, textgrid or ali)")


def refuse_idle(format: str, settings: dict, kind: str, src: Path) -> None:
    """Raise SettingsError where settings of one format are given, and `src` is of another."""
    for name, value in settings.items():
        if value and kind != format:
            raise SettingsError(f"{name}={format_value(value)} is for format={format}, and {src} is {kind}")


def read_ctms(src: Path) -> tuple[Alignment, Alignment]:
    """Read the phones by utterance, and the words, `{}` where no words.ctm lies beside phones.ctm."""
    phones, words = find_ctm(src), find_ctm(src, WORDS)
    if phones is None:
        raise DataError(f"{src / PHONES}: no such file (format= says what SRC is)")
    return read_ctm(phones), read_ctm(words) if words else {}


def read_textgrids(
    src: Path, skipped: dict[str, str], tier: str, word_tier: str, prefix_folder: bool
) -> tuple[Alignment, Alignment]:
    """Read phones and words by utterance; why a file can't be used goes to `skipped`."""
    found: dict[str, list[Phone]] = {}
    words: dict[str, list[Phone]] = {}
    files: dict[str, Path] = {}
    for path in find_textgrids(src):
        folders = path.relative_to(src).parts[:-1] if src.is_dir() else ()
        utt = "-".join([*folders[:1], path.stem]) if prefix_folder else path.stem
        if utt in files:
            remedy = (
                "keep one of the two"
                if prefix_folder
                else "prefix_folder=true tells them apart by their folders"
            )
            raise DataError(f"{path}: utterance '{utt}' is also in {files[utt]} ({remedy})")
        files[utt] = path
        try:
            if len(utt.split()) != 1:
                raise ValueError("a space in the name of the utterance (rename the file)")
            found[utt], words[utt] = read_tiers(path, tier, word_tier)
        except DataError as error:  # names the file
            skipped[utt] = str(error)
        except ValueError as error:
            skipped[utt] = f"{path}: {error}"
    if not files:
        raise DataError(f"{src}: no TextGrid files (format= says what SRC is)")
    return found, {utt: some for utt, some in words.items() if some}


def read_tiers(path: Path, tier: str, word_tier: str) -> tuple[list[Phone], list[Phone]]:
    """Read phones and words of a TextGrid file."""
    tiers = read_textgrid(path)
    phones = [as_phone(interval) for interval in pick_tier(tiers, tier, PHONE_TIERS).intervals]
    found = pick_tier(tiers, word_tier, WORD_TIERS, required=bool(word_tier))
    words = [] if found is None else [word for word in found.intervals if not is_unsaid(word.label.strip())]
    return phones, [replace(word, label="_".join(word.label.split())) for word in words]


def as_phone(interval: Phone) -> Phone:
    """Strip an interval's label; one with a space is a ValueError, as a CTM file can't hold it."""
    label = interval.label.strip()
    if len(label.split()) > 1 and not is_silence(label):
        raise ValueError(
            f"label '{label}' at {interval.start_s:.2f} s holds a space, and a phone is one word (was it the words' tier? tier=)"
        )
    return replace(interval, label=label)
