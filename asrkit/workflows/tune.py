"""Which settings? A race of configurations over the folds of DIR -> EXP/tuned.conf, tune.tsv, tune.json, tune.png."""

import functools
import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asrkit import families
from asrkit.config import PathLike, flag_name, format_value
from asrkit.distribution import VERSION
from asrkit.errors import DataError
from asrkit.evaluation import races
from asrkit.evaluation.grids import Candidate, combinations
from asrkit.io.facts import data_facts
from asrkit.io.features import read_words
from asrkit.io.files import atomic_write, read_table
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.io.runs import each_once, once
from asrkit.io.speakers import REMEDY, who_is_unknown
from asrkit.runtime import ordered_map
from asrkit.words.listening import ListenConfig
from asrkit.words.settings import fields_of, flags_of
from asrkit.workflows.crossval import (
    VOICES,
    FoldPlan,
    RunSettings,
    half,
    make_codebook,
    read_folds,
    results_of,
    tell,
    test,
    warn_of_damage,
    write_parts,
)
from asrkit.workflows.train import train_beside
from asrkit.workflows.train_codebook import FILES as CODEBOOK

FIGURES = (
    "folds",
    "errors",
    "words",
    "wer",
    "low",
    "high",
    "parameters",
    "ms_a_word",
    "train_s",
    "trained_together",
    "out",
)  # tune.tsv

HEAD = "folds  errors  words   WER %  95 % interval  parameters  ms a word  train s"
QUICK_S = 1.0  # a decoding is timed twice below: what a process does for the first time takes longer

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Tuned:
    """How a race ended.

    Attributes
    ----------
    rows : list of dict
        What tune.json holds of the candidates, the best first.
    chosen : str
        The name of the best.
    smallest : str
        The smallest that is not seen to be worse, and p_smallest, McNemar's p of the two.
    failed : dict of str to str
        Candidates that can't be trained, and why.
    unheard : list of str
        Candidates that the time was too short for.
    begun : int
        Candidates that have heard a fold more than counts.
    folds : int
    minutes : float
    exp : Path
    has_codes : bool
    """

    rows: list[dict[str, Any]]
    chosen: str
    smallest: str
    p_smallest: float
    failed: dict[str, str]
    unheard: list[str]
    begun: int
    folds: int
    minutes: float
    exp: Path
    has_codes: bool
    unknown: str = ""

    def lines(self) -> list[str]:
        voices = f"{self.unknown}: {VOICES}, and of other speakers this says nothing ({REMEDY})"
        return [
            *table(self.rows),
            *chosen(self.exp, self.rows, self.smallest, self.p_smallest, self.has_codes),
            *unfinished(self.minutes, self.rows, self.unheard, self.begun, self.folds),
            *warnings(self.rows, self.failed),
            *([voices] if self.unknown else []),
        ]


