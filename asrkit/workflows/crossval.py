"""Cross-validation: each fold is decoded by models trained on all the others -> EXP, a decode folder of all of DIR."""

import functools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from asrkit import families
from asrkit.config import PathLike, check_fields, option, parse_float
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation import folds
from asrkit.evaluation.scoring import ErrorReport, compute_errors, wer_lines
from asrkit.io.archive import read_scp
from asrkit.io.combine import combine, side_table
from asrkit.io.data_dir import ORIGINALS, DataDir, subset
from asrkit.io.facts import data_facts
from asrkit.io.features import ReadConfig, read_words, summary
from asrkit.io.files import atomic_write, c_sorted, read_table, remove
from asrkit.io.holds import holding
from asrkit.io.json_file import read_object
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.io.runs import once
from asrkit.io.speakers import REMEDY, unknown_speakers, who_is_unknown
from asrkit.runtime import ordered_map
from asrkit.words.listening import ListenConfig
from asrkit.words.settings import TrainingSettings
from asrkit.words.short import free_in_decoding
from asrkit.words.training import TrainConfig
from asrkit.workflows.decode import FILES as DECODED
from asrkit.workflows.decode import Decoded, decode, short_lines, write_decoding
from asrkit.workflows.score import notes
from asrkit.workflows.train import FILES as TRAINED
from asrkit.workflows.train import train
from asrkit.workflows.train_codebook import FILES as CODEBOOK
from asrkit.workflows.train_codebook import CodebookTrained, train_codebook
from asrkit.workflows.unknown import UnknownJudged, gather_trials, judge_unknown

