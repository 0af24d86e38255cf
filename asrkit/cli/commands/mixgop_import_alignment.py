"""Phones' times as other programs write them -> OUT/phones.ctm, and OUT/words.ctm where the words are known.

SRC is a folder of Praat TextGrid files, one an utterance, named utt.TextGrid, in folders by speaker or not
(as the Montreal Forced Aligner writes them), or one such file; a phone CTM file, or a folder with phones.ctm
and perhaps words.ctm; or what Kaldi's `ali-to-phones --per-frame` (or `--write-lengths`) writes: an archive,
an scp file or a folder with ali*.ark or ali*.gz.

Silences (no label, sil, sp, spn, nsn, pau, #, <eps>, <sil>, all in parentheses) are left out and counted.
With --data the alignment is held against a data directory; what does not fit is left out, counted and named.
"""

import collections
import logging
from dataclasses import replace
from pathlib import Path

from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.io.alignment import (
    PHONES,
    WORDS,
    clean,
    find_alis,
    find_ctm,
    frame_shift_s,
    is_silence,
    misfits,
    read_ali,
    read_ctm,
    read_phone_table,
    write_ctm,
)
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import check_skipped, summary
from asrkit.io.files import remove
from asrkit.io.textgrid import PHONE_TIERS, SUFFIX, WORD_TIERS, find_textgrids, pick_tier, read_textgrid

EXAMPLE = """example:
  asrkit mixgop import-alignment corpus/aligned exp/ali --data data/train
  asrkit mixgop import-alignment exp/tri3_ali/ali.ark exp/ali --phones data/lang/phones.txt
"""

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("src", metavar="SRC", help="file or folder with the alignment")
    parser.add_argument("out", metavar="OUT", help="folder for phones.ctm and words.ctm")
    add_flag(parser, "format", "auto", "what SRC is", choices=("auto", "ctm", "textgrid", "ali"))
    add_flag(
        parser,
        "tier",
        "",
        f"TextGrid: name of the phones' tier; empty: {', '.join(PHONE_TIERS)}, in any case",
    )
    add_flag(
        parser,
        "word-tier",
        "",
        f"TextGrid: name of the words' tier; empty: {', '.join(WORD_TIERS)}, where there is one",
    )
    add_flag(
        parser,
        "prefix-folder",
        False,
        "TextGrid: an utterance is called folder-file, after the folder of SRC that its file lies in",
    )
    parser.add_argument("--phones", metavar="FILE", help="ali: phones.txt, lines `label number`")
    add_flag(
        parser, "frame-shift", 0.0, "ali: seconds a frame; 0: that of --data, else 0.01", minimum=0, maximum=1
    )
    add_flag(parser, "strip-stress", True, "AH0, AH1 and AH2 become AH (vowels of the ARPAbet, in capitals)")
    add_flag(
        parser,
        "strip-position",
        "auto",
        "AH_B, AH_I, AH_E and AH_S become AH (Kaldi's positions in a word); auto: not in TextGrids, "
        "where `t_S` may be X-SAMPA",
        choices=("auto", "true", "false"),
    )
    parser.add_argument("--data", metavar="DIR", help="data directory that the alignment must fit")
    add_flag(parser, "max-skipped", 0, "utterances that may be unusable before the command fails", minimum=0)


def main(args):
    src, out = Path(args.src), Path(args.out)
    if not src.exists():
        raise DataError(f"{src}: no such file or folder")
    kind = guess_format(src) if args.format == "auto" else args.format
    check_usage(args, kind, src, out)
    data = read_data_dir(args.data) if args.data else None
    skipped = {}
    if kind == "textgrid":
        found, words = read_textgrids(src, args, skipped)
    elif kind == "ali":
        shift_s = args.frame_shift or (frame_shift_s(data) if data else 0.01)
        found, words = read_ali(src, read_phone_table(args.phones), shift_s), {}
    else:
        found, words = read_ctms(src)
    alignment, silences = {}, collections.Counter()
    strip_position = kind != "textgrid" if args.strip_position == "auto" else args.strip_position == "true"
    for utt, phones in found.items():
        kept, left_out = clean(phones, strip_stress=args.strip_stress, strip_position=strip_position)
        if not kept:
            skipped[utt] = f"no phones, {left_out.total()} silences"
            continue
        alignment[utt] = kept
        silences += left_out
    if data:
        unfit, unknown = misfits(alignment, data)
        skipped = {**unfit, **skipped}
        if unknown:
            log.warning(
                "%s: the lengths of %d utterances are not known (no utt2dur, segments or utt2num_frames)",
                args.data,
                unknown,
            )
    alignment = {utt: phones for utt, phones in alignment.items() if utt not in skipped}
    if not alignment:
        raise DataError(f"{src}: nothing could be imported: {summary('imported', 0, skipped)}")
    check_skipped(skipped, args.max_skipped, "imported", len(alignment))
    words = {utt: some for utt, some in words.items() if utt in alignment}
    write(out, alignment, words)
    print(counts(alignment, words, silences))
    print(summary("imported", len(alignment), skipped))
    return 0