@holding("exp")
def tune(
    data_dir: PathLike,
    exp: PathLike,
    settings: RunSettings,
    plan: FoldPlan | None = None,
    *,
    tries: Collection[list[str]] = (),
    fixed: Collection[str] = (),
    minutes: float = 10.0,
    jobs: int = 1,
) -> Tuned:
    """Race combinations of settings on held-out folds and write the best as EXP/tuned.conf.

    Parameters
    ----------
    settings : RunSettings
        What is not tried.
    tries : list of list of str
        A setting's flag and the values to try each.
    fixed : collection of str
        Flags that the family's own small grid must leave alone.
    minutes : float
        No training is started after so many; 0: no limit.
    jobs : int
        Processes; trainings are run side by side.

    Returns
    -------
    Tuned

    Raises
    ------
    SettingsError
        Something that can't be tried.
    DataError
        No candidate can be trained.
    """
    exp, plan, started = as_path(exp), plan or FoldPlan(), time.time()
    data, others, tested = read_folds(data_dir, plan, settings.training.training)
    candidates = combinations(settings.training, data_facts(data), list(tries), fixed, bool(data.cmvn))
    halve = functools.partial(half, plan.train_half, settings.training.training.seed)
    log.info("%d candidates, %d folds", len(candidates), len(tested))
    deadline = started + 60 * minutes if minutes else float("inf")
    racing, out, failed, facts = list(candidates), {}, {}, []
    heard: dict[str, dict[str, dict[str, Any]]] = {
        name: {} for name in candidates
    }  # by fold, the facts of the run and "right" (U,)
    for fold, utts in tested.items():
        folder = exp / f"fold_{file_name(fold)}"
        facts.append(write_parts(data, others, utts, fold, folder, halve))
        known = data_facts(read_words(folder / "train", settings.training.training.phrases))
        own = {
            name: replace(candidates[name], settings=candidates[name].settings.for_data(known))
            for name in racing
        }
        runs = [
            (group, not any(heard.values()) and place == 0)
            for place, group in enumerate(groups_of(racing, own))
        ]
        hear = functools.partial(run, settings, folder, deadline)
        for found in ordered_map(hear, runs, jobs=jobs, label=f"fold {fold}"):
            for name, result in found.items():
                if "failed" in result:
                    racing.remove(name)
                    failed[name] = result["failed"]
                    log.warning("fold %s: %s can't be trained: %s", fold, name, failed[name])
                    continue
                warn_of_damage(f"fold {fold}: {name}", result)
                hyps = read_table(folder_of(folder, own[name]) / "decode_test" / "hyp")
                heard[name][fold] = {
                    **result,
                    "right": np.array([hyps.get(utt) == data.text[utt] for utt in utts]),
                }
                log.info("fold %s: %s; %s", fold, progress(name, heard[name], fold), spent(started, minutes))
        if not any(heard[name] for name in racing):
            more = f", and {minutes:g} minutes were too few for the others" if racing else ""
            raise DataError(f"no candidate can be trained{more}; the first: {next(iter(failed.values()))}")
        if not all(fold in heard[name] for name in racing):
            break
        for name, p in races.worse(heard, racing).items():
            racing.remove(name)
            out[name] = fold
            log.info("out after fold %s: %s, p = %.2g against the best", fold, progress(name, heard[name]), p)
    rows, small, p = races.standings(heard, racing, out)
    rows = [{**row, "settings": candidates[row["name"]].tried} for row in rows]
    write_confs(exp, candidates[rows[0]["name"]], comments(rows, data_dir, plan, settings.listen))
    write_results(
        exp,
        settings.training.family,
        as_path(data_dir).name,
        rows,
        facts,
        {"by": plan.by, "chosen": rows[0]["name"], "smallest": small, "p_smallest": p, "failed": failed},
    )
    unheard = [name for name in racing if not heard[name]]
    begun = sum(len(heard[name]) > rows[0]["folds"] for name in racing)
    return Tuned(
        rows,
        rows[0]["name"],
        small,
        p,
        failed,
        unheard,
        begun,
        len(tested),
        minutes,
        exp,
        families.load(settings.training.family).has_codes,
        who_is_unknown(data, *others),
    )


def groups_of(names: Iterable[str], candidates: Mapping[str, Candidate]) -> list[list[Candidate]]:
    """Lists of candidates that are trained together, cheap ones first."""
    groups: dict[tuple, list[Candidate]] = {}
    for name in names:
        groups.setdefault(candidates[name].group, []).append(candidates[name])
    return sorted(groups.values(), key=lambda some: max(candidate.cost for candidate in some))


def folder_of(folder: Path, candidate: Candidate) -> Path:
    return folder / (
        "_".join(f"{flag}={format_value(value)}" for flag, value in candidate.differing.items()) or "defaults"
    )


def run(
    settings: RunSettings, folder: Path, deadline: float, work: tuple[list[Candidate], bool]
) -> dict[str, dict[str, Any]]:
    """Train and decode candidates on a fold, unless that was done before, or the time is over and they need
    not be.

    Parameters
    ----------
    work : (list of Candidate, bool)
        Whether they are trained whatever the time.

    Returns
    -------
    dict of str to dict
        Name to the facts of the run, or to why it "failed", for all that are done.
    """
    group, always = work
    parts = folder / "train", folder / "test"
    places = {candidate.name: folder_of(folder, candidate) for candidate in group}
    own = {places[one.name]: replace(settings, training=one.settings) for one in group}
    codebook = CODEBOOK[:1] if families.load(settings.training.family).has_codes else ()
    runs = {place: (one.facts(), results_of(place, codebook)) for place, one in own.items()}
    do = functools.partial(train_and_decode, folder, own) if always or time.time() < deadline else None
    try:
        done = each_once(do, runs, parts, next(iter(places.values())) / "log")
    except DataError as error:  # such as more states than a recording has frames: the others may be well
        if len(group) == 1:
            return {group[0].name: {"failed": str(error).splitlines()[-1].strip().removeprefix("error: ")}}
        alone = [run(settings, folder, deadline, ([candidate], always)) for candidate in group]
        return {name: result for one in alone for name, result in one.items()}
    return {name: done[place] for name, place in places.items() if place in done}


