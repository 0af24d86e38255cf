#!/usr/bin/env python3
"""What an iteration of training costs on 1 to 1000 workers: constants measured here, a simulation of the rest.

Without options it simulates with the constants of docs/scaling.json and prints the tables of docs/scaling.md; with the same constants and
seed they are the same. --measure (a minute on an idle machine, and 200 MB) and --validate (another) need `pip install -e '.[cluster,bench]'`.

example: python tools/scaling.py --measure --validate --plot docs/scaling.png --page docs/scaling.md
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import scaling_cases as cases
from scaling_cases import CASES, FORMS, UTT, VALIDATED, WORDS, WORKERS
from scaling_tables import MIXGOP, tables

LOCAL = Path(__file__).resolve().parents[1] / "docs" / "scaling.json"
MARKS = "<!-- {} -->"


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="SECTION",
        help="measure all constants anew, or those of some sections, and keep them",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="passes on 1, 2 and 4 workers beside the model, and keep them",
    )
    parser.add_argument("--constants", type=Path, default=LOCAL, metavar="FILE", help="docs/scaling.json")
    parser.add_argument("--turns", type=int, default=5, help="of --validate, added to those of before (5)")
    parser.add_argument("--hours", type=float, default=1000, help="of speech, 100 frames a second (1000)")
    parser.add_argument("--words", type=int, default=WORDS, help=f"of the vocabulary, all as long ({WORDS})")
    parser.add_argument("--disk", type=float, default=1e9, help="bytes a second of the shared disk (1e9)")
    parser.add_argument(
        "--link", type=float, default=5e8, help="bytes a second that one worker reads at the most (5e8)"
    )
    parser.add_argument(
        "--network", type=float, default=1.25e9, help="bytes a second of the driver's network (1.25e9)"
    )
    parser.add_argument("--queue", type=float, default=10, help="seconds that a job waits for its turn (10)")
    parser.add_argument("--start", type=float, default=1, help="seconds until a job's process has begun (1)")
    parser.add_argument(
        "--spread", type=float, default=0.1, help="of the logarithm of the workers' speeds (0.1)"
    )
    parser.add_argument("--losses", type=float, default=0.01, help="of a worker, an hour (0.01)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="put the tables into a page, each behind its mark"
    )
    return parser.parse_args(argv)


def validate(constants, work, options):
    """Passes on this machine: list of dict, each with those of before."""
    import benchmark_data as data
    import scaling_measured as measured

    rows = constants.get("validation") or [
        {"words": words, "workers": workers, "seconds": [], "cpu_s": [], "worker_mb": 0, "driver_mb": 0}
        for words in VALIDATED
        for workers in (1, 2, 4)
    ]
    for row in rows:
        words = row["words"]
        data.write_words(work / f"words{words}", words, round(1e6 / words / UTT), 1, "train")
        found = measured.passes(work / f"words{words}", work, row["workers"], VALIDATED[words], options.turns)
        for name in ("seconds", "cpu_s"):
            row[name] += found[name]
        for name in ("worker_mb", "driver_mb"):
            row[name] = max(row[name], found[name])
        measured.say(f"{words} words, {row['workers']} workers: {found}")
    return rows


def plot(constants, options, found, path):
    """A panel a case, seconds of an iteration against workers; the dashed line is in proportion."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    dress = {
        "words": ("#d55e00", "s"),
        "disk": ("#0072b2", "o"),
        "memory": ("#009e73", "D"),
        "part": ("#222222", "^"),
        "own": ("#cc79a7", "v"),
    }
    figure_, axes = pyplot.subplots(2, 3, figsize=(11, 7.2), sharex=True, layout="constrained")
    for axis, case in zip(axes.flat, CASES, strict=False):
        for form, (color, marker) in dress.items():
            seconds = [value for value, _ in found[case.title, form]]
            axis.plot(WORKERS, seconds, color=color, marker=marker, markersize=4.5, linewidth=1.6)
            if form == "own":  # of the disk, as the line below
                continue
            limit = found[case.title, form][-1][1]
            said = {"words": f"{options.words} words", "tail": "the last items"}.get(limit, limit)
            place = {"xytext": (2, 6 if form in ("words", "part") else -15), "textcoords": "offset points"}
            if form != "disk" or limit == "disk":
                axis.annotate(said, (1000, seconds[-1]), ha="right", fontsize=9, color=color, **place)
        whole = sum(cases.work_of(constants, case, options.hours * 360_000, options.words, "blocks").item_s)
        axis.plot(
            WORKERS, [whole / workers for workers in WORKERS], color="0.45", linestyle="--", linewidth=1.4
        )
        axis.set_title(case.title, fontsize=10, loc="left")
        axis.set_ylabel("seconds an iteration")
        axis.set_ylim(0.1, 2e5)
    axis = axes.flat[len(CASES)]
    reading, phones = zip(*(cases.mixgop_s(constants, options, workers) for workers in WORKERS), strict=True)
    axis.plot(WORKERS, reading, color=dress["words"][0], marker="s", markersize=4.5, linewidth=1.6)
    axis.plot(WORKERS, phones, color="#0072b2", marker="o", markersize=5, linewidth=1.6)
    axis.set_ylim(0.1, 2e5)
    axis.annotate(
        "the driver reads all once", (1, reading[0]), (0, 8), textcoords="offset points", fontsize=9
    )
    axis.annotate("mixtures of 40 phones", (1, phones[0]), (0, 10), textcoords="offset points", fontsize=9)
    axis.set_title(MIXGOP, fontsize=10, loc="left")
    axis.set_ylabel("seconds of the training")
    lines = [
        Line2D([], [], color=color, marker=marker, linewidth=1.6, markersize=4.5)
        for color, marker in dress.values()
    ]
    lines.append(Line2D([], [], color="0.45", linestyle="--", linewidth=1.4))
    axes.flat[-1].legend(lines, [*FORMS.values(), "in proportion"], loc="center", frameon=False, fontsize=10)
    axes.flat[-1].axis("off")
    for axis in axes.flat[:-1]:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("workers")
        axis.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
        axis.tick_params(labelbottom=True)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure_.suptitle(
        f"{options.hours:,.0f} hours of speech, {options.words} words: simulated with constants measured on one machine",
        fontsize=11,
    )
    figure_.savefig(path, dpi=150, metadata={"Software": None})


def machine():
    """This machine, and how busy it was."""
    from benchmark import processor

    return {"name": processor(), "cores": os.cpu_count()}


def main(argv=None):
    options = parse(argv)
    constants = (
        json.loads(options.constants.read_text(encoding="utf-8")) if options.constants.exists() else {}
    )
    with tempfile.TemporaryDirectory(prefix="asrkit-scaling-") as folder:
        if options.measure is not None:
            import scaling_measured as measured

            constants = {**constants, **measured.everything(folder, options.measure), "machine": machine()}
        if options.validate:
            constants["validation"] = validate(constants, Path(folder), options)
    if options.measure is not None or options.validate:
        options.constants.write_text(json.dumps(constants, indent=1) + "\n", encoding="utf-8")
    found = cases.simulated(constants, options)
    texts = tables(constants, options, found)
    for mark, text in texts.items():
        print(f"{mark}\n\n{text}\n")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        for mark, text in texts.items():
            before, _, rest = page.partition(MARKS.format(mark))
            after = rest.partition(MARKS.format("end"))[2]
            page = f"{before}{MARKS.format(mark)}\n\n{text}\n\n{MARKS.format('end')}{after}"
        options.page.write_text(page, encoding="utf-8")
    if options.plot:
        plot(constants, options, found, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