WORST = 3  # speakers that are named
VOICES = "the same voice may be in training and in test"

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class FoldPlan:
    by: str = option("speaker", "what is held out", choices=("speaker", "random", "list"))
    folds: int = option(5, "number of folds; 0: one a speaker", minimum=0)
    fold_list: str = option("", "for --by list: a file of lines `utterance-or-speaker fold`")
    also_train: str = option("", "further data directories for training, with commas between")
    train_half: str = option(
        "none",
        "train on half of each fold's part of DIR: of its speakers, or of each speaker's recordings of a word; what that costs "
        "says what more of them may bring",
        choices=("none", "speakers", "recordings"),
    )
    unknown: str = option(
        "none",
        "each: hear every recording with its word left out, too: how many unknown words pass (trials.tsv, det.png, calibration.png)",
        choices=("none", "each"),
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class RunSettings:
    """What decides about a training with the decoding that tests it.

    Attributes
    ----------
    training : TrainingSettings
    listen : ListenConfig
    read : ReadConfig
    """

    training: TrainingSettings
    listen: ListenConfig = field(default_factory=ListenConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    unknown: str = "none"

    def __post_init__(self) -> None:
        reason = self.listen.why_not(self.training.family)
        if reason:  # said before anything is trained
            raise SettingsError(f"adapt={self.listen.adapt}: {reason}")

    def for_data(self, data: DataDir) -> "RunSettings":
        """Let the rules of the family choose, by the data, what nobody has chosen."""
        return replace(self, training=self.training.for_data(data_facts(data)))

    def facts(self) -> dict[str, Any]:
        """All of it as JSON values: a run is kept where they are unchanged."""
        return {
            "family": self.training.family,
            **self.training.values(),
            "listen": asdict(self.listen),
            "read": asdict(self.read),
            **({"unknown": self.unknown} if self.unknown != "none" else {}),
        }


@dataclass(frozen=True)
class Crossvalidated:
    """Errors of a data directory, every utterance decoded by models that did not hear it.

    Attributes
    ----------
    folds : list of dict
        What crossval.json holds: name, speakers, errors, words, seconds, ...
    report : ErrorReport
        Of all utterances.
    hyps : dict of str to str
    skipped : dict of str to str
    max_skipped, short, free : int
        As in `Decoded`.
    judged : UnknownJudged or None
        Trials with each word unknown in turn, where they were asked for.
    exp : Path
    unknown : str
        Whose speakers are not known; empty where all are.
    """

    folds: list[dict[str, Any]]
    report: ErrorReport
    hyps: dict[str, str]
    skipped: dict[str, str]
    max_skipped: int
    exp: Path
    unknown: str = ""
    short: int = 0
    free: int = 0
    judged: UnknownJudged | None = None

    @property
    def complete(self) -> bool:
        """Whether no more utterances were skipped than allowed."""
        return len(self.skipped) - min(self.short, self.free) <= self.max_skipped

    def lines(self) -> list[str]:
        report = self.report
        lines = [
            *table(self.folds),
            *wer_lines(report),
            *notes(report, self.skipped),
            *short_lines(self.short),
            *worst_speakers(report),
            *(self.judged.lines() if self.judged else []),
        ]
        known = len({speaker for fact in self.folds for speaker in fact["known_speakers"]})
        if known:
            both = f"{known} of {len(report.speakers)} speakers are in training, too, when they are tested"
            lines.append(f"{both}: of unknown speakers this says nothing")
        if self.unknown:
            lines.append(f"{self.unknown}: {VOICES}, and of other speakers this says nothing ({REMEDY})")
        if not self.complete:
            lines.append(
                f"{summary('decoded', len(self.hyps), self.skipped)}: more than max_skipped={self.max_skipped}; "
                f"{self.exp / 'skipped'} says why"
            )
        return lines


@holding("exp")
def crossval(
    data_dir: PathLike,
    exp: PathLike,
    settings: RunSettings,
    plan: FoldPlan | None = None,
    *,
    jobs: int = 1,
) -> Crossvalidated:
    """Train and test fold by fold, and write EXP as a decode folder of the whole data directory.

    A fold whose data and settings are unchanged is kept: called again, the work goes on where it stopped.

    Parameters
    ----------
    data_dir : path
        With feats.scp and text.
    exp : path
        Folder for the folds and the results.
    settings : RunSettings
    plan : FoldPlan, optional
    jobs : int
        Processes; folds are run side by side.

    Returns
    -------
    Crossvalidated

    Raises
    ------
    DataError
        The folds can't be made, or a training failed; with the end of its log.
    """
    exp, plan = as_path(exp), plan or FoldPlan()
    settings = replace(settings, unknown=plan.unknown)
    if plan.unknown != "none" and not families.load(settings.training.family).adds_up:
        raise SettingsError(
            f"unknown={plan.unknown}: a {settings.training.family} does not know how sure it may be (leave it out)"
        )
    data, others, tested = read_folds(data_dir, plan, settings.training.training)
    names = list(tested)
    folders = {name: exp / f"fold_{file_name(name)}" for name in names}
    halve = functools.partial(half, plan.train_half, settings.training.training.seed)
    facts = {name: write_parts(data, others, tested[name], name, folders[name], halve) for name in names}
    runs = [(folder, folder / "train", folder / "test") for folder in folders.values()]
    for number, result in enumerate(
        ordered_map(functools.partial(run, settings), runs, jobs=jobs, label="folds")
    ):
        name = names[number]
        warn_of_damage(f"fold {name}", result)
        hyps = read_table(folders[name] / "decode_test" / "hyp")
        errors = sum(hyps.get(utt) != data.text[utt] for utt in tested[name])
        facts[name].update(errors=errors, words=len(tested[name]), seconds=result["seconds"])
        said = (
            "kept"
            if result["kept"]
            else f"{errors} of {len(tested[name])} words wrong, {result['seconds']:.1f} s"
        )
        log.info(
            "fold %d of %d%s: %s",
            number + 1,
            len(names),
            "" if name == str(number + 1) else f" ({name})",
            said,
        )
    hyps, skipped, short = gather(exp, [folder / "decode_test" for folder in folders.values()])
    with atomic_write(exp / "crossval.json") as stream:
        json.dump(
            {"by": plan.by, "family": settings.training.family, "folds": list(facts.values())},
            stream,
            indent=1,
            ensure_ascii=False,
        )
        stream.write("\n")
    judged = None
    if plan.unknown != "none":
        words = len(set(data.text.values()))
        judged = gather_trials([folder / "unknown_test" for folder in folders.values()], words, exp)
    speakers = {utt: data.speaker(utt) for utt in data.text}
    phrases = settings.training.training.phrases
    report = compute_errors(data.text, hyps, speakers, "all", phrases=phrases)
    unknown = who_is_unknown(data, *others)
    return Crossvalidated(
        list(facts.values()),
        report,
        hyps,
        skipped,
        settings.read.max_skipped,
        exp,
        unknown,
        short,
        free_in_decoding(settings.training.family, settings.training.model, len(hyps) + len(skipped)),
        judged,
    )


def read_folds(
    data_dir: PathLike, plan: FoldPlan, training: TrainConfig
) -> tuple[DataDir, list[DataDir], dict[str, list[str]]]:
    """The data directory, those that are always in training, and dict of each fold's name to its utterances."""
    data = read_words(data_dir, training.phrases)
    tested: dict[str, list[str]] = {}
    for utt, name in folds_of(data, plan, training.seed).items():
        tested.setdefault(name, []).append(utt)
    names = sorted(
        tested, key=lambda name: (len(name), name.encode()) if name.isdigit() else (0, name.encode())
    )
    if len(names) < 2:
        raise DataError(
            f"{data_dir}: all in fold '{names[0]}', but cross-validation needs two (another by= or list)"
        )
    others = [
        read_words(directory, training.phrases) for directory in plan.also_train.split(",") if directory
    ]
    unknown = who_is_unknown(data, *others)
    if unknown and plan.by == "speaker":
        log.warning("%s: %s, as with by=random (%s)", unknown, VOICES, REMEDY)
    return data, others, {name: tested[name] for name in names}


def folds_of(data: DataDir, plan: FoldPlan, seed: int) -> dict[str, str]:
    """Dict of utterance to the name of its fold."""
    if (plan.by == "list") != bool(plan.fold_list):
        raise SettingsError(f"by={plan.by} fold_list={plan.fold_list}: by=list and fold_list= go together")
    if plan.folds == 1 or (plan.folds == 0 and plan.by != "speaker"):
        raise SettingsError(
            f"folds={plan.folds}: at least 2 are needed (with by=speaker, 0 makes each speaker a fold)"
        )
    speakers = {utt: data.speaker(utt) for utt in data.feats}
    if plan.by == "list":
        listed = read_table(plan.fold_list, check_sorted=False)
        unknown = [key for key in listed if key not in speakers and key not in set(speakers.values())]
        if unknown:
            raise DataError(
                f"{plan.fold_list}: '{unknown[0]}' is neither an utterance nor a speaker of {data.path} (remove the line)"
            )
        fold_of, unnamed = folds.by_list(speakers, listed)
        if unnamed:
            raise DataError(
                f"{plan.fold_list}: no fold for {len(unnamed)} utterances: '{unnamed[0]}', ... (add it or its speaker)"
            )
    else:
        units = set(speakers.values() if plan.by == "speaker" else speakers)
        if plan.by == "speaker" and len(units) == 1:
            raise DataError(
                f"{data.path}: there is 1 speaker, '{units.pop()}', but by=speaker holds whole speakers out "
                "(by=random holds recordings out)"
            )
        if len(units) < plan.folds:
            there_are = f"{len(units)} {'speakers' if plan.by == 'speaker' else 'utterances'}"
            remedy = "ask for fewer, or by=random" if plan.by == "speaker" else "ask for fewer"
            raise DataError(
                f"{data.path}: {plan.folds} folds asked for, but there are {there_are} ({remedy})"
            )
        if plan.by == "speaker":
            fold_of = folds.by_speaker(speakers, plan.folds)
        else:
            words = {utt: data.text[utt] for utt in speakers}
            fold_of = folds.at_random(words, side_table(data, ORIGINALS, speakers), plan.folds, seed)
    unfit = next(
        (name for name in fold_of.values() if not name or "/" in name or len(name.split()) != 1), None
    )
    if unfit is not None:
        raise DataError(f"fold '{unfit}': no name for a folder (by=list with other names)")
    return fold_of


def half(of: str, seed: int, data: DataDir) -> DataDir:
    """Half of a fold's part of the data directory, as `FoldPlan.train_half` has it."""
    if of == "none":
        return data
    speakers = {utt: data.speaker(utt) for utt in data.feats}
    if of == "speakers":
        return subset(data, folds.half_of_speakers(speakers, seed))
    words = {utt: data.text[utt] for utt in data.feats}
    nobody = dict.fromkeys(unknown_speakers(data), "")  # whose recordings are together those of one
    originals = side_table(data, ORIGINALS, data.feats)
    return subset(data, folds.half_of_recordings(words, {**speakers, **nobody}, originals, seed))


def write_parts(
    data: DataDir,
    others: list[DataDir],
    tested: list[str],
    name: str,
    folder: Path,
    halve: Callable[[DataDir], DataDir],
) -> dict[str, Any]:
    """Write folder/test, the utterances `tested` of `data`, and folder/train, what may be trained on; a dict
    of facts. `halve` draws from what is left of `data`.
    """
    originals = side_table(data, ORIGINALS, data.feats)
    heard = {*tested, *(originals[utt] for utt in tested if utt in originals)}
    rest = subset(data, set(data.feats) - set(tested))
    held_out = {data.speaker(utt) for utt in tested} - {data.speaker(utt) for utt in rest.feats}
    parts = []
    for part in (halve(rest), *others):
        barred = folds.barred(
            {utt: part.speaker(utt) for utt in part.feats},
            side_table(part, ORIGINALS, part.feats),
            held_out,
            heard,
        )
        if barred:
            number = sum(reason == "speaker" for reason in barred.values())
            log.info(
                "fold %s: %d of %d utterances of %s left out of training: %d of the speakers held out, %d more of the recordings tested",
                name,
                len(barred),
                len(part.feats),
                part.path,
                number,
                len(barred) - number,
            )
        kept = subset(part, part.feats.keys() - barred.keys())
        if kept.feats:
            parts.append(kept)
    if not parts:
        raise DataError(f"{data.path}: fold '{name}': nothing is left to train on (fewer or other folds)")
    words = {word for part in parts for word in part.text.values()}
    lost = [utt for utt in tested if data.text[utt] not in words]
    if lost:
        log.warning(
            "fold %s: %d utterances say words that are not in its training ('%s', ...)",
            name,
            len(lost),
            data.text[lost[0]],
        )
    combine([subset(data, tested)], folder / "test")
    combine(parts, folder / "train")
    speakers = {data.speaker(utt) for utt in tested}
    known = speakers & {part.speaker(utt) for part in parts for utt in part.feats}
    return {
        "name": name,
        "speakers": c_sorted(speakers),
        "known_speakers": c_sorted(known),
        "train_utts": sum(len(part.feats) for part in parts),
        "test_utts": len(tested),
    }


def run(settings: RunSettings, places: tuple[Path, Path, Path]) -> dict[str, Any]:
    """Train on one data directory and decode another as the commands do, unless that was done already.

    Parameters
    ----------
    places : (Path, Path, Path)
        The folder for the models, the decoding (decode_test) and the log; what is trained on; what is tested.

    Returns
    -------
    dict
        "seconds" it took, whether an earlier run was "kept", and what was wrong with one that was done "anew".
    """
    folder, train_dir, test_dir = places
    settings = settings.for_data(read_words(train_dir, settings.training.training.phrases))

    def work() -> None:
        for name in CODEBOOK:  # which train would take
            remove(folder / name)
        log.info("# %s", settings.facts())
        if families.load(settings.training.family).has_codes:
            tell(make_codebook(train_dir, folder, settings))
        tell(train(train_dir, folder, settings.training, read=settings.read))
        test(folder, test_dir, settings)
        if settings.unknown != "none":
            tell(judge_unknown(folder, test_dir, folder / "unknown_test", read=settings.read))

    codebook = CODEBOOK if families.load(settings.training.family).has_codes else ()
    results = results_of(folder, codebook)
    if settings.unknown != "none":
        results.append(folder / "unknown_test" / "trials.tsv")
    return once(work, folder, settings.facts(), (train_dir, test_dir), results)


def results_of(folder: Path, codebook: Sequence[str]) -> list[Path]:
    """The files of a training, those of its codebook among them, and of the decoding that tests it."""
    return [
        *(folder / name for name in (*codebook, *TRAINED)),
        *(folder / "decode_test" / name for name in DECODED),
    ]


def make_codebook(train_dir: PathLike, folder: PathLike, settings: RunSettings) -> CodebookTrained:
    """The codebook of a run."""
    return train_codebook(train_dir, folder, settings.training, read=settings.read)


def test(folder: Path, test_dir: PathLike, settings: RunSettings) -> Decoded:
    """Decode what is tested; that utterances were skipped is for the caller to judge."""
    decoded = decode(folder, test_dir, folder / "decode_test", listen=settings.listen, read=settings.read)
    tell(decoded)
    return decoded


def warn_of_damage(name: str, result: Mapping[str, Any]) -> None:
    """Say why a part that had been finished was made anew."""
    if result["anew"]:
        log.warning("%s: %s: made anew", name, result["anew"])


def tell(result: Any) -> None:
    """Log what a person would be told."""
    for line in result.lines():
        log.info("%s", line)


def gather(out: Path, decodings: list[Path]) -> tuple[dict[str, str], dict[str, str], int]:
    """Write several decode folders as one; a word that one of them has no model for scores -inf there.
    Returns (hyps, skipped, how many of these were too short).
    """
    hyps, skipped, facts, known, entries, sure = {}, {}, [], {}, {}, {}
    for folder in decodings:
        hyps.update(read_table(folder / "hyp"))
        skipped.update(read_table(folder / "skipped"))
        sure.update({utt: parse_float(p) for utt, p in read_table(folder / "confidence").items()})
        needed = {"words": [str], "frames": int, "seconds": float, "short": int}
        facts.append(read_object(folder / "decode.json", needed, "asrkit decode"))
        own = read_table(folder / "scores.scp")
        # Where the archive is now: EXP may have been moved.
        own = {utt: f"{folder / 'scores.ark'}:{spec.rpartition(':')[2]}" for utt, spec in own.items()}
        entries.update(own)
        known.update(dict.fromkeys(own, facts[-1]["words"]))
    words = c_sorted({word for fact in facts for word in fact["words"]})
    place = {word: i for i, word in enumerate(words)}

    def scores() -> Iterator[tuple[str, np.ndarray]]:
        for utt, row in read_scp({utt: entries[utt] for utt in c_sorted(entries)}, path=out):
            whole = np.full(len(words), -np.inf)
            whole[[place[word] for word in known[utt]]] = row
            yield utt, whole

    sums = {name: sum(fact[name] for fact in facts) for name in ("frames", "seconds", "short")}
    write_decoding(out, hyps, scores(), skipped, {**facts[0], **sums, "words": words}, sure)
    return hyps, skipped, sums["short"]


def table(facts: list[dict[str, Any]]) -> list[str]:
    """The lines of the table of folds."""
    width = max(4, *(len(fold["name"]) for fold in facts))
    lines = [f"{'fold':<{width}}  speakers   train    test  errors   WER %  seconds"]
    for fold in facts:
        lines.append(
            f"{fold['name']:<{width}}  {len(fold['speakers']):8d}  {fold['train_utts']:6d}  {fold['test_utts']:6d}  {fold['errors']:6d}"
            f"  {100 * fold['errors'] / fold['words']:6.2f}  {fold['seconds']:7.1f}"
        )
    return lines


def worst_speakers(report: ErrorReport) -> list[str]:
    wrong = [
        (-counts.errors / counts.words, name.encode(), name)
        for name, counts in report.speakers.items()
        if counts.errors
    ]
    worst = [(name, report.speakers[name]) for *_, name in sorted(wrong)[:WORST]]
    said = ", ".join(f"{name} {counts.errors} of {counts.words}" for name, counts in worst)
    return [f"most errors: {said}"] if said and len(report.speakers) > 1 else []
