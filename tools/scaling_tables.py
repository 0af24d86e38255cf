"""The tables of docs/scaling.md."""

import math
import statistics

import numpy as np
import scaling_cases as cases
from scaling_cases import CASES, DIM, FORMS, ITERATIONS, WORDS, WORKERS

from asrkit.engines.dask_map import GOAL_S
from asrkit.io.store import BLOCK
from asrkit.words.sums import RUN
from asrkit.workflows.train import FEW

SHOWN = (1, 10, 100, 1000)
LANGUAGES, LANGUAGE_WORDS = 40, 100
MIXGOP = "MixGoP, 40 phones, 1024 dimensions"
NAMES = {
    "words": "number of words",
    "driver": "driver",
    "network": "sums and items through the driver",
    "scheduler": "scheduler",
    "disk": "disk",
    "workers": "nothing: workers",
    "tail": "waiting for the last and the slow",
    "start": "start",
    "queue": "queue",
    "reading": "each task reads all",
    "tables": "each task reads the tables",
    "sums": "adding the sums",
}


def tables(constants, options, found):
    """The page's tables: dict of mark to text."""
    frames = options.hours * 360_000
    texts = {
        "machine": machine_table(constants),
        "frames": frames_table(constants),
        "fits": fits_table(constants),
    }
    if "validation" in constants:
        texts["validation"] = validation_table(constants, options)
    rows = []
    for (title, form), results in found.items():
        at = dict(zip(WORKERS, results, strict=True))
        best = min(WORKERS, key=lambda workers: at[workers][0])
        cells = [f"{figure(at[workers][0])}" for workers in SHOWN]
        rows.append(
            [title, FORMS[form], *cells, f"{figure(at[best][0])} with {best}", NAMES[at[WORKERS[-1]][1]]]
        )
    headings = [
        "models",
        "form",
        *(f"{workers} workers" if workers > 1 else "1 worker" for workers in SHOWN),
        "best",
        "what limits 1000",
    ]
    texts["simulated"] = table(headings, rows)
    first, rows = cases.first_pass_s(constants, options), []
    for (title, form), results in found.items():
        before = 0.0 if form in ("part", "own") else first
        at = dict(zip(WORKERS, results, strict=True))
        rows.append(
            [
                title,
                FORMS[form],
                figure(before),
                *(figure((before + ITERATIONS * at[workers][0]) / 60) for workers in SHOWN),
            ]
        )
    reading, phones = zip(*(cases.mixgop_s(constants, options, workers) for workers in SHOWN), strict=True)
    own = [figure((a + b) / 60) for a, b in zip(reading, phones, strict=True)]
    rows.append([MIXGOP, "Dask, a phone a worker", figure(reading[0]), *own])
    headings = ["models", "form", "reading once, s", *(f"{workers}: min" for workers in SHOWN)]
    texts["whole"] = table(headings, rows)
    texts["sizes"] = sizes_table(constants, frames)
    texts["feeds"] = feeds_table(constants, options)
    texts["languages"] = languages_table(constants, options)
    return texts


