"""Recordings and their words -> OUT/phones.ctm and OUT/words.ctm, by pocketsphinx (pip install
'asrkit[align]').

Each word of DIR/text is looked up in a dictionary, as it is written, all small or in capitals; of several
ways to say it the likeliest is taken. For a corpus that says what was to be pronounced, --pronunciations
gives the phones of every utterance, words separated by ` | `, as many as in text: `utt<TAB>T AA M | IH Z`.
Exactly those are aligned then.

Phones are the model's: pocketsphinx's US English model has the ARPAbet without stress. A phone that it knows
only without stress digit or Kaldi's position in the word (AH0_B) is taken without. Pauses between words are
found and left out. Recordings are resampled to the model's rate. An utterance that can't be aligned is left
out, counted and named.
"""

import functools
import importlib.util
import logging
from pathlib import Path

from asrkit.cli.commands.compute_mfcc import cut, recordings, silence_reason, warn_of_channels
from asrkit.cli.commands.mixgop_import_alignment import write
from asrkit.config import add_flag, add_options, from_args
from asrkit.errors import DataError, UsageError
from asrkit.io.alignment import Phone
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.lexicon import look_up, plain, read_lexicon, read_pronunciations
from asrkit.phones.aligner import aligner
from asrkit.runtime import ordered_map

EXAMPLE = """example:
  asrkit mixgop align data/train exp/ali --nj 2
  asrkit mixgop align data/train exp/ali --lexicon lexicon.txt --model models/de
"""

CHUNK = 8  # recordings a unit of work; fixed, so that nothing depends on --nj
REMEDY = "--lexicon FILE with lines `WORD P1 P2 …`, or --pronunciations"

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp and text")
    parser.add_argument("out", metavar="OUT", help="folder for phones.ctm and words.ctm")
    parser.add_argument(
        "--lexicon",
        metavar="FILE",
        help="dictionary, lines `WORD P1 P2 …` (default: CMU's, which comes with pocketsphinx)",
    )
    parser.add_argument(
        "--pronunciations", metavar="FILE", help="phones of each utterance in place of a dictionary"
    )
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        help="acoustic model in pocketsphinx's form (default: its own of US English)",
    )
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_options(parser, ReadConfig)


def main(args):
    read = from_args(ReadConfig, args)
    if args.lexicon and args.pronunciations:
        raise UsageError(
            "--pronunciations says how all words are said, so --lexicon would do nothing (give one of them)"
        )
    data = read_data_dir(args.dir, require=("wav.scp", "text"))
    if importlib.util.find_spec("pocketsphinx") is None:
        raise DataError("pocketsphinx, which finds the phones, is not installed: pip install 'asrkit[align]'")
    model = open_model(args.model)
    ways, skipped = find_pronunciations(data, args)
    ways = in_phones_of(model, ways, skipped, args.pronunciations or args.lexicon or "the dictionary")
    work = [
        (name, file, [part for part in parts if part[0] in ways]) for name, file, parts in recordings(data)
    ]
    work = [(file, [(*part, ways[part[0]]) for part in parts]) for _, file, parts in work if parts]
    found = {part[0] for _, parts in work for part in parts}
    skipped.update({utt: "no recording in wav.scp" for utt in ways if utt not in found})
    check_skipped(skipped, read.max_skipped, "could align", len(found))
    chunks = [work[i : i + CHUNK] for i in range(0, len(work), CHUNK)]
    align = functools.partial(
        align_chunk, model=model.model, base=data.path, channel=args.channel, allow_pipes=read.allow_pipes
    )
    alignment, words, several, slow = {}, {}, [], []
    for results in ordered_map(align, chunks, jobs=args.nj, label=f"alignments, {CHUNK} recordings a step"):
        for utt, said, rate_hz, channels, reason in results:
            if reason:
                skipped[utt] = reason
                continue
            alignment[utt], words[utt] = in_seconds(said, data.text[utt].split(), model.frame_s)
            several += [utt] if channels > 1 else []
            slow += [utt] if rate_hz < model.rate_hz else []
    if not alignment:
        raise DataError(f"{data.path}: nothing could be aligned{first_reasons(skipped)}")
    check_skipped(skipped, read.max_skipped, "aligned", len(alignment))
    warn_of_channels(several, args.channel)
    if slow:
        log.warning(
            "%d recordings (%s, ...) have a lower rate than the model, %d Hz: their upper band is empty",
            len(slow),
            slow[0],
            model.rate_hz,
        )
    write(Path(args.out), alignment, words)
    phones = [phone.label for some in alignment.values() for phone in some]
    print(f"phones: {len(phones)} of {len(set(phones))} kinds; words: {sum(map(len, words.values()))}")
    print(summary("aligned", len(alignment), skipped))
    return 0