def train_and_decode(
    folder: Path, own: Mapping[Path, RunSettings], missing: list[Path]
) -> dict[Path, dict[str, Any]]:
    """The facts of each of the folders `missing`: the model's size, and seconds of this process, which others
    do not disturb.

    Parameters
    ----------
    own : dict of Path to RunSettings
    """
    started = time.process_time()
    first = own[missing[0]]
    if families.load(first.training.family).has_codes:
        book = shared_codebook(folder, first)
        for place in missing:
            with atomic_write(place / "codebook.npz", "wb") as stream:
                stream.write(book)
    runs = [(place, own[place].training) for place in missing]
    for trained in train_beside(folder / "train", runs, read=first.read):
        tell(trained)
    train_s, facts = time.process_time() - started, {}
    for place in missing:
        decode_s = seconds_of(test, place, folder / "test", own[place])
        if decode_s < QUICK_S:
            decode_s = min(decode_s, seconds_of(test, place, folder / "test", own[place]))
        facts[place] = {
            "decode_s": round(decode_s, 4),
            "train_s": round(train_s, 3),
            "trained_together": len(missing),
            "parameters": read_model(place).num_parameters,
        }
    return facts


def seconds_of(work: Callable, *arguments: Any) -> float:
    started = time.process_time()
    work(*arguments)
    return time.process_time() - started


def shared_codebook(folder: Path, settings: RunSettings) -> bytes:
    """The bytes of a codebook, made once for all that want it."""
    facts = {
        **Candidate({}, settings.training).values("training", "transform", "projection", "warp", "codebook"),
        **asdict(settings.read),
    }
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"codebook_{name}" / "codebook.npz"
    work = functools.partial(make_codebook, folder / "train", path.parent, settings)
    files = [path.parent / name for name in CODEBOOK]
    warn_of_damage(
        path.parent.name, once(lambda: tell(work()), path.parent, facts, (folder / "train",), files)
    )
    return path.read_bytes()


def progress(name: str, heard: Mapping[str, dict[str, Any]], fold: str | None = None) -> str:
    """`num-gauss 2: 3 of 66 wrong (5 of 132 so far), 2.1 s`; without a fold what was heard so far."""
    so_far = "{} of {}".format(*races.errors(heard))
    if fold is None:
        return f"{name}: {so_far} wrong"
    now, more = heard[fold], f" ({so_far} so far)" if len(heard) > 1 else ""
    beside = f" for {now['trained_together']}" if now["trained_together"] > 1 else ""
    seconds = "kept" if now["kept"] else f"{now['seconds']:.1f} s{beside}"
    return "{}: {} of {} wrong{}, {}".format(name, *races.errors({fold: now}), more, seconds)


def spent(started: float, minutes: float) -> str:
    return f"{(time.time() - started) / 60:.1f} " + (f"of {minutes:g} minutes" if minutes else "minutes")


def comments(
    rows: list[dict[str, Any]], data_dir: PathLike, plan: FoldPlan, listen: ListenConfig
) -> list[str]:
    """How the first row was chosen, as comment lines of a conf file."""
    best = rows[0]
    fixed = "" if listen.adapt == "none" else f", decoded with --adapt {listen.adapt}"
    return [
        f"# Chosen by asrkit tune {VERSION}: the best of {len(rows)} candidates that {data_dir} was trained and tested with,",
        f"# {best['folds']} folds by {plan.by}{fixed}: {best['errors']} of {best['words']} words wrong, {100 * best['wer']:.2f} %, "
        f"95 % interval {100 * best['low']:.2f} to {100 * best['high']:.2f} %.",
        "# The best of many is flattered by these very words: test it on other speakers. What is not here has asrkit's default.",
    ]


def write_confs(exp: Path, candidate: Candidate, lines: list[str]) -> None:
    """What train takes and, where the family has codes, what train-codebook takes: what was tried and what is not as by default."""
    family = families.load(candidate.settings.family)
    named = {**candidate.tried, **candidate.differing}
    trained = [f"--family={family.name}"]
    own = candidate.values("model", "training", "transform", "projection", "warp")
    trained += [f"--{flag}={format_value(value)}" for flag, value in own.items() if flag in named]
    confs = {"tuned.conf": trained}
    if family.has_codes:
        known, flags = fields_of(family.name), flags_of(family.name)
        own = candidate.values("codebook", "transform", "projection", "warp")
        confs["codebook.conf"] = [
            f"--{flag_name(known[flags[flag]][1])}={format_value(value)}"
            for flag, value in own.items()
            if flag in named
        ]
        if "seed" in named:
            confs["codebook.conf"].append(f"--seed={named['seed']}")
    for name, settings in confs.items():
        with atomic_write(exp / name) as stream:
            stream.writelines(f"{line}\n" for line in [*lines, *settings])