def machine_table(constants):
    read, task, first, process = (constants[name] for name in ("reading", "task", "first", "process"))
    rows = [
        ["machine", constants["machine"]["name"]],
        ["a features file, read by one process", f"{figure(read['cached_bytes_s'] / 1e6)} MB/s from memory, {figure(read['disk_bytes_s'] / 1e6)} from the disk; {1e3 * read['read_s']:.1f} ms of the processor a block"],
        ["the driver's first pass", f"{first['first_frame_us']:.2f} µs a frame (archives in, SHA-256, features file out); keeps {first['utt_bytes']:.0f} bytes an utterance"],
        ["an item of eight blocks", f"{figure(read['item_bytes'] / 1e3)} KB, packed in {1e3 * read['pack_s']:.2f} ms"],
        ["a Dask task", f"{1e3 * task['scheduler_s']:.1f} ms of the scheduler's processor, {1e3 * task['worker_s']:.1f} of the worker's; the driver sends it in {1e3 * task['submit_s']:.2f} ms and waits {1e3 * task['gather_s']:.1f} ms for its answer"],
        ["bytes through Dask", f"items {figure(task['items_bytes_s'] / 1e6)} MB/s, results {figure(task['results_bytes_s'] / 1e6)} MB/s"],
        ["`acc-stats`, a process", f"{process['start_s']:.2f} s of the processor to start and end, {process['whole_frame_us']:.2f} µs a frame of the directory for what others score, where it must read that, else {process['table_utt_us']:.1f} µs an utterance"],
        ["MixGoP", f"{constants['mixgop']['ssl_frame_us']:.2f} µs to read a frame of 1024 dimensions, {constants['mixgop']['phone_s']:.2f} s a phone of 512 tokens"],
        ["MFCC", f"{constants['sound']['mfcc_hour_s']:.1f} s of the processor for an hour of 8 kHz sound that has been read"],
    ]  # fmt: skip
    return table(["", "measured"], rows)


def frames_table(constants):
    rows = []
    for row in constants["frames"]:
        name = f"{row['family']} {row['form']}".strip()
        count = row["gaussians"] or "–"
        block_ms = row["frame_us"] * BLOCK / 1e3
        rows.append([name, count, f"{row['frame_us']:.2f}", f"{row['long_frame_us']:.2f}" if row["long_frame_us"] else "–", figure(block_ms), figure(row["stats_bytes"] / 1e3), f"{1e3 * row['add_s']:.2f}", f"{1e3 * row['estimate_s']:.1f}"])  # fmt: skip
    headings = ["models", "Gaussians a word", "µs a frame", "of utterances ten times as long", "ms a block", "KB of sums", "ms to unpack and add them", "ms to estimate"]  # fmt: skip
    return table(headings, rows)


def fits_table(constants):
    """Least squares: microseconds a frame as a line in Gaussians x dimensions, or their squares."""
    rows, shapes = [], {}
    for row in constants["frames"]:
        if row["gaussians"]:
            shapes.setdefault((row["family"], row["form"]), []).append(row)
    for (family, form), own in shapes.items():
        size = DIM if form == "diag" else DIM**2
        if len(own) < 3:
            continue
        terms = np.array([[1.0, row["gaussians"] * size] for row in own])
        seen = np.array([row["frame_us"] for row in own])
        (fixed, slope), *_ = np.linalg.lstsq(terms, seen, rcond=None)
        off = np.abs(terms @ (fixed, slope) / seen - 1).max()
        away = f"{100 * off:.0f} %"
        rows.append(
            [
                f"{family} {form}",
                f"{fixed:.2f}",
                f"{1000 * slope:.3f} a Gaussian and {'dimension' if form == 'diag' else 'pair of dimensions'}",
                away,
            ]
        )
    return table(["models", "a, µs", "b, ns", "farthest off"], rows)


def validation_table(constants, options):
    rows = []
    for row in filter(lambda row: row["seconds"], constants["validation"]):
        seconds, cpu_s = cases.predicted(constants, row, options)
        how = "all words together" if cases.VALIDATED[row["words"]] else "a word a worker"
        found = [
            f"{min(row[name]):.2f} ({statistics.median(row[name]):.2f})" for name in ("seconds", "cpu_s")
        ]
        rows.append([f"{row['words']} words, {how}", row["workers"], f"{seconds:.2f}", found[0], f"{cpu_s:.2f}", found[1], figure(row["worker_mb"]), figure(row["driver_mb"])])  # fmt: skip
    headings = ["a million frames, chmm, 12 states x 1 diagonal Gaussian", "workers", "predicted, s", "measured, s: least (median)", "predicted, processor s", "measured, processor s: least (median)", "peak of a worker, MB", "of the driver, MB"]  # fmt: skip
    return table(headings, rows)


