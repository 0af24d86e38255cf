"""Which trainings are simulated on which clusters: the model of scaling_model.py, filled with measured constants."""

import argparse
import math
from dataclasses import dataclass, replace

import scaling_model as model

from asrkit.io.store import BLOCK
from asrkit.words.sums import RUN

DIM, STATES, WORDS, ITERATIONS = 39, 12, 10, 20
UTT = 55  # frames of an utterance: a word of half a second
WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
FORMS = {
    "words": "Dask, a word a worker",
    "disk": "Dask, all words together, from the disk",
    "memory": "Dask, all words together, from memory",
    "part": "job arrays, a task reads all",
    "own": "job arrays, a task reads its share",
}


@dataclass(frozen=True)
class Case:
    """A training: the shape of each word's model, and of its features."""

    title: str
    family: str
    form: str = ""
    gaussians: int = 0
    frame_bytes: int = 4 * DIM


CASES = [
    Case("chmm, 12 states x 2 diagonal Gaussians", "chmm", "diag", 24),
    Case("gmm, 32 diagonal Gaussians", "gmm", "diag", 32),
    Case("gmm, 32 full Gaussians", "gmm", "full", 32),
    Case("dhmm, 12 states, 256 symbols", "dhmm", frame_bytes=4),
]
VALIDATED = {16: False, 3: True}  # words of a million frames, and whether all advance together
MIXGOP_PHONES, MIXGOP_RATE_HZ, MIXGOP_BYTES = 40, 50, 4096


def cluster_of(constants, options, workers, *, memory=False):
    """The cluster that is assumed, with what is measured of Dask."""
    task = constants["task"]
    return model.Cluster(
        workers,
        submit_s=task["submit_s"], gather_s=max(task["gather_s"], task["driver_s"] - task["submit_s"]), scheduler_s=task["scheduler_s"], worker_s=task["worker_s"],
        sending=min(options.network, task["items_bytes_s"]), getting=min(options.network, task["results_bytes_s"]),
        disk=math.inf if memory else options.disk, link=math.inf if memory else options.link,
        spread=options.spread, losses=options.losses, seed=options.seed,
    )  # fmt: skip


def costs_of(constants, case):
    """What is measured of a case's models."""
    return next(
        row
        for row in constants["frames"]
        if (row["family"], row["form"], row["gaussians"]) == (case.family, case.form, case.gaussians)
    )


def work_of(constants, case, frames, words, form, passes=1):
    """A pass, or several of them in one item, over so many frames of a vocabulary."""
    costs, read = costs_of(constants, case), constants["reading"]
    frame_s = 1e-6 * costs["frame_us"] + read["read_s"] / BLOCK * case.frame_bytes / (4 * DIM)
    each = frames / words
    if form == "words":
        return model.Work((passes * each * frame_s,) * words, passes * each * case.frame_bytes)
    size = BLOCK * RUN if form == "runs" else BLOCK
    lengths = [size] * int(each // size) + [each % size] * (each % size > 0)
    return model.Work(
        tuple(length * frame_s for length in lengths) * words,
        read_bytes=size * case.frame_bytes,
        sent_bytes=read["item_bytes"],
        got_bytes=costs["stats_bytes"],
        driver_s=read["pack_s"] + costs["add_s"],
        before_s=words * costs["model_bytes"] / 1e9,
        after_s=words * costs["estimate_s"],
    )


def iteration(constants, case, form, workers, options):
    """Seconds of an iteration, and the name of what was busy most."""
    frames = options.hours * 360_000
    if form in ("part", "own"):
        work = work_of(constants, case, frames, options.words, "blocks")
        process, own = constants["process"], form == "own"
        read_s, tables_s = (
            1e-6 * process["whole_frame_us"] * frames,
            1e-6 * process["table_utt_us"] * frames / UTT,
        )
        arrays = model.Arrays(
            options.start, options.queue, read_s, frames * 4 * DIM, tables_s if own else 0.0, own
        )
        seconds, parts = arrays.seconds(cluster_of(constants, options, workers), work)
        return seconds, max(parts, key=parts.get)
    cluster = cluster_of(constants, options, workers, memory=form == "memory")
    if form != "words":
        passes, work = 1, work_of(constants, case, frames, options.words, "runs")
    else:  # its reading and its scoring alternate for many iterations: each worker gets its share of the disk
        passes, work = ITERATIONS, work_of(constants, case, frames, options.words, "words", ITERATIONS)
        share = min(cluster.link, cluster.disk / min(workers, options.words))
        work = replace(
            work, item_s=tuple(own + work.read_bytes / share for own in work.item_s), read_bytes=0.0
        )
    outcome = model.simulate(cluster, work)
    busy = outcome.shares(workers)
    limit = max(busy, key=busy.get)
    if limit == "workers" and busy["workers"] < 0.7:
        limit = "words" if form == "words" and workers >= options.words else "tail"
    return outcome.seconds / passes, limit


def first_pass_s(constants, options):
    """Seconds in which the driver reads all archives, and writes the file of features, before the first iteration."""
    frames = options.hours * 360_000
    return max(
        frames * constants["first"]["first_frame_us"] * 1e-6,
        2 * frames * 4 * DIM / min(options.disk, options.link),
    )


def mixgop_s(constants, options, workers):
    """Seconds of a training of MixGoP: the driver reads all features once, the phones' mixtures go to the workers."""
    frames, own = options.hours * 3600 * MIXGOP_RATE_HZ, constants["mixgop"]
    reading_s = max(
        frames * own["ssl_frame_us"] * 1e-6, frames * MIXGOP_BYTES / min(options.disk, options.link)
    )
    work = model.Work((own["phone_s"],) * MIXGOP_PHONES, sent_bytes=own["tokens"] * MIXGOP_BYTES)
    return reading_s, model.simulate(cluster_of(constants, options, workers, memory=True), work).seconds


def simulated(constants, options):
    """Seconds of an iteration and what limits it: dict of (title, form) to list over WORKERS."""
    return {
        (case.title, form): [iteration(constants, case, form, workers, options) for workers in WORKERS]
        for case in CASES
        for form in FORMS
    }


def predicted(constants, row, options):
    """Seconds of a pass of `--validate`, on this machine; and of its processors."""
    case = Case("", "chmm", "diag", STATES)
    work = work_of(constants, case, 1e6, row["words"], "runs" if VALIDATED[row["words"]] else "words")
    alone = replace_options(options, network=math.inf, spread=0.0, losses=0.0)
    cluster = cluster_of(constants, alone, row["workers"], memory=True)
    return model.machine_s(cluster, work, constants["machine"]["cores"])


def replace_options(options, **changes):
    return argparse.Namespace(**{**vars(options), **changes})
