"""Phones' times as other programs write them -> OUT/phones.ctm, and OUT/words.ctm where the words are known.

SRC is a folder of Praat TextGrid files, one an utterance, named utt.TextGrid, in folders by speaker or not
(as the Montreal Forced Aligner writes them), or one such file; a phone CTM file, or a folder with phones.ctm
and perhaps words.ctm; or what Kaldi's `ali-to-phones --per-frame` (or `--write-lengths`) writes: an archive,
an scp file or a folder with ali*.ark or ali*.gz.

Silences are left out and counted by label: no label, sil, sp, spn, nsn, lau, pau, epi, h#, silence, noise and
the like in any case, marks alone (_, #, ...), all in <>, [], {}, (), ++, and what --silences names. TIMIT's
closures (bcl) are phones.

With --data the alignment is held against a data directory. Utterances that do not fit are left out, counted and
named: phones behind the end; in Kaldi's archives another number of frames than the features have (two more or
fewer are forgiven). Where all ends lie elsewhere than the recordings' (times divided by 3, milliseconds, a frame
shift that is another), nothing is imported.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.io.textgrid import PHONE_TIERS, WORD_TIERS
from asrkit.workflows.mixgop_import_alignment import FORMATS, mixgop_import_alignment

EXAMPLE = """example:
  asrkit mixgop import-alignment corpus/aligned exp/ali --data data/train
  asrkit mixgop import-alignment exp/tri3_ali/ali.ark exp/ali --phones data/lang/phones.txt
"""

STRIP = {"auto": None, "true": True, "false": False}


def add_arguments(parser):
    parser.add_argument("src", metavar="SRC", help="file or folder with the alignment")
    parser.add_argument("out", metavar="OUT", help="folder for phones.ctm and words.ctm")
    add_flag(parser, "format", "auto", "what SRC is", choices=FORMATS)
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
    parser.add_argument(
        "--phones",
        metavar="FILE",
        help="phones.txt, lines `label number`: ali, and CTM files and TextGrids whose labels are numbers",
    )
    add_flag(
        parser,
        "frame-shift",
        0.0,
        "ali: seconds a frame; 0: that of --data, else 0.01",
        dest="frame_shift_s",
        minimum=0,
        maximum=1,
    )
    add_flag(parser, "strip-stress", True, "AH0, AH1 and AH2 become AH (vowels of the ARPAbet, in capitals)")
    add_flag(
        parser,
        "strip-position",
        "auto",
        "AH_B, AH_I, AH_E and AH_S become AH (Kaldi's positions in a word); auto: not in TextGrids, "
        "where `t_S` may be X-SAMPA",
        choices=tuple(STRIP),
    )
    add_flag(
        parser,
        "silences",
        "",
        "further labels that are no phones, exactly as written, with commas between",
    )
    parser.add_argument(
        "--data", dest="data_dir", metavar="DIR", help="data directory that the alignment must fit"
    )
    add_flag(parser, "max-skipped", 0, "utterances that may be unusable before the command fails", minimum=0)
    add_flag(parser, "allow-pipes", False, "ali: run shell pipes found in an scp file")


def main(args):
    imported = mixgop_import_alignment(
        args.src,
        args.out,
        format=args.format,
        tier=args.tier,
        word_tier=args.word_tier,
        prefix_folder=args.prefix_folder,
        phones=args.phones,
        frame_shift_s=args.frame_shift_s,
        strip_stress=args.strip_stress,
        strip_position=STRIP[args.strip_position],
        silences=[label for label in args.silences.split(",") if label],
        data_dir=args.data_dir,
        max_skipped=args.max_skipped,
        allow_pipes=args.allow_pipes,
    )
    say(imported.lines())
    return 0
