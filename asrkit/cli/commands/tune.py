"""Which settings? A race of configurations over the folds of DIR -> EXP/tuned.conf, which `asrkit train`
takes.

Every combination of the values of --try is a candidate; `--try num-states 8 12 --try num-gauss 2 4` makes
four. Any setting of `train` can be tried, of families on codes the codebook's, too. What is neither tried nor
given has the family's own small grid: states, Gaussians (or the codebook's size), and cmvn where DIR has
cmvn.scp, else delta-order. All other settings are fixed, as in crossval.

All candidates hear the first fold, the cheap ones first; those that are seen to err more often than the best
(McNemar, p < 0.05) are out, the others hear the next. When --minutes are spent, no training is started any
more. Numbers of Gaussians that grow out of one another are trained together, and so are models on one
codebook; each becomes what `asrkit train` alone would make of it. A training whose data and settings are
unchanged is kept: called again, with more minutes or more to try, the command goes on where it stopped.
Chosen are the fewest errors; of equally good ones the smaller. Files:
  EXP/tuned.conf                 the chosen settings of train; codebook.conf beside it, for train-codebook, where there is one
  EXP/tune.tsv, EXP/tune.json    all candidates, best first
  EXP/tune.png                   errors against size and speed
"""

import argparse
import functools
import hashlib
import json
import logging
import time
from pathlib import Path

import numpy as np

from asrkit import __version__, families
from asrkit.cli.commands import crossval, decode, train, train_codebook
from asrkit.config import add_flag, flag_name, format_value
from asrkit.errors import DataError
from asrkit.evaluation import races as race
from asrkit.evaluation.grids import CODEBOOK, combinations, known_settings
from asrkit.io.files import atomic_write, read_table
from asrkit.io.model_file import read_model
from asrkit.io.runs import each_once, once
from asrkit.runtime import ordered_map
from asrkit.words.training import TrainConfig

EXAMPLE = """example:
  asrkit tune data/train exp/tune --family chmm --minutes 20 --try num-states 8 12 16 --try warps "" 0.9,1.1 --nj 2
  asrkit train data/train exp/chmm --config exp/tune/tuned.conf
"""

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


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the trainings and the results")
    add_flag(parser, "minutes", 10.0, "no training is started after so many; 0: no limit", minimum=0)
    parser.add_argument(
        "--try",
        dest="tries",
        metavar=("SETTING", "VALUE"),
        nargs="+",
        action="append",
        default=[],
        help="a setting of train and the values to try (may be repeated; after DIR and EXP)",
    )
    crossval.add_fold_arguments(parser)
    add_flag(parser, "nj", 1, "processes; trainings are run side by side", minimum=1)
    train.add_settings(parser)
    decode.add_settings(parser)


def add_chosen_arguments(parser, argv):
    crossval.add_chosen_arguments(parser, argv)
    # What the command line, or a conf file, fixes is not searched.
    parser.set_defaults(
        fixed=[word.partition("=")[0].removeprefix("--") for word in argv if word.startswith("--")]
    )


