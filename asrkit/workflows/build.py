"""Build a recogniser of a folder of recordings: prepare, train, estimate, report -> EXP/final.npz, EXP/report."""

import functools
import logging
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

from asrkit import families
from asrkit.audio.endpoint import UNTRIMMED_S
from asrkit.config import PathLike, flag_name, format_value
from asrkit.errors import SettingsError
from asrkit.evaluation.advice import RECORDINGS, SPEAKERS, confused_line, next_line, right_line
from asrkit.evaluation.scoring import ErrorReport
from asrkit.families.base import DataFacts
from asrkit.features.kind import FeatureKind
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.data_dir import (
    ORIGINALS,
    SIDE_BY_SPEAKER,
    SIDE_BY_UTT,
    SIDE_VERBATIM,
    TABLES,
    DataDir,
    read_data_dir,
)
from asrkit.io.facts import data_facts
from asrkit.io.features import ReadConfig, read_words
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.io.runs import once
from asrkit.io.speakers import unknown_speakers
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.combine_data import combine_data
from asrkit.workflows.compute_features import compute_features
from asrkit.workflows.crossval import FoldPlan, RunSettings, crossval, folds_of
from asrkit.workflows.detect_endpoints import detect_endpoints, time_beside
from asrkit.workflows.prepare_wavs import prepare_wavs
from asrkit.workflows.report import report
from asrkit.workflows.report_html import HtmlConfig
from asrkit.workflows.score import score
from asrkit.workflows.train import FILES as TRAINED
from asrkit.workflows.train import train
from asrkit.workflows.train_codebook import FILES as CODEBOOK

FOLDS = 5

log = logging.getLogger("asrkit")


class Said(Protocol):
    """What a command's workflow returns."""

    def lines(self) -> list[str]:
        """What the command prints."""


SaidT = TypeVar("SaidT", bound=Said)


@dataclass(frozen=True)
class SourceConfig:
    """How a folder of recordings is read: as `prepare_wavs` does."""

    pattern: str = "{word}/{index}"
    speaker: str | None = None
    word_map: PathLike | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class Built:
    """A recogniser and what is known of it.

    Attributes
    ----------
    exp : Path
        Its folder.
    facts : DataFacts
    plan : FoldPlan or None
        What was held out in turn; None where the data are too few for that.
    report : ErrorReport or None
        The errors on what was held out.
    halves : dict of str to ErrorReport
        The same of models that were trained on half of the "speakers", or of each speaker's "recordings" of a word.
    counts : dict of str to int
        Recordings of each word.
    """

    exp: Path
    facts: DataFacts
    plan: FoldPlan | None
    report: ErrorReport | None
    halves: dict[str, ErrorReport]
    counts: dict[str, int]

    def lines(self) -> list[str]:
        """Three lines: how often it is right, what it confuses, what to record next."""
        if self.plan is None or self.report is None:
            return [
                "right: can't be told, for a test there must be two recordings of a word",
                "confused: can't be told",
                "record next: every word once more, at least",
            ]
        return [
            right_line(self.report, held_out(self.plan, self.facts)),
            confused_line(self.report),
            next_line(self.report, self.halves, self.counts),
        ]


def held_out(plan: FoldPlan, facts: DataFacts) -> str:
    """Say what was tested in turn, and what that does not tell."""
    folds = f"{plan.folds} folds of {plan.by.replace('random', 'recordings')}"
    if plan.by == "speaker":
        return f"{plan.folds} folds of whole speakers, who had not been heard either"
    if facts.speakers is None:
        return f"{folds}: speakers are not known, the same voice may be in training and in test"
    who = "one speaker" if facts.speakers == 1 else "speakers who were in training, too"
    return f"{folds}, of {who}: of other voices this says nothing"


def family_for(facts: DataFacts) -> str:
    """Choose the family by the data."""
    return "chmm"


def kind_for(data: DataDir) -> FeatureKind:
    """Choose the features by the recordings."""
    return MfccConfig(sample_rate_hz=8000, use_energy=False)