def sizes_table(constants, frames):
    """What 1000 hours weigh."""
    read, first = constants["reading"], constants["first"]
    runs = math.ceil(frames / BLOCK / RUN)
    utts = frames / (first["frames"] / first["utts"])
    rows = [
        ["frames", f"{figure(frames / 1e6)} million, {figure(utts / 1e6)} million utterances of half a second"],
        ["features file", f"{figure(frames * 4 * DIM / 1e9)} GB (39 dimensions), {figure(frames * 4 / 1e9)} GB of codes"],
        ["items, an iteration", f"{runs:,} of {BLOCK * RUN:,} frames: {figure(runs * read['item_bytes'] / 1e6)} MB"],
        ["sums, an iteration", "; ".join(f"{case.title.split(',')[0]} {case.form} {figure(runs * cases.costs_of(constants, case)['stats_bytes'] / 1e6)} MB".replace("  ", " ") for case in CASES)],
        ["driver's memory", f"{figure(utts * first['utt_bytes'] / 1e9)} GB for names and places of utterances"],
        ["processor, an iteration", "; ".join(f"{case.title.split(',')[0]} {case.form} {figure(sum(cases.work_of(constants, case, frames, WORDS, 'blocks').item_s) / 60)} min".replace("  ", " ") for case in CASES)],
        ["MFCC", f"{figure(frames / 360_000 * constants['sound']['mfcc_hour_s'] / 60)} min of a processor"],
    ]  # fmt: skip
    return table(["", f"{frames / 360_000:,.0f} hours"], rows)


def feeds_table(constants, options):
    """For how many workers of a case a disk and a driver are enough."""
    rows, runs = [], math.ceil(options.hours * 360_000 / BLOCK / RUN)
    for case in CASES:
        work, cluster = (
            cases.work_of(constants, case, BLOCK * RUN, 1, "runs"),
            cases.cluster_of(constants, options, 1),
        )
        (item_s,) = work.item_s
        count = max(1, int(GOAL_S / item_s))
        own_s = work.driver_s + work.sent_bytes / cluster.sending + work.got_bytes / cluster.getting
        driver_s = cluster.submit_s + cluster.gather_s + count * own_s
        rate = work.read_bytes / item_s
        rows.append([case.title, f"{item_s:.2f}", figure(rate / 1e6), figure(cluster.disk / rate), f"{1e3 * driver_s:.1f}", figure(count * item_s / driver_s), f"{runs:,}"])  # fmt: skip
    headings = ["models", "s an item", "MB/s that a worker reads", f"workers that {options.disk / 1e9:g} GB/s feed", "ms of the driver a task", "workers that a driver serves", "items"]  # fmt: skip
    return table(headings, rows)


def languages_table(constants, options):
    """Forty trainings of 100 words each, as many at a time as there are workers, who share the rest."""
    rows, case = [], CASES[0]
    for workers in (1, 8, 40, 200, 1000):
        at_once = min(LANGUAGES, workers)
        each, rounds = workers // at_once, math.ceil(LANGUAGES / at_once)
        own = cases.replace_options(
            options, hours=options.hours / LANGUAGES, words=LANGUAGE_WORDS, disk=options.disk / at_once
        )
        near = cases.replace_options(own, disk=math.inf, link=math.inf)
        first_s = cases.first_pass_s(constants, own)
        form = "disk" if each > 1 and FEW * each > LANGUAGE_WORDS else "words"
        times = [
            rounds * (first_s + ITERATIONS * cases.iteration(constants, case, form, each, where)[0]) / 60
            for where in (own, near)
        ]
        mfcc_min = options.hours * constants["sound"]["mfcc_hour_s"] / 60 / workers
        rows.append(
            [
                workers,
                f"{at_once} x {each}",
                f"{mfcc_min:.1f}",
                f"{rounds * first_s / 60:.1f}",
                *(f"{value:.1f}" for value in times),
            ]
        )
    headings = ["workers", "languages at once x workers of each", "MFCC, min", "reading once, min", "all, from the disk, min", "all, from memory, min"]  # fmt: skip
    return table(headings, rows)


def figure(value):
    """Three figures, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
