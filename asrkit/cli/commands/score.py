"""Score a decoding: error rates, confusion matrix, Kaldi's scoring files.

DIR is a data directory: DIR/text holds what was said, DIR/utt2spk (optional) who said it.
OUT is a decode folder: OUT/hyp holds what was recognised, `utt word` a line, in C-locale order; a line with
the utterance alone is an empty hypothesis. OUT/skipped (optional, `utt reason`) names utterances the decoder
gave up: they count as errors in every mode. OUT/decode.json (optional) holds under "words" the words the
system knows: what it cannot know is counted as its error, and said.

Standard output is what Kaldi's compute-wer prints, then two 95 % intervals and notes. Wilson's takes every
word for a trial of its own: other words of these speakers. The bootstrap draws whole speakers: other
speakers. Files:
  OUT/wer_1                    the three lines of compute-wer
  OUT/scoring_kaldi/           test_filt.txt, best_wer, wer_details/{per_utt,per_spk,ops,wer_bootci}
  OUT/report.json              everything by name; wer and intervals are fractions
  OUT/confusion.csv, .png      rows: what was said; columns: what was heard
"""

import csv
import json
import logging
from dataclasses import asdict
from pathlib import Path

from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.evaluation.scoring import (
    MODES,
    NO_DECISION,
    bootci_lines,
    bootstrap_wer,
    compute_errors,
    ops_lines,
    per_spk_lines,
    per_utt_lines,
    wer_lines,
)
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import atomic_write, read_lines, read_table, write_table

EXAMPLE = """example:
  asrkit score data/test exp/chmm/decode_test
  asrkit score --mode strict --per-speaker true data/test exp/chmm/decode_test
"""

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with the reference in text")
    parser.add_argument(
        "out", metavar="OUT", help="decode folder with hyp; the reports are written here, too"
    )
    add_flag(
        parser,
        "mode",
        "all",
        choices=MODES,
        help="an utterance without hypothesis: all counts it as an error, strict stops, present leaves it out",
    )
    add_flag(parser, "per-speaker", False, "print the table of speakers, too")


def main(args):
    data, out = read_data_dir(args.dir, require=("text",)), Path(args.out)
    skipped = read_table(out / "skipped") if (out / "skipped").exists() else {}
    if not (out / "hyp").exists():
        raise DataError(
            f"{out / 'hyp'}: no such file (asrkit decode makes it; give its folder, such as exp/gmm/decode_test)"
        )
    hyps = read_table(out / "hyp")
    if hyps and not hyps.keys() & data.text.keys():
        raise DataError(
            f"{out / 'hyp'}: none of its {len(hyps)} utterances is in {args.dir}/text (was another directory decoded?)"
        )
    try:
        report = compute_errors(
            data.text,
            hyps,
            {utt: data.speaker(utt) for utt in data.text},
            args.mode,
            vocabulary=read_vocabulary(out / "decode.json"),
            skipped=skipped,
        )
    except DataError as error:
        raise DataError(f"{out / 'hyp'}: {error}") from None
    if not report.utts:
        raise DataError(
            f"{out / 'hyp'}: nothing to score: none of the {len(data.text)} utterances of {args.dir}/text is here"
        )
    if report.ignored:
        log.warning(
            "%s: ignored %d hypotheses that have no reference in %s/text",
            out / "hyp",
            report.ignored,
            args.dir,
        )
    skipped = {utt: reason for utt, reason in skipped.items() if utt in data.text and utt not in hyps}
    write_kaldi_files(report, data.text, out)
    write_reports(report, skipped, out)
    # Last, because scripts take wer_* for the sign that the scoring is complete.
    write_lines(out / "wer_1", wer_lines(report))
    for line in [*wer_lines(report), *notes(report, skipped)]:
        print(line)
    if args.per_speaker:
        print("\n".join(per_spk_lines(report)))
    return 0


def read_vocabulary(path):
    """The system's words, or None where the decoder left no word list."""
    if not path.exists():
        return None
    try:
        settings = json.loads("\n".join(line for _, line in read_lines(path)))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: not JSON: {error.msg} (decode again, or delete it)"
        ) from None
    words = settings.get("words") if isinstance(settings, dict) else None
    if not isinstance(words, list):
        raise DataError(f'{path}: no list of words under "words" (decode again, or delete it)')
    return words


def notes(report, skipped):
    low, high = report.interval
    lines = [f"95% interval (Wilson): [ {100 * low:.2f}, {100 * high:.2f} ]"]
    if report.speaker_interval:
        low, high = report.speaker_interval
        says_nothing = "" if report.total.errors else ", which without an error says nothing"
        lines.append(
            f"95% interval (bootstrap over {len(report.speakers)} speakers): [ {100 * low:.2f}, {100 * high:.2f} ]{says_nothing}"
        )
    if report.unknown:
        often = sorted(report.unknown.items(), key=lambda item: (-item[1], item[0].encode()))
        total = sum(report.unknown.values())
        lines.append(
            f"{total} {'utterance says a word' if total == 1 else 'utterances say words'} without a model (counted as errors): "
            + ", ".join(f"{word} ({count})" for word, count in often)
        )
    if skipped:
        lines.append(
            f"{len(skipped)} skipped by the decoder (counted as errors): "
            + ", ".join(f"{utt} ({reason or 'no reason given'})" for utt, reason in skipped.items())
        )
    return lines


def write_lines(path, lines):
    with atomic_write(path) as stream:
        stream.writelines(f"{line}\n" for line in lines)


def write_kaldi_files(report, refs, out):
    folder = out / "scoring_kaldi"
    write_table(folder / "test_filt.txt", refs)
    write_lines(folder / "wer_details" / "per_utt", per_utt_lines(report))
    write_lines(folder / "wer_details" / "per_spk", per_spk_lines(report))
    write_lines(folder / "wer_details" / "ops", ops_lines(report))
    write_lines(folder / "wer_details" / "wer_bootci", bootci_lines(bootstrap_wer(*report.per_utt())))
    write_lines(folder / "best_wer", [f"{wer_lines(report)[0]} {out / 'wer_1'}"])


def write_reports(report, skipped, out):
    from asrkit.plots.words import plot_confusion  # late: matplotlib is slow to import

    with atomic_write(out / "report.json") as stream:
        json.dump(summary(report, skipped), stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
    with atomic_write(out / "confusion.csv") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["reference", *report.words, NO_DECISION])
        table.writerows([word, *row] for word, row in zip(report.words, report.confusion.tolist()))
    with atomic_write(out / "confusion.png", "wb") as stream:
        plot_confusion(report, stream, out.resolve().parent.name)


def summary(report, skipped):
    """The report as JSON values; a rate without words is null."""

    def rates(counts):
        wer = counts.errors / counts.words if counts.words else None
        return {**asdict(counts), "errors": counts.errors, "total": counts.words, "wer": wer}

    heard = {word: int(column.sum()) for word, column in zip(report.words, report.confusion.T)}
    per_word = {
        word: {"total": int(row.sum()), "errors": int(row.sum() - row[i]), "heard": heard[word]}
        for i, (word, row) in enumerate(zip(report.words, report.confusion))
    }
    return {
        "mode": report.mode,
        **rates(report.total),
        "interval": list(report.interval),
        "speaker_interval": report.speaker_interval and list(report.speaker_interval),
        "not_in_hyp": report.missing,
        "ignored": report.ignored,
        "unknown_words": report.unknown,
        "skipped": skipped,
        "per_speaker": {speaker: rates(counts) for speaker, counts in report.speakers.items()},
        "per_word": per_word,
        "words": list(report.words),
        "confusion": report.confusion.tolist(),
    }