def open_model(folder):
    """The aligner of a model's folder, pocketsphinx's own where none is named."""
    path = Path(folder) if folder else wheel_file("en-us")
    if not (path / "mdef").is_file():
        raise DataError(
            f"{path}: no acoustic model of pocketsphinx, there is no mdef in it (--model names the folder of one)"
        )
    try:
        return aligner(str(path))
    except RuntimeError as error:
        raise DataError(
            f"{path}: pocketsphinx can't use this model: {error} (copy it again: mdef, means, variances, feat.params, …)"
        ) from None


def wheel_file(name):
    """A file or folder of the US English model that comes with pocketsphinx."""
    from pocketsphinx import get_model_path

    return Path(get_model_path("en-us")) / name


def find_pronunciations(data, args):
    """For each utterance, of each word the ways to say it; why an utterance has none goes to the second dict."""
    if args.pronunciations:
        said, source = read_pronunciations(args.pronunciations), args.pronunciations
    else:
        vocabulary = {word for text in data.text.values() for word in text.split()}
        lexicon = read_lexicon(args.lexicon or wheel_file("cmudict-en-us.dict"), vocabulary)
    ways, skipped = {}, {}
    for utt in data.utts:
        words = data.text.get(utt, "").split()
        if not words:
            skipped[utt] = "no words in text"
        elif not args.pronunciations:
            ways[utt] = [look_up(lexicon, word) for word in words]
            missing = [word for word, some in zip(words, ways[utt]) if not some]
            if missing:
                skipped[utt] = f"not in the dictionary: {', '.join(dict.fromkeys(missing))} ({REMEDY})"
                del ways[utt]
        elif utt not in said:
            skipped[utt] = f"not in {source}"
        elif len(said[utt]) != len(words):
            skipped[utt] = f"{len(words)} words in text, {len(said[utt])} in {source}"
        else:
            ways[utt] = [(phones,) for phones in said[utt]]
    return ways, skipped


def in_phones_of(model, ways, skipped, source):
    """The pronunciations in the model's phones; utterances with others go to `skipped`."""
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


def align_chunk(chunk, model, base, channel, allow_pipes):
    """Of some recordings (utt, phones of each word or None, own rate in Hz, channels, reason or None)."""
    by, out = aligner(model), []
    for file, parts in chunk:
        channels = [1]
        try:
            samples, own_hz = read_audio(
                file,
                rate=by.rate_hz,
                base=base,
                channel=channel,
                allow_pipes=allow_pipes,
                on_channels=channels.append,
            )
        except DataError as error:
            out += [(part[0], None, 0, 1, str(error)) for part in parts]
            continue
        for utt, start_s, end_s, ways in parts:
            said = reason = None
            try:
                part = cut(samples, by.rate_hz, start_s, end_s)
                reason = silence_reason(part)
                said = None if reason else by.align(part, ways)
            except (DataError, ValueError) as error:
                reason = str(error)
            out.append((utt, said, own_hz, channels[-1], reason))
    return out


def in_seconds(said, words, frame_s):
    """Phones and words of one utterance as the CTM files have them."""
    phones, spans = [], []
    for word, some in zip(words, said, strict=True):
        own = [Phone(label, start * frame_s, (start + count) * frame_s, word) for label, start, count in some]
        phones += own
        spans.append(Phone(word, own[0].start_s, own[-1].end_s))
    return tuple(phones), tuple(spans)
