"""Write the page of a report, and what it says for machines: report.html, errors.tsv, report.json."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrkit import families
from asrkit.characters import column
from asrkit.config import check_fields, option
from asrkit.errors import DataError
from asrkit.evaluation.comparison import Comparison, compare_reports
from asrkit.evaluation.detection import Detection, Trial
from asrkit.evaluation.scoring import Counts
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.features import ReadConfig
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.json_file import read_object
from asrkit.io.model_file import read_model
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.error_report import (
    Case,
    Errors,
    Heard,
    Hearing,
    Part,
    find_errors,
    read_heard,
)
from asrkit.workflows.error_texts import hearing_json, neighbour_json
from asrkit.workflows.learning_curve import read_curve
from asrkit.workflows.report_pages import page_name, write_pages
from asrkit.workflows.unknown import read_trials

if TYPE_CHECKING:
    from asrkit.workflows.report import System

TSV = (
    "utt", "speaker", "said", "system", "heard", "p", "ahead", "against", "decided_start_s", "decided_end_s", "decided_nats", "exact",
    "nearest",
)  # fmt: skip


@dataclass(frozen=True)
class HtmlConfig:
    """What the page of a report holds."""

    html: bool = option(
        False,
        "write report.html, a page on which every error can be heard and seen, errors.tsv and report.json, too",
    )
    html_errors: int = option(500, "errors on the page; further ones are on pages beside it", minimum=1)
    html_mb: float = option(
        20.0, "megabytes of a page, about; what does not fit is on the next one", minimum=1, maximum=1000
    )
    train_dir: str = option(
        "",
        "what the models were trained on: recordings that sound like an error are looked for there (a crossval knows it)",
    )
    learning_curves: str = option(
        "", "folders of asrkit learning-curve, with commas between, whose curves are drawn on the page"
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Pages:
    """What was written for a report.

    Attributes
    ----------
    files : tuple of str
        The pages, in the report's folder, the first one first.
    errors, suspects : int
        Recordings that some system heard wrongly; and those that are probably mislabelled.
    """

    files: tuple[str, ...]
    errors: int
    suspects: int

    def lines(self) -> list[str]:
        """Say what is where."""
        more = f", further ones in {', '.join(self.files[1:])}" if len(self.files) > 1 else ""
        return [
            f"{self.files[0]}: {self.errors} recordings with an error, {self.suspects} probably mislabelled{more}"
        ]


def write_html(
    out: Path,
    data_dir: Path,
    systems: "Sequence[System]",
    title: str,
    config: HtmlConfig,
    read: ReadConfig,
    curves: Mapping[str, Any],
) -> Pages:
    """Write report.html, errors.tsv and report.json.

    Parameters
    ----------
    out : Path
        The report's folder.
    systems : sequence of System
        With unique names.
    curves : dict of str to dict
        Training curves by system, as `read_curves` gives them.
    """
    folders = [as_path(own.strip()) for own in config.learning_curves.split(",") if own.strip()]
    several = len({own.name for own in folders}) < len(folders)
    learned = {str(own) if several else own.name: read_curve(own) for own in folders}
    data = read_data_dir(data_dir, require=("text",))
    parts = {one.name: parts_of(one, data_dir, config.train_dir) for one in systems}
    heard = [checked_heard(one, data) for one in systems]
    models = {name: read_model(own[0].exp) for name, own in parts.items()}
    errors = find_errors(heard, parts, data, read, out)
    pairs = [
        (a.name, b.name, compare_reports(a.errors, b.errors))
        for a, b in itertools.combinations(heard, 2)
        if a.errors.utts.keys() == b.errors.utts.keys() and a.errors.num_words
        and all(a.errors.utts[utt].ref == b.errors.utts[utt].ref for utt in a.errors.utts)
    ]  # fmt: skip
    trials, told = trials_of(systems, heard)
    rows = system_rows(systems, heard, models, parts)
    write_errors_tsv(out / "errors.tsv", errors)
    with atomic_write(out / "report.json") as stream:
        json.dump(
            {**as_json(title, rows, heard, errors, pairs, trials), "learning_curves": learned},
            stream,
            ensure_ascii=False,
            allow_nan=False,
            indent=1,
        )
        stream.write("\n")
    sections = static_sections(rows, heard, pairs, trials, told, curves, learned)
    files = tuple(
        write_pages(
            out,
            data,
            errors,
            models[heard[0].name],
            title,
            sections,
            config.html_errors,
            config.html_mb,
            read,
        )
    )
    for number in itertools.count(len(files) + 1):  # of an earlier report
        if not (out / page_name(number)).exists():
            break
        remove(out / page_name(number))
    return Pages(files, len(errors.cases), len(errors.suspects))


def parts_of(system: "System", data_dir: Path, train_dir: str) -> list[Part]:
    """The models of a system with what each heard and was trained on."""
    if not (system.decode / "crossval.json").exists():
        return [Part(system.exp, system.decode, data_dir, as_path(train_dir) if train_dir else None)]
    folds = read_object(system.decode / "crossval.json", {"folds": [dict]}, "asrkit crossval")["folds"]
    folders = [system.decode / f"fold_{file_name(fold['name'])}" for fold in folds]
    return [Part(folder, folder / "decode_test", folder / "test", folder / "train") for folder in folders]


def checked_heard(system: "System", data: DataDir) -> Heard:
    """What a system heard; a DataError where `asrkit score` counted something else."""
    found, scored = read_heard(system.name, system.decode, data, system.report["mode"]), system.report
    if (found.errors.errors, found.errors.num_words) != (scored["errors"], scored["total"]):
        raise DataError(
            f"{system.decode / 'hyp'}: {found.errors.errors} errors in {found.errors.num_words} words of {data.path}/text, but report.json "
            f"beside it has {scored['errors']} in {scored['total']} (asrkit score {data.path} {system.decode} counts anew)"
        )
    return found


def trials_of(systems: "Sequence[System]", heard: Sequence[Heard]) -> tuple[dict[str, Detection], str]:
    """How sure each system was, and of what it could have been wrong: unknown words where they were tried, else wrong ones."""
    found, unknown = {}, all((one.decode / "trials.tsv").exists() for one in systems)
    for system, own in zip(systems, heard, strict=True):
        if not own.p:
            continue
        if unknown:
            found[own.name] = Detection(
                read_trials(system.decode / "trials.tsv"), len(system.decoded.get("words", ())) or None
            )
            continue
        trials = []
        for utt, scored in own.errors.utts.items():
            if utt in own.p:
                right = not scored.counts.errors
                trials.append(Trial(utt, scored.speaker, right, right, own.p[utt]))
        if trials:
            found[own.name] = Detection(trials)
    return found, "unknown words" if unknown else "wrong words"


def system_rows(
    systems: "Sequence[System]",
    heard: Sequence[Heard],
    models: Mapping[str, Vocabulary],
    parts: Mapping[str, Sequence[Part]],
) -> list[dict[str, str]]:
    """The table of systems."""
    rows = []
    for system, own in zip(systems, heard, strict=True):
        errors, vocabulary = own.errors, models[own.name]
        low, high = errors.interval
        speakers = errors.speaker_interval
        seconds, words = system.decoded["seconds"], max(len(own.hyps) + len(own.skipped), 1)
        sound_s = system.decoded.get("frames", 0) * (vocabulary.frontend.kind.frame_shift_s or 0.01)
        kilobytes = next((path.stat().st_size / 1000 for path in model_files(parts[own.name][0].exp)), 0.0)
        family = families.load(vocabulary.family)
        rows.append(
            {
                "system": own.name,
                "family": vocabulary.family,
                "errors": str(errors.errors),
                "words": str(errors.num_words),
                "WER %": f"{100 * errors.wer:.2f}",
                "accuracy %": f"{100 * errors.accuracy:.2f}",
                "95 % interval": f"{100 * low:.2f} to {100 * high:.2f}",
                "95 %, other speakers": f"{100 * speakers[0]:.2f} to {100 * speakers[1]:.2f}"
                if speakers
                else "",
                "parameters": str(vocabulary.num_parameters),
                "model kB": f"{kilobytes:.0f}",
                "train s": f"{system.train_s:.1f}",
                "decode s": f"{seconds:.1f}",
                "ms a word": f"{1000 * seconds / words:.2f}",
                "times real time": f"{sound_s / seconds:.0f}" if seconds else "",
                "size": family.describe(vocabulary.family_config),
            }
        )
    return rows


def model_files(exp: Path) -> Iterable[Path]:
    return [path for path in (exp / "final.npz", exp) if path.is_file()]


def write_errors_tsv(path: Path, errors: Errors) -> None:
    """Write a line for every error of every system; `ahead` is the lead over the word `against` in nats."""
    with atomic_write(path) as stream:
        stream.write("\t".join(TSV) + "\n")
        for utt in c_sorted(errors.cases):
            case = errors.cases[utt]
            for system, own in case.by.items():
                stream.write("\t".join(_tsv_row(case, system, own)) + "\n")


def _tsv_row(case: Case, system: str, own: Hearing) -> list[str]:
    row = [
        case.utt,
        case.speaker,
        column(case.said),
        system,
        column(own.heard or "-"),
        "" if own.p is None else f"{own.p:.6f}",
    ]
    if own.contrast is None:
        row += [""] * 6
    else:
        difference, (first, last) = own.contrast.difference, own.contrast.decided
        start_s, end_s = (case.start_s + t * case.frame_shift_s for t in (first, last))
        row += [f"{difference.sum():.4f}", column(own.contrast.other.word), f"{start_s:.3f}", f"{end_s:.3f}"]
        row += [f"{difference[first:last].sum():.4f}", str(own.exact).lower()]
    return [*row, ",".join(f"{near.utt}:{column(near.word)}" for near in case.neighbours)]


def as_json(
    title: str,
    rows: Sequence[Mapping[str, str]],
    heard: Sequence[Heard],
    errors: Errors,
    pairs: Sequence[tuple[str, str, Comparison]],
    trials: Mapping[str, Detection],
) -> dict[str, Any]:
    """All that the page says but sounds and pictures, as JSON values."""
    systems = []
    for row, own in zip(rows, heard, strict=True):
        found = own.errors
        systems.append(
            {
                "name": own.name,
                "family": row["family"],
                "size": row["size"],
                "errors": found.errors,
                "words": found.num_words,
                "wer": found.wer if found.num_words else None,
                "accuracy": found.accuracy if found.num_words else None,
                "interval": list(found.interval),
                "speaker_interval": list(found.speaker_interval) if found.speaker_interval else None,
                "parameters": int(row["parameters"]),
                "model_kb": float(row["model kB"]),
                "train_s": float(row["train s"]),
                "decode_s": float(row["decode s"]),
                "per_speaker": {name: asdict(counts) for name, counts in found.speakers.items()},
                "vocabulary": list(found.words),
                "confusion": found.confusion.tolist(),
                "calibration_error": trials[own.name].calibration_error if own.name in trials else None,
            }
        )
    compared = [
        {
            "a": a, "b": b, "both_right": own.both_right, "only_a": own.only_a, "only_b": own.only_b, "both_wrong": own.both_wrong,
            "p": own.p, "difference_percent": own.difference, "interval_percent": list(own.interval), "verdict": own.verdict,
        }
        for a, b, own in pairs
    ]  # fmt: skip
    return {
        "title": title,
        "systems": systems,
        "comparisons": compared,
        "errors": [
            {
                "utt": case.utt,
                "speaker": case.speaker,
                "said": case.said,
                "systems": {name: hearing_json(case, own) for name, own in case.by.items()},
                "neighbours": [neighbour_json(near) for near in case.neighbours],
            }
            for case in errors.cases.values()
        ],
        "mislabelled": [one._asdict() for one in errors.suspects],
    }


def static_sections(
    rows: Sequence[Mapping[str, str]],
    heard: Sequence[Heard],
    pairs: Sequence[tuple[str, str, Comparison]],
    trials: Mapping[str, Detection],
    told: str,
    curves: Mapping[str, Any],
    learned: Mapping[str, list[tuple[float, float]]],
) -> list[tuple[str, str, str]]:
    """All sections of the first page but those of the errors: name, title in the navigation, HTML."""
    from asrkit.plots import report_page as page

    names = [own.name for own in heard]
    parts = [page.systems_table(rows)]
    if pairs:
        parts.append(page.comparisons_table(pairs))
    sections: list[tuple[str, str, str]] = [
        ("summary", "Summary", page.section("summary", "Summary", *parts))
    ]
    confused = page.confusion_section({own.name: own.errors for own in heard})
    sections.append(("confusion", "Confusions", confused))
    for name, title, groups in (
        ("speakers", "Speakers", [own.errors.speakers for own in heard]),
        ("words", "Words", [page.word_counts(own.errors) for own in heard]),
    ):
        keys = c_sorted({key for own in groups for key in own})
        if name == "speakers" and all(own.utts == 1 for one in groups for own in one.values()):
            continue  # who speaks is not known
        table = {key: [own.get(key, Counts()) for own in groups] for key in keys}
        made = page.groups_table(title[:-1].lower(), f"Errors by {title[:-1].lower()}", table, names)
        sections.append((name, title, page.section(name, title, made)))
    if trials:
        figures = [page.calibration_curves(trials)]
        both = {
            name: own
            for name, own in trials.items()
            if len(own.unknown) >= page.LEAST_WRONG and len(own.accepted_rightly)
        }
        if both:
            figures.append(page.det_curves(both, told))
        sections.append(
            ("confidence", "Confidence", page.section("confidence", "Confidence", page.charts(*figures)))
        )
    if learned:
        figures = [page.learning_curves(learned)]
        made = page.section("learning", "Learning curves", page.charts(*figures))
        sections.append(("learning", "Learning curves", made))
    drawn = [page.training_curves(name, own) for name, own in curves.items() if own]
    if drawn:
        sections.append(("training", "Training", page.section("training", "Training", page.charts(*drawn))))
    return sections