def guess_format(src):
    """What `--format auto` takes SRC for, by names alone."""
    if src.is_dir():
        if find_ctm(src):
            return "ctm"
        if find_textgrids(src):
            return "textgrid"
        if find_alis(src):
            return "ali"
        raise DataError(
            f"{src}: no alignment: neither {PHONES} nor TextGrid files nor ali*.ark or ali*.gz (--format and SRC's name help)"
        )
    name = src.name.lower()
    if name.endswith(SUFFIX):
        return "textgrid"
    if name.endswith((".ark", ".ark.gz", ".scp")) or (name.startswith("ali") and name.endswith(".gz")):
        return "ali"
    if name.endswith(("ctm", "ctm.gz")):
        return "ctm"
    raise UsageError(f"{src} may be anything: --format says what (ctm, textgrid or ali)")


def check_usage(args, kind, src, out):
    """Options that would do nothing, or are missing, or would overwrite what is read."""
    if kind == "ali" and not args.phones:
        raise UsageError(
            "phones of an archive are numbers: --phones names the phones.txt that says what they mean"
        )
    for name, value, belongs in (
        ("tier", args.tier, "textgrid"),
        ("word-tier", args.word_tier, "textgrid"),
        ("prefix-folder", args.prefix_folder, "textgrid"),
        ("phones", args.phones, "ali"),
        ("frame-shift", args.frame_shift, "ali"),
    ):
        if value and kind != belongs:
            raise UsageError(f"--{name} is for --format {belongs}, and {src} is {kind}")
    if (src if src.is_dir() else src.parent).resolve() == out.resolve() and kind == "ctm":
        raise UsageError(f"OUT is where the alignment is read ({out}); what is imported goes elsewhere")


def read_ctms(src):
    """Phones by utterance, and words, `{}` where no words.ctm lies beside phones.ctm."""
    phones, words = find_ctm(src), find_ctm(src, WORDS)
    if phones is None:
        raise DataError(f"{src / PHONES}: no such file (--format says what SRC is)")
    return read_ctm(phones), read_ctm(words) if words else {}


def read_textgrids(src, args, skipped):
    """Phones and words by utterance; why a file can't be used goes to `skipped`."""
    found, words, files = {}, {}, {}
    for path in find_textgrids(src):
        folders = path.relative_to(src).parts[:-1] if src.is_dir() else ()
        utt = "-".join([*folders[:1], path.stem]) if args.prefix_folder else path.stem
        if utt in files:
            remedy = (
                "keep one of the two"
                if args.prefix_folder
                else "--prefix-folder true tells them apart by their folders"
            )
            raise DataError(f"{path}: utterance '{utt}' is also in {files[utt]} ({remedy})")
        files[utt] = path
        try:
            if len(utt.split()) != 1:
                raise ValueError("a space in the name of the utterance (rename the file)")
            found[utt], words[utt] = tiers_of(path, args)
        except DataError as error:  # names the file
            skipped[utt] = str(error)
        except ValueError as error:
            skipped[utt] = f"{path}: {error}"
    if not files:
        raise DataError(f"{src}: no TextGrid files (--format says what SRC is)")
    return found, {utt: some for utt, some in words.items() if some}


def tiers_of(path, args):
    """Phones and words of a TextGrid file."""
    tiers = read_textgrid(path)
    phones = [phone_of(interval) for interval in pick_tier(tiers, args.tier, PHONE_TIERS).intervals]
    tier = pick_tier(tiers, args.word_tier, WORD_TIERS, required=bool(args.word_tier))
    words = [] if tier is None else [word for word in tier.intervals if not is_silence(word.label.strip())]
    return phones, [replace(word, label="_".join(word.label.split())) for word in words]


def phone_of(interval):
    """An interval as a phone; a CTM file can't hold a label with a space."""
    label = interval.label.strip()
    if len(label.split()) > 1 and not is_silence(label):
        raise ValueError(
            f"label '{label}' at {interval.start_s:.2f} s holds a space, and a phone is one word (was it the words' tier? --tier)"
        )
    return replace(interval, label=label)


def write(out, alignment, words):
    """phones.ctm and words.ctm; words of an earlier import do not stay beside the phones of this one."""
    for name in (WORDS, f"{WORDS}.gz", f"{PHONES}.gz"):
        remove(out / name)
    if words:
        write_ctm(out / WORDS, words)
    write_ctm(out / PHONES, alignment)


def counts(alignment, words, silences):
    """`phones: 70972 of 39 kinds; words: 15849; silences left out: 12 (sil 10, no label 2)`."""
    phones = [phone for some in alignment.values() for phone in some]
    empty = sum(phone.end_s <= phone.start_s for phone in phones)
    told = ", ".join(f"{label or 'no label'} {count}" for label, count in silences.most_common())
    return (
        f"phones: {len(phones)} of {len({phone.label for phone in phones})} kinds"
        + (f", {empty} of no length" if empty else "")
        + f"; words: {sum(map(len, words.values()))}; silences left out: {silences.total()}"
        + (f" ({told})" if told else "")
    )