def main(args):
    exp, started = Path(args.exp), time.time()
    data, others, tested = crossval.read_folds(args)
    candidates = combinations(args.family, args.tries, args, args.fixed, bool(data.cmvn))
    log.info("%d candidates, %d folds", len(candidates), len(tested))
    deadline = started + 60 * args.minutes if args.minutes else float("inf")
    racing, out, failed, facts = list(candidates), {}, {}, []
    heard = {name: {} for name in candidates}  # by fold, the facts of the run and "right" (U,)
    for fold, utts in tested.items():
        folder = exp / f"fold_{fold}"
        facts.append(crossval.write_parts(data, others, utts, fold, folder))
        runs = [
            (group, not any(heard.values()) and place == 0)
            for place, group in enumerate(groups_of(racing, candidates))
        ]
        hear = functools.partial(run, args, folder, deadline)
        for found in ordered_map(hear, runs, jobs=args.nj, label=f"fold {fold}"):
            for name, result in found.items():
                if "failed" in result:
                    racing.remove(name)
                    failed[name] = result["failed"]
                    log.warning("fold %s: %s can't be trained: %s", fold, name, failed[name])
                    continue
                hyps = read_table(folder_of(folder, candidates[name]) / "decode_test" / "hyp")
                heard[name][fold] = {
                    **result,
                    "right": np.array([hyps.get(utt) == data.text[utt] for utt in utts]),
                }
                log.info(
                    "fold %s: %s; %s", fold, progress(name, heard[name], fold), spent(started, args.minutes)
                )
        if not any(heard[name] for name in racing):
            more = f", and {args.minutes:g} minutes were too few for the others" if racing else ""
            raise DataError(f"no candidate can be trained{more}; the first: {next(iter(failed.values()))}")
        if not all(fold in heard[name] for name in racing):
            break
        for name, p in race.worse(heard, racing).items():
            racing.remove(name)
            out[name] = fold
            log.info("out after fold %s: %s, p = %.2g against the best", fold, progress(name, heard[name]), p)
    rows, small, p = race.standings(heard, racing, out)
    rows = [{**row, "settings": candidates[row["name"]].tried} for row in rows]
    write_confs(exp, args, candidates[rows[0]["name"]], comments(rows, args))
    write_results(
        exp,
        args,
        rows,
        facts,
        {"chosen": rows[0]["name"], "smallest": small, "p_smallest": p, "failed": failed},
    )
    unheard = [name for name in racing if not heard[name]]
    begun = sum(len(heard[name]) > rows[0]["folds"] for name in racing)
    has_codes = families.load(args.family).OBSERVATIONS == "codes"
    lines = [
        *table(rows),
        *chosen(exp, rows, small, p, has_codes),
        *unfinished(args.minutes, rows, unheard, begun, len(tested)),
    ]
    print("\n".join([*lines, *warnings(rows, failed)]))
    return 0


def groups_of(names, candidates):
    """Lists of candidates that are trained together, cheap ones first."""
    groups = {}
    for name in names:
        groups.setdefault(candidates[name].group, []).append(candidates[name])
    return sorted(groups.values(), key=lambda some: max(candidate.cost for candidate in some))


def folder_of(folder, candidate):
    return folder / (
        "_".join(f"{flag}={format_value(value)}" for flag, value in candidate.differing.items()) or "defaults"
    )


def run(args, folder, deadline, work):
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
    steps, runs = {}, {}
    for candidate in group:
        place = places[candidate.name]
        steps[place] = crossval.steps_of(
            argparse.Namespace(**{**vars(args), **candidate.values}), place, *parts
        )
        runs[place] = crossval.settings_of(steps[place]), (place / "final.npz", place / "decode_test" / "hyp")
    do = functools.partial(train_and_decode, folder, steps) if always or time.time() < deadline else None
    try:
        done = each_once(do, runs, parts, next(iter(places.values())) / "log")
    except DataError as error:  # such as more states than a recording has frames: the others may be well
        if len(group) == 1:
            return {group[0].name: {"failed": str(error).splitlines()[-1].strip().removeprefix("error: ")}}
        alone = [run(args, folder, deadline, ([candidate], always)) for candidate in group]
        return {name: result for one in alone for name, result in one.items()}
    return {name: done[place] for name, place in places.items() if place in done}


def train_and_decode(folder, steps, missing):
    """The facts of each of the folders `missing`: the model's size, and seconds of this process, which others
    do not disturb.
    """
    started = time.process_time()
    some = {place: {name: own for name, _, own in steps[place]} for place in missing}
    first = next(iter(some.values()))
    if "train-codebook" in first:
        book = make_codebook(folder, first["train-codebook"])
        for place in missing:
            with atomic_write(place / "codebook.npz", "wb") as stream:
                stream.write(book)
    train.train_together([own["train"] for own in some.values()])
    train_s, facts = time.process_time() - started, {}
    for place, own in some.items():
        # its status says that utterances were skipped: they count as errors
        decode_s = seconds_of(decode.main, own["decode"])
        if decode_s < QUICK_S:
            decode_s = min(decode_s, seconds_of(decode.main, own["decode"]))
        facts[place] = {
            "decode_s": round(decode_s, 4),
            "train_s": round(train_s, 3),
            "trained_together": len(missing),
            "parameters": read_model(place).num_parameters,
        }
    return facts


