"""Score a decode folder against a data directory's transcripts: error rates, confusion matrix, Kaldi's scoring files."""

import csv
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.evaluation.kaldi import bootci_lines, ops_lines, per_spk_lines, per_utt_lines
from asrkit.evaluation.scoring import NO_DECISION, Counts, ErrorReport, compute_errors, units, wer_lines
from asrkit.evaluation.significance import bootstrap_wer
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import hears_phrases, read_facts, read_hyp
from asrkit.io.files import atomic_write, write_table
from asrkit.io.json_file import checked
from asrkit.io.places import as_path
from asrkit.words.confidence import UNKNOWN

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Scored:
    """Errors of a decoding.

    Attributes
    ----------
    report : ErrorReport
    skipped : dict of str to str
        Utterances that the decoder gave up, with its reasons: they count as errors.
    """

    report: ErrorReport
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """What Kaldi's compute-wer prints, then intervals and notes."""
        return [*wer_lines(self.report), *notes(self.report, self.skipped)]

    def speaker_lines(self) -> list[str]:
        """The table of speakers, as Kaldi's per_spk."""
        return per_spk_lines(self.report)


def score(data_dir: PathLike, decode_dir: PathLike, *, mode: str = "all") -> Scored:
    """Score the hypotheses of a decode folder and write the reports into it.

    Parameters
    ----------
    data_dir : path
        Data directory with the reference in text.
    decode_dir : path
        Folder with hyp; may have skipped and decode.json.
    mode : {"all", "strict", "present"}
        An utterance without hypothesis counts as an error, is a DataError, or is left out.

    Returns
    -------
    Scored

    Raises
    ------
    DataError
        Nothing can be scored, or the files contradict each other.
    """
    data, out = read_data_dir(data_dir, require=("text",)), as_path(decode_dir)
    if not (out / "hyp").exists():
        raise DataError(
            f"{out / 'hyp'}: no such file (asrkit decode makes it; give its folder, such as exp/gmm/decode_test)"
        )
    hyps, skipped = read_hyp(out)
    if hyps and not hyps.keys() & data.text.keys():
        raise DataError(
            f"{out / 'hyp'}: none of its {len(hyps)} utterances is in {data_dir}/text (was another directory decoded?)"
        )
    vocabulary, refs, phrases = read_vocabulary(out), data.text, hears_phrases(out)
    if vocabulary is not None and rejects(out):  # a word that no model knows is rightly heard as none
        vocabulary = [*vocabulary, UNKNOWN]
        refs = {
            utt: " ".join(word if word in vocabulary else UNKNOWN for word in units(text, phrases))
            for utt, text in refs.items()
        }
    try:
        report = compute_errors(
            refs,
            hyps,
            {utt: data.speaker(utt) for utt in data.text},
            mode,
            vocabulary=vocabulary,
            skipped=skipped,
            phrases=phrases,
        )
    except DataError as error:
        raise DataError(f"{out / 'hyp'}: {error}") from None
    if not report.utts:
        raise DataError(
            f"{out / 'hyp'}: nothing to score: none of the {len(data.text)} utterances of {data_dir}/text is here"
        )
    if report.ignored:
        log.warning(
            "%s: ignored %d hypotheses that have no reference in %s/text",
            out / "hyp",
            report.ignored,
            data_dir,
        )
    skipped = {utt: reason for utt, reason in skipped.items() if utt in data.text and utt not in hyps}
    write_kaldi_files(report, refs, out)
    write_reports(report, skipped, out)
    # Last, because scripts take wer_* for the sign that the scoring is complete.
    write_lines(out / "wer_1", wer_lines(report))
    return Scored(report, skipped)


def read_vocabulary(folder: Path) -> list[str] | None:
    """The system's words, or None where the decoder left no word list."""
    facts = read_facts(folder)
    if facts is None:
        return None
    checked(facts, {"words": [str]}, folder / "decode.json", "decode again, or delete it")
    return [composed(word) for word in facts["words"]]


def rejects(folder: Path) -> bool:
    """Whether the decoder was to hear what it is not sure of as `<unk>`."""
    return "min_confidence" in (read_facts(folder) or {})


def rejection_lines(report: ErrorReport) -> list[str]:
    """Say how many words were rejected and accepted, rightly and wrongly; none where nothing was rejected."""
    if UNKNOWN not in report.words:
        return []
    place = report.words.index(UNKNOWN)
    known = np.arange(len(report.words)) != place
    counts, right = report.confusion, report.confusion.diagonal()
    said, unsaid = counts[known].sum(), counts[place].sum()
    rejected, accepted = counts[known, place].sum(), counts[known][:, :-1][:, known].sum()
    lines = [
        f"rejected {rejected} of {said} words that it knows ({_percent(rejected, said)}), "
        f"{accepted - right[known].sum()} of {accepted} accepted are wrong ({_percent(accepted - right[known].sum(), accepted)})"
    ]
    if unsaid:
        passed = unsaid - right[place]
        lines.append(f"accepted {passed} of {unsaid} that it does not know ({_percent(passed, unsaid)})")
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def notes(report: ErrorReport, skipped: Mapping[str, str]) -> list[str]:
    low, high = report.interval
    lines = [f"%ACC {100 * report.accuracy:.2f} [ 100 - {100 * report.wer:.2f} ]"] if report.num_words else []
    lines.append(f"95% interval (Wilson): [ {100 * low:.2f}, {100 * high:.2f} ]")
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
    lines += rejection_lines(report)
    if skipped:
        lines.append(
            f"{len(skipped)} skipped by the decoder (counted as errors): "
            + ", ".join(f"{utt} ({reason or 'no reason given'})" for utt, reason in skipped.items())
        )
    return lines


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as stream:
        stream.writelines(f"{line}\n" for line in lines)


def write_kaldi_files(report: ErrorReport, refs: Mapping[str, str], out: Path) -> None:
    folder = out / "scoring_kaldi"
    write_table(folder / "test_filt.txt", refs)
    write_lines(folder / "wer_details" / "per_utt", per_utt_lines(report))
    write_lines(folder / "wer_details" / "per_spk", per_spk_lines(report))
    write_lines(folder / "wer_details" / "ops", ops_lines(report))
    write_lines(folder / "wer_details" / "wer_bootci", bootci_lines(bootstrap_wer(*report.per_utt())))
    write_lines(folder / "best_wer", [f"{wer_lines(report)[0]} {out / 'wer_1'}"])


def write_reports(report: ErrorReport, skipped: Mapping[str, str], out: Path) -> None:
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


def summary(report: ErrorReport, skipped: Mapping[str, str]) -> dict[str, Any]:
    """The report as JSON values; a rate without words is null."""

    def rates(counts: Counts) -> dict[str, Any]:
        wer = counts.errors / counts.words if counts.words else None
        return {
            **asdict(counts),
            "errors": counts.errors,
            "total": counts.words,
            "wer": wer,
            "accuracy": wer if wer is None else 1 - wer,
        }

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