@holding("exp")
def build(
    source: PathLike,
    exp: PathLike,
    *,
    family: str | None = None,
    reading: SourceConfig | None = None,
    phrases: bool = False,
    read: ReadConfig | None = None,
    jobs: int = 1,
    tell: Callable[[str], object] = log.info,
) -> Built:
    """Make a recogniser of recordings with what the data ask for, and estimate how well it hears what it has not heard.

    Every step is a command of its own, which is told before it runs. Killed, and called again, it goes on where it stopped.

    Parameters
    ----------
    source : path
        A folder of recordings, or a data directory.
    exp : path
        Folder for everything: the model, `data`, `crossval`, `report`.
    family : str, optional
        Which family of models; by the data where nobody says it.
    reading : SourceConfig, optional
        How the paths of a folder say which words its recordings hold.
    phrases : bool
        Several words are one class.
    read : ReadConfig, optional
    jobs : int
        Processes.
    tell : callable
        Called with each line: the commands, and what they say.

    Returns
    -------
    Built

    Raises
    ------
    DataError
        A step can't be done; the message is that of its command.
    SettingsError
        `family` is none, or `reading` does not go with a data directory.
    """
    exp, read = as_path(exp), read or ReadConfig()
    if family is not None:
        families.load(family)
    data_dir = exp / "data"
    run = functools.partial(step, tell)
    kept = prepare(as_path(source), data_dir, reading or SourceConfig(), phrases, read, jobs, run)
    tell_kept(tell, kept)
    data = read_words(data_dir, phrases)
    facts = data_facts(data)
    family = family or family_for(facts)
    chosen: dict[str, Any] = {"phrases": True} if phrases else {}
    settings = RunSettings(TrainingSettings.of(family, **chosen), read=read)
    words = ["--family", family, *(["--phrases", "true"] if phrases else []), *flags(read)]

    def training() -> dict[str, Any]:
        command = ["train", data_dir, exp, *words, *parallel(jobs)]
        run(command, lambda: train(data_dir, exp, settings.training, read=read, jobs=jobs))
        return {"commands": [command_line(command)]}

    own = settings.for_data(data).facts()
    results = [
        exp / name for name in ((*CODEBOOK[:1], *TRAINED) if families.load(family).has_codes else TRAINED)
    ]
    tell_kept(tell, once(training, exp, own, (data_dir,), results, logged=False))
    plan = plan_for(data, facts)
    if plan is None:
        return Built(exp, facts, None, None, {}, word_counts(data))

    def test(name: str, half: str = "none") -> ErrorReport:
        own_plan = FoldPlan(by=plan.by, folds=plan.folds, train_half=half)
        command = [
            "crossval",
            data_dir,
            exp / name,
            *words,
            *flags(own_plan, always=("by", "folds")),
            *parallel(jobs),
        ]
        return run(command, lambda: crossval(data_dir, exp / name, settings, own_plan, jobs=jobs)).report

    whole = test("crossval")
    run(["score", data_dir, exp / "crossval"], lambda: score(data_dir, exp / "crossval"))
    run(
        ["report", exp / "report", data_dir, exp / "crossval", "--html"],
        lambda: report(
            exp / "report",
            data_dir,
            [exp / "crossval"],
            allow_pipes=read.allow_pipes,
            html=HtmlConfig(html=True),
        ),
    )
    halves = {half: test(f"half-{half}", half) for half in possible_halves(data, plan, facts)}
    return Built(exp, facts, plan, whole, halves, word_counts(data))


def prepare(
    source: Path,
    data_dir: Path,
    reading: SourceConfig,
    phrases: bool,
    read: ReadConfig,
    jobs: int,
    run: Callable[..., Any],
) -> dict[str, Any]:
    """Make the data directory with its features, unless that was done of these recordings; the facts that `once` gives."""
    is_data = any((source / name).exists() for name in ("wav.scp", "feats.scp"))
    if is_data and reading != SourceConfig():
        changed = next(
            field.name for field in fields(reading) if getattr(reading, field.name) != field.default
        )
        raise SettingsError(f"{changed}= goes with a folder of recordings; {source} is a data directory")

    def work() -> dict[str, Any]:
        commands: list[str] = []

        def do(command: list[Any], workflow: Callable[[], Any]) -> None:
            commands.append(command_line(command))
            run(command, workflow)

        if is_data:
            do(["combine-data", data_dir, source], lambda: combine_data([source], data_dir))
        else:
            options = [
                word
                for field in fields(reading)
                if (value := getattr(reading, field.name)) != field.default
                for word in (f"--{SOURCE_FLAGS[field.name]}", format_value(value))
            ] + (["--phrases", "true"] if phrases else [])
            do(
                ["prepare-wavs", source, data_dir, *options, *parallel(jobs)],
                lambda: prepare_wavs(source, data_dir, **vars(reading), phrases=phrases, jobs=jobs),
            )
        data = read_data_dir(data_dir)
        if not data.feats:
            if (
                is_data
                and not data.segments
                and time_beside(data.wav, base=data_dir, jobs=jobs) > UNTRIMMED_S
            ):
                find_ends(data_dir, read, jobs, do)
            kind = kind_for(data)
            command = [str(kind.command), data_dir, *flags(kind), *flags(read), *parallel(jobs)]
            do(command, lambda: compute_features(data_dir, kind, read=read, jobs=jobs))
        return {"commands": commands}

    facts = {
        "source": str(source.resolve()),
        "reading": {name: value and str(value) for name, value in vars(reading).items()},
        **({"phrases": True} if phrases else {}),
        "read": vars(read),
        "recordings": stamps(recordings_of(source, is_data)),
    }
    tables = [*TABLES, "spk2utt", ORIGINALS, *SIDE_BY_UTT, *SIDE_BY_SPEAKER, *SIDE_VERBATIM]
    directories = (source,) if is_data else ()
    return once(work, data_dir, facts, directories, [data_dir / name for name in tables], logged=False)


