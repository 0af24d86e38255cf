#!/usr/bin/env python3
"""Write RESULTS.md: every number in it comes from the commands that stand beside it, run here one after
another.

The tables and their commands are in results_plan.py; settings were chosen on training speakers. What is
complete is kept, so that the script, called again, goes on where it stopped; without --work's folder it
begins anew. It takes about an hour on two cores. Some tables go on from what others made: --only names them in
that order.

example: local/results.py --fsdd ~/free-spoken-digit-dataset --course ~/ASR_Course
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from results_plan import SECTIONS

from asrkit import __version__
from asrkit.evaluation.scoring import compute_errors
from asrkit.evaluation.significance import bootstrap_wer, mcnemar_exact
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import atomic_write, read_table

HERE = Path(__file__).resolve().parents[1]  # egs/digits, where the commands run
TAIL = 15  # lines of a failed command that are shown


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fsdd", required=True, type=Path, help="the Free Spoken Digit Dataset's folder")
    parser.add_argument(
        "--course", required=True, type=Path, help="the ASR course's folder, TIDIGITS' words in it"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=HERE / "exp" / "results",
        help="folder for data and models (default: exp/results)",
    )
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md", help="(default: RESULTS.md)")
    parser.add_argument(
        "--only", default="", metavar="NAME,NAME", help=f"some tables: {', '.join(s.name for s in SECTIONS)}"
    )
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else [section.name for section in SECTIONS]
    unknown = set(wanted) - {section.name for section in SECTIONS}
    if unknown:
        parser.error(
            f"--only {sorted(unknown)[0]}: there are {', '.join(section.name for section in SECTIONS)}"
        )
    sections = [section for section in SECTIONS if section.name in wanted]
    work = args.work.resolve()
    places = {
        "fsdd": args.fsdd.resolve(),
        "course": args.course.resolve(),
        "data": work / "data",
        "exp": work / "exp",
    }
    shell = Shell(
        {name: str(path) for name, path in places.items()},
        work / "done",
        sum(section.count for section in sections),
    )
    try:
        for section in sections:
            run_section(section, shell)
    except subprocess.CalledProcessError as error:
        print(f"results.py: error: {error}; the last it said:\n{error.output}", file=sys.stderr)
        return 1
    results = {section.name: read_section(section, shell) for section in sections}
    publish(args.out, sections, results, shell)
    return 0


class Shell:
    """Runs commands of the plan, each set once: what it was, and the seconds it took, is kept in the folder
    `done`.
    """

    def __init__(self, places, done, count):
        self.places, self.done, self.count, self.number = places, done, count, 0
        self.seconds = {}

    def path(self, text):
        """A path of the plan, `$exp/...`, on this machine."""
        for name, place in self.places.items():
            text = text.replace(f"${name}", place)
        return Path(text)

    def run(self, name, commands):
        """Run them unless they were run before; raises CalledProcessError with the end of what they said."""
        self.number += 1
        tag = f"[{self.number}/{self.count}] {name}"
        stamp = self.done / f"{name.replace('/', '_').replace(' ', '_')}.json"
        with contextlib.suppress(OSError, ValueError, KeyError):
            before = json.loads(stamp.read_text(encoding="utf-8"))
            if before["commands"] == commands and before["version"] == __version__:
                self.seconds[name] = before["seconds"]
                print(f"{tag}: kept", file=sys.stderr)
                return
        started = time.perf_counter()
        # One thread of linear algebra: two sets of commands run side by side, and results do not hang on the
        # number of threads.
        environment = {
            **os.environ,
            **self.places,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "LC_ALL": "C",
        }
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        words = ["bash", "-eo", "pipefail", "-c", commands]
        done = subprocess.run(
            words,
            cwd=HERE,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        if done.returncode:
            said = "\n".join(done.stdout.splitlines()[-TAIL:])
            raise subprocess.CalledProcessError(done.returncode, f"the commands of '{name}'", said)
        self.seconds[name] = time.perf_counter() - started
        with atomic_write(stamp) as stream:
            json.dump(
                {"commands": commands, "version": __version__, "seconds": round(self.seconds[name], 1)},
                stream,
                indent=1,
            )
        print(f"{tag}: {self.seconds[name]:.0f} s", file=sys.stderr)


def run_section(section, shell):
    """Its preparation, then its rows two at a time, then the rows that are made of others, and what comes
    last.
    """
    if section.prepare:
        shell.run(f"{section.name}: prepare", section.prepare)
    for late in (False, True):
        rows = [row for row in section.rows if row.commands and row.late == late]
        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    lambda row: shell.run(f"{section.name}: {row.name}", section.functions + row.commands),
                    rows,
                )
            )
    if section.finish:
        shell.run(f"{section.name}: finish", section.finish)


def read_section(section, shell):
    """Row name -> its errors, as ErrorReport; a row of several decodings counts each of them."""
    return {row.name: read_row(row, shell) for row in section.rows}


def read_row(row, shell):
    return read_decodings(
        [(shell.path(directory), shell.path(decode)) for directory, decode in row.decodings]
    )


def read_decodings(places):
    """The errors of several decodings together, pairs of data directory and decode folder."""
    refs, hyps, speakers = {}, {}, {}
    for number, (directory, decode) in enumerate(places):
        data = read_data_dir(directory, require=("text",))
        refs.update({f"{number} {utt}": word for utt, word in data.text.items()})
        speakers.update({f"{number} {utt}": data.speaker(utt) for utt in data.text})
        hyps.update({f"{number} {utt}": word for utt, word in read_table(decode / "hyp").items()})
    return compute_errors(refs, hyps, speakers, "all")


def publish(out, sections, results, shell):
    """Write the page, and the pictures beside it."""
    lines = [
        "# Results",
        "",
        "Written by `local/results.py`, never by hand: the commands of each table stand below it, and are what was run, in `egs/digits`, with",
        "`$fsdd` and `$course` for the two corpora, `$data` and `$exp` for new folders. Seeds are fixed: nothing else is left to chance.",
        "",
        "**Default** is what nobody has set anything of: `asrkit train --family chmm`, where no other family is named, and `asrkit decode`, which learns who speaks",
        "from those of his recordings that it has heard before; alone: nothing is remembered. **0.1.0's** is what was the default of asrkit 0.1.0, written down in",
        "`conf/0.1.0-*.conf`, and trained and decoded by this version. Features are those of `conf/mfcc.conf`.",
        "",
        "Beside each error rate stand its 95 % Wilson interval, which takes the utterances for independent, and that of a bootstrap over the",
        "speakers, which says how it might be with others. p is McNemar's exact test against the row in bold, or the one that the text names, on the same",
        "utterances; where rows are many, some will look different by chance.",
        "",
        f"asrkit {__version__}; all of it took {minutes(sections, shell):.0f} minutes on two cores.",
        "",
    ]
    for section in sections:
        lines += [
            f"## {section.title}",
            "",
            section.text.strip(),
            "",
            *table(section, results[section.name]),
            "",
        ]
        if section.by_speaker:
            lines += [*speaker_table(section, results[section.name]), ""]
        for path in section.shows:
            lines += ["```", shell.path(path).read_text(encoding="utf-8").strip("\n"), "```", ""]
        if section.curve:
            from results_curve import draw_curve  # late: matplotlib is slow to import

            name = f"{out.stem}_{section.name}.png"
            with atomic_write(out.with_name(name), "wb") as stream:
                draw_curve(section.curve, results[section.name], stream)
            caption = f"Word error rate against the {section.curve.axis}, with 95 % intervals."
            lines += [f"![{caption}]({name})", "", caption, ""]
        for path, caption in section.pictures:
            name = f"{out.stem}_{section.name}.png"
            shutil.copyfile(shell.path(path), out.with_name(name))
            lines += [f"![{caption}]({name})", "", caption, ""]
        lines += ["```bash", *commands_of(section), "```", ""]
    with atomic_write(out) as stream:
        stream.write("\n".join(lines).rstrip("\n") + "\n")
    print(out)


def minutes(sections, shell):
    """How long it took: rows run two at a time."""
    pairs = {f"{section.name}: {row.name}" for section in sections for row in section.rows}
    return sum(seconds / (2 if name in pairs else 1) for name, seconds in shell.seconds.items()) / 60


def table(section, reports):
    reference = section.reference or min(reports, key=lambda name: reports[name].total.errors)
    if any(row.against for row in section.rows):
        reference = ""
    lines = ["| system | errors | % | Wilson | speakers | p |", "|---|---|---|---|---|---|"]
    for row in section.rows:
        report, against = reports[row.name], row.against or reference
        low, high = report.interval
        bold = "**" * (row.name == reference)
        p = said_p(reports[against], report) if against and not bold else ""
        lines.append(
            f"| {bold}{row.name}{bold} | {report.total.errors} of {report.total.words} | {100 * report.wer:.2f} | {100 * low:.2f} to {100 * high:.2f} |"
            f" {over_speakers(report)} | {p} |"
        )
    return lines


def said_p(reference, report):
    """McNemar's p, where both were asked the same."""
    if reference.utts.keys() != report.utts.keys():
        return ""
    right = [np.array([utt.ref == utt.hyp for utt in one.utts.values()]) for one in (reference, report)]
    p = mcnemar_exact(*right)[2]
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"


def over_speakers(report):
    if len(report.speakers) < 2:
        return ""
    errors = np.array([utt.counts.errors for utt in report.utts.values()])
    rates = bootstrap_wer(
        errors, np.ones(len(errors)), [utt.speaker for utt in report.utts.values()], replications=2000
    )
    low, high = 100 * np.quantile(rates, (0.025, 0.975))
    return f"{low:.2f} to {high:.2f}"


def speaker_table(section, reports):
    speakers = sorted({speaker for report in reports.values() for speaker in report.speakers})
    lines = [f"| errors of | {' | '.join(speakers)} |", "|---" * (len(speakers) + 1) + "|"]
    for row in section.rows:
        counts = reports[row.name].speakers
        cells = [f"{counts[speaker].errors}" if speaker in counts else "" for speaker in speakers]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return lines


def commands_of(section):
    """The commands of a section, in the order in which they ran."""
    lines = [section.prepare, section.functions]
    lines += [
        f"# {row.name}\n{row.commands}"
        for late in (False, True)
        for row in section.rows
        if row.commands and row.late == late
    ]
    return "\n".join(part.strip("\n") for part in [*lines, section.finish] if part.strip()).splitlines()


if __name__ == "__main__":
    sys.exit(main())
