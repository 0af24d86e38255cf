#!/usr/bin/env python3
"""asrkit against its peers on the same data in the same run: seconds, ratios, quality, and the bare
arithmetic as the floor.

Contestants take turns (A B A B); the table shows medians with the least and the most. The ratio is a peer's
seconds to those of the task's first row, asrkit's: above 1 asrkit is the quicker one. Log-likelihoods a frame
are the forward algorithm's over the training words, by one evaluator for all models: exit probabilities left
out and their rows scaled up, any state may be the last, which is hmmlearn's own measure; features are not
standardised. SphinxTrain has features of its own, so its likelihoods compare with nobody's. Errors are each
system's own decoding. asrkit and the floors run with one BLAS thread, peers in process with their libraries'
defaults (two rows where one thread makes a difference), and whole processes are held to one core.

example: tools/benchmark.py --only train-chmm-8x1,gmm-em
example: tools/benchmark.py --data ~/ASR_Course --corpus tidigits --plot docs/growth.png --page docs/performance.md
"""

import os

for _variable in (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
):
    os.environ.pop(_variable, None)  # before numpy wakes its BLAS: every system gets its library's own choice

import argparse
import datetime
import json
import platform
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import benchmark_cluster as cluster
import benchmark_data as data
import benchmark_mixgop as mixgop
import benchmark_peers as peers
import benchmark_scale as scale
import benchmark_sphinx as sphinx
import benchmark_tasks as tasks
import numpy as np
import scipy
import scipy.linalg
import threadpoolctl
from benchmark_timing import AT_A_GLANCE, Failed, at_a_glance, say, table

from asrkit import __version__

TASKS = {
    "train-chmm-8x2": tasks.train_chmm_two,
    "train-chmm-8x1": tasks.train_chmm_one,
    "train-dhmm": tasks.train_dhmm,
    "decode": tasks.decode,
    "gmm-em": tasks.gmm_em,
    "stream": scale.stream,
    "first-use": scale.first_use,
    "growth": scale.growth,
    "mixgop": mixgop.mixgop,
    "cluster": cluster.cluster,
}
UNASKED = [name for name in TASKS if name != "cluster"]  # which needs the extra

MARK = "<!-- tables -->"
QUICK = ("train-chmm-8x1", "train-dhmm", "decode", "gmm-em")
QUICK_SETTINGS = {"only": ",".join(QUICK), "words": 4, "utts_per_word": 40, "repeats": 3}


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", metavar="NAME,…", default=",".join(UNASKED), help=f"some of {', '.join(TASKS)}"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"about a minute: {', '.join(QUICK)}, few generated words, three turns",
    )
    parser.add_argument("--data", default="synthetic", help="synthetic, or the folder of a corpus")
    parser.add_argument("--corpus", choices=("fsdd", "tidigits"), help="what that folder is")
    parser.add_argument("--words", type=count, default=11, help="generated words (default 11)")
    parser.add_argument(
        "--utts-per-word", type=count, default=190, help="generated training utterances of each (default 190)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--repeats", type=count, default=5, help="turns; a contestant stops after 20 s (default 5)"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="all words and all turns for slow peers, too: half an hour and more",
    )
    parser.add_argument(
        "--stream-frames", type=numbers, default=[1e6, 1e7], metavar="N,…", help="of `stream` (1e6,1e7)"
    )
    parser.add_argument(
        "--mixgop-frames", type=float, default=1e6, metavar="N", help="of `mixgop` (1e6: 3 GB on the disk)"
    )
    parser.add_argument(
        "--cluster-frames", type=float, default=1e7, metavar="N", help="of `cluster` (1e7: 1 GB on the disk)"
    )
    parser.add_argument(
        "--cluster-words",
        type=count,
        default=16,
        metavar="N",
        help="of `cluster` (16; 3: their blocks are spread)",
    )
    parser.add_argument("--cluster-workers", type=count, default=2, metavar="N", help="of `cluster` (2)")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help=f"put the tables into a page, behind the line {MARK}"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of `growth`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the raw numbers")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep the data there for the next run (default: nowhere)"
    )
    options = parser.parse_args(argv)
    if options.quick:
        for name, value in QUICK_SETTINGS.items():
            if getattr(options, name) == parser.get_default(name):
                setattr(options, name, value)
    options.only = options.only.split(",")
    if unknown := [name for name in options.only if name not in TASKS]:
        parser.error(f"--only {unknown[0]}: no such task (there are {', '.join(TASKS)})")
    options.source = None if options.data == "synthetic" else Path(options.data).resolve()
    if options.source and not options.corpus:
        parser.error("--data FOLDER needs --corpus fsdd or tidigits")
    if options.source and not options.source.is_dir():
        parser.error(f"--data {options.data}: no such folder")
    return options


def count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def numbers(text):
    return [float(word) for word in text.split(",")]


def main(argv=None):
    options = parse(argv)
    with tempfile.TemporaryDirectory(prefix="asrkit-benchmark-") as folder:
        work = (options.work or Path(folder)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        try:
            return run(options, work)
        except Failed as failure:
            say(f"benchmark.py: error: {failure}")
            return 1


def run(options, work):
    if options.source:
        corpus = data.recorded(work / options.corpus, options.source, options.corpus)
    else:
        name = f"generated-{options.words}-{options.utts_per_word}-{options.seed}"
        corpus = data.generated(work / name, options.words, options.utts_per_word, options.seed)
    facts = machine(corpus)
    written = []

    def write(text):
        written.append(text)
        print(text, flush=True)

    write(f"## Benchmark\n\n{table(facts.items(), ['', ''])}\n")
    rows, lost = [], []
    for name in options.only:
        try:
            found = TASKS[name](corpus, options)
        except Failed as failure:  # of asrkit: the other tasks may still do
            say(f"benchmark.py: error: {name}: {failure}")
            lost.append(name)
            continue
        about = " ".join(TASKS[name].__doc__.partition("\n\n")[0].split())
        write(f"### {name}\n\n{about}\n\n{table(row.cells() for row in found)}\n")
        rows += found
    write(f"### All peers\n\n{table(at_a_glance(rows), AT_A_GLANCE)}\n")
    if options.page:
        head = options.page.read_text(encoding="utf-8").partition(MARK)[0]
        options.page.write_text(head + MARK + "\n\n" + "\n".join(written), encoding="utf-8")
    if options.json:
        raw = {"machine": facts, "rows": [vars(row) for row in rows]}
        options.json.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    lost += [row.task for row in rows if row.system.startswith("asrkit") and not row.seconds]
    return 1 if lost else 0


def machine(corpus):
    """What the numbers are of: dict of title to text."""
    loaded = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    shown = "{internal_api} {version}, kernel {architecture}, {num_threads} threads"
    blas = {shown.format_map({"architecture": "?", **library}) for library in loaded}
    them = peers.versions() + (
        [] if sphinx.missing() else ["SphinxTrain and pocketsphinx_batch as installed"]
    )
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "Python": f"{platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}",
        "BLAS": "; ".join(sorted(blas)),
        "asrkit": __version__,
        "peers": ", ".join(them) or "none",
        "data": corpus.title,
        "decoded": corpus.decoded_title,
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?",
    }


def processor():
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