SOURCE_FLAGS = {"pattern": "pattern", "speaker": "speaker", "word_map": "map", "skip_bad": "skip-bad"}


def find_ends(data_dir: Path, read: ReadConfig, jobs: int, do: Callable[..., None]) -> None:
    """Find the speech in the recordings."""
    command = ["detect-endpoints", data_dir, *flags(read), *parallel(jobs)]
    do(command, lambda: detect_endpoints(data_dir, read=read, jobs=jobs))


def recordings_of(source: Path, is_data: bool) -> Iterable[Path]:
    """The files that features come from, as far as they are known."""
    if is_data:
        wav = read_data_dir(source).wav.values()
        return [path for spec in wav if (path := as_path(source / spec)).is_file()]
    return sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))


def stamps(paths: Iterable[Path]) -> list[list[Any]]:
    """Name, size and date of files."""
    return [[str(path), (about := path.stat()).st_size, about.st_mtime_ns] for path in paths]


def plan_for(data: DataDir, facts: DataFacts) -> FoldPlan | None:
    """Choose what is held out: whole speakers where these are known, else recordings; None where most of what is tested could have
    no model.
    """
    plans = []
    if facts.speakers is not None and facts.speakers > 1:
        plans.append(FoldPlan(by="speaker", folds=min(FOLDS, facts.speakers)))
    plans.append(FoldPlan(by="random", folds=min(FOLDS, len(data.feats))))
    lost = [untrained(data, plan) for plan in plans]
    best = min(range(len(plans)), key=lost.__getitem__)
    return plans[best] if 2 * lost[best] < len(data.feats) else None


def untrained(data: DataDir, plan: FoldPlan) -> int:
    """Count the utterances whose words are in their own fold alone, so that a test of them can only fail."""
    if plan.folds < 2:
        return len(data.feats)
    folds: dict[str, set[str]] = {}
    for utt, fold in folds_of(data, plan, 0).items():
        folds.setdefault(data.text[utt], set()).add(fold)
    return sum(len(folds[data.text[utt]]) == 1 for utt in data.feats)


def possible_halves(data: DataDir, plan: FoldPlan, facts: DataFacts) -> list[str]:
    """Name what can be halved in the training of each fold: `SPEAKERS`, `RECORDINGS`."""
    nobody = set(unknown_speakers(data))
    own = Counter((("" if utt in nobody else data.speaker(utt)), data.text[utt]) for utt in data.feats)
    held = 0 if plan.by == "speaker" else 1  # recordings of a speaker and word that a fold tests
    halves = [SPEAKERS] if plan.by == "speaker" and (facts.speakers or 0) > 2 else []
    return halves + ([RECORDINGS] if statistics.median_low(own.values()) - held > 1 else [])


def word_counts(data: DataDir) -> dict[str, int]:
    """Count the recordings of each word."""
    return dict(Counter(data.text[utt] for utt in data.feats))


def step(tell: Callable[[str], object], command: list[Any], work: Callable[[], SaidT]) -> SaidT:
    """Tell a command, run it, and tell what it says."""
    tell(f"$ {command_line(command)}")
    result = work()
    for line in result.lines():
        tell(line)
    return result


def tell_kept(tell: Callable[[str], object], facts: Mapping[str, Any]) -> None:
    """Tell commands that an earlier run has done."""
    for line in facts["commands"] if facts["kept"] else ():
        tell(f"$ {line}  # done before")


def command_line(words: Iterable[Any]) -> str:
    return shlex.join(["asrkit", *map(str, words)])


def parallel(jobs: int) -> list[str]:
    return ["--nj", str(jobs)] if jobs > 1 else []


def flags(config: Any, always: Iterable[str] = ()) -> list[str]:
    """The options of a dataclass that are not as by default, as one types them."""
    shown = [
        field
        for field in fields(config)
        if field.name in always or getattr(config, field.name) != field.default
    ]
    return [f"--{flag_name(field)}={format_value(getattr(config, field.name))}" for field in shown]