def write_results(
    exp: Path,
    family: str,
    data_name: str,
    rows: list[dict[str, Any]],
    folds: list[dict[str, Any]],
    facts: dict[str, Any],
) -> None:
    flags = list(rows[0]["settings"])
    with atomic_write(exp / "tune.tsv") as stream:
        stream.write("\t".join([*flags, *FIGURES]) + "\n")
        for one in rows:
            figures = (
                "-"
                if (value := one[name]) is None
                else f"{value:.6f}"
                if isinstance(value, float)
                else str(value)
                for name in FIGURES
            )
            stream.write("\t".join([*map(format_value, one["settings"].values()), *figures]) + "\n")
    with atomic_write(exp / "tune.json") as stream:
        whole = {
            "family": family,
            "level": races.LEVEL,
            **facts,
            "candidates": rows,
            "folds": folds,
        }
        json.dump(whole, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    from asrkit.plots.words import plot_tuning  # late: matplotlib is slow to import

    with atomic_write(exp / "tune.png", "wb") as stream:
        plot_tuning(rows, facts["smallest"], stream, f"{family}: {len(rows)} candidates on {data_name}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    flags = list(rows[0]["settings"])
    values = [[format_value(value) or "none" for value in one["settings"].values()] for one in rows]
    widths = [max(map(len, column)) for column in zip(flags, *values)]
    lines = ["  ".join([*(f"{flag:>{width}}" for flag, width in zip(flags, widths)), HEAD])]
    for one, own in zip(rows, values):
        figures = (
            f"{one['folds']:5d}  {one['errors']:6d}  {one['words']:5d}  {100 * one['wer']:6.2f}  [{100 * one['low']:5.2f}, {100 * one['high']:5.2f}]"
            f"  {one['parameters']:10d}  {one['ms_a_word']:9.3f}  {one['train_s']:7.1f}"
        )
        lines.append(
            "  ".join([*(f"{value:>{width}}" for value, width in zip(own, widths)), figures])
            + ("" if one["out"] is None else "  out")
        )
    return lines


def chosen(exp: Path, rows: list[dict[str, Any]], small: str, p: float, has_codes: bool) -> list[str]:
    best = rows[0]
    before = f"{exp / 'codebook.conf'} for train-codebook, then " if has_codes else ""
    lines = [f"chosen: {best['name']} ({before}{exp / 'tuned.conf'} for train)"]
    if small != best["name"]:
        size = next(one["parameters"] for one in rows if one["name"] == small)
        lines.append(
            f"the smallest not seen to be worse: {small}, {size} parameters against {best['parameters']} (McNemar p = {p:.2g})"
        )
    return lines


def unfinished(
    minutes: float, rows: list[dict[str, Any]], unheard: list[str], begun: int, folds: int
) -> list[str]:
    """What the time did not suffice for."""
    if unheard:
        names = unheard[0] + ("; ..." if len(unheard) > 1 else "")
        return [
            f"not even the first fold was heard by all: {minutes:g} minutes were too few for {len(unheard)} of {len(unheard) + len(rows)} "
            f"candidates ({names}). The choice is among the others; called again, it goes on"
        ]
    if rows[0]["folds"] == folds:
        return []
    more = f"; {begun} candidates have heard another, which does not count yet" if begun else ""
    return [
        f"{minutes:g} minutes were enough for {rows[0]['folds']} of {folds} folds{more}. Called again, it goes on"
    ]


def warnings(rows: list[dict[str, Any]], failed: Mapping[str, str]) -> list[str]:
    lines, shared = [], max(one["trained_together"] for one in rows)
    for reason in dict.fromkeys(failed.values()):
        names = [name for name, own in failed.items() if own == reason]
        lines.append(
            f"{len(names)} candidates can't be trained ({names[0]}{'; ...' if len(names) > 1 else ''}): {reason}"
        )
    if shared > 1:
        lines.append(
            f"train s: seconds of one fold; up to {shared} candidates were trained together, and each shows the time of all"
        )
    if len(rows) > 1:
        lines.append(
            f"the best of {len(rows)} is flattered by the words that chose it: test it on other speakers"
        )
    return lines