def seconds_of(work, *arguments):
    started = time.process_time()
    work(*arguments)
    return time.process_time() - started


def make_codebook(folder, own):
    """The bytes of a codebook, made once for all that want it."""
    settings = crossval.settings_of([("train-codebook", None, own)])
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"codebook_{name}" / "codebook.npz"
    own.exp = str(path.parent)
    once(functools.partial(train_codebook.main, own), path.parent, settings, (Path(own.dir),), (path,))
    return path.read_bytes()


def progress(name, heard, fold=None):
    """`num-gauss 2: 3 of 66 wrong (5 of 132 so far), 2.1 s`; without a fold what was heard so far."""
    so_far = "{} of {}".format(*race.errors(heard))
    if fold is None:
        return f"{name}: {so_far} wrong"
    now, more = heard[fold], f" ({so_far} so far)" if len(heard) > 1 else ""
    beside = f" for {now['trained_together']}" if now["trained_together"] > 1 else ""
    seconds = "kept" if now["kept"] else f"{now['seconds']:.1f} s{beside}"
    return "{}: {} of {} wrong{}, {}".format(name, *race.errors({fold: now}), more, seconds)


def spent(started, minutes):
    return f"{(time.time() - started) / 60:.1f} " + (f"of {minutes:g} minutes" if minutes else "minutes")


def comments(rows, args):
    """How the first row was chosen, as comment lines of a conf file."""
    best = rows[0]
    fixed = "" if args.adapt == "none" else f", decoded with --adapt {args.adapt}"
    return [
        f"# Chosen by asrkit tune {__version__}: the best of {len(rows)} candidates that {args.dir} was trained and tested with,",
        f"# {best['folds']} folds by {args.by}{fixed}: {best['errors']} of {best['words']} words wrong, {100 * best['wer']:.2f} %, "
        f"95 % interval {100 * best['low']:.2f} to {100 * best['high']:.2f} %.",
        "# The best of many is flattered by these very words: test it on other speakers. What is not here has asrkit's default.",
    ]


def write_confs(exp, args, candidate, lines):
    """What train takes and, where the family has codes, what train-codebook takes: what was tried and what is
    not as by default.
    """
    named = {**candidate.tried, **candidate.differing}
    known, family = known_settings(args.family), families.load(args.family)
    trained = [f"--family={args.family}"]
    trained += [
        f"--{flag}={format_value(value)}"
        for flag, value in candidate.settings(CODEBOOK).items()
        if flag in named
    ]
    confs = {"tuned.conf": trained}
    if family.OBSERVATIONS == "codes":
        own = candidate.settings(family.Config, TrainConfig)
        confs["codebook.conf"] = [
            f"--{flag_name(known[flag][1])}={format_value(value)}"
            for flag, value in own.items()
            if flag in named
        ]
        if "seed" in named:
            confs["codebook.conf"].append(f"--seed={named['seed']}")
    for name, settings in confs.items():
        with atomic_write(exp / name) as stream:
            stream.writelines(f"{line}\n" for line in [*lines, *settings])


def write_results(exp, args, rows, folds, facts):
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
            "family": args.family,
            "by": args.by,
            "level": race.LEVEL,
            **facts,
            "candidates": rows,
            "folds": folds,
        }
        json.dump(whole, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    from asrkit.plots.words import plot_tuning  # late: matplotlib is slow to import

    with atomic_write(exp / "tune.png", "wb") as stream:
        plot_tuning(
            rows, facts["smallest"], stream, f"{args.family}: {len(rows)} candidates on {Path(args.dir).name}"
        )


def table(rows):
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


def chosen(exp, rows, small, p, has_codes):
    best = rows[0]
    before = f"{exp / 'codebook.conf'} for train-codebook, then " if has_codes else ""
    lines = [f"chosen: {best['name']} ({before}{exp / 'tuned.conf'} for train)"]
    if small != best["name"]:
        size = next(one["parameters"] for one in rows if one["name"] == small)
        lines.append(
            f"the smallest not seen to be worse: {small}, {size} parameters against {best['parameters']} (McNemar p = {p:.2g})"
        )
    return lines


def unfinished(minutes, rows, unheard, begun, folds):
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


def warnings(rows, failed):
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
