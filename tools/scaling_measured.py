"""The constants of the scaling model, measured here: processor seconds of frames, driver, scheduler; bytes; seconds of trainings."""

import contextlib
import dataclasses
import hashlib
import os
import pickle
import statistics
import time
import tracemalloc
from pathlib import Path

import benchmark_asrkit as asrkit
import benchmark_cluster as cluster
import benchmark_data as data
import kaldiio
import numpy as np
from benchmark_timing import measure, say
from scaling_cases import UTT

from asrkit import families
from asrkit.engines.cluster import cluster as on_workers
from asrkit.engines.dask_map import DaskMap
from asrkit.engines.worker import Done
from asrkit.features.transform import TransformConfig
from asrkit.io.features import read_features
from asrkit.io.store import BLOCK, FileSource, Store, cut_blocks, read_block
from asrkit.models.base import Block
from asrkit.phones.mixgop import MixgopConfig, train_phone
from asrkit.runtime import one_thread
from asrkit.words.finishing import all_sums
from asrkit.words.spread import Spread
from asrkit.words.sums import RUN
from asrkit.workflows.train import word_sources

REPEATS = 5
DIM, STATES, SYMBOLS, FRAMES = data.DIM, 12, 256, UTT
SHAPES = [
    *(("chmm", "diag", gauss) for gauss in (1, 2, 4, 8)),
    *(("chmm", "full", gauss) for gauss in (1, 2)),
    *(("gmm", "diag", gauss) for gauss in (8, 32, 128)),
    *(("gmm", "full", gauss) for gauss in (8, 16, 32)),
    ("dhmm", "", 0),
]  # fmt: skip
TASKS, RESULT = 300, 500_000  # of one kind of tasks; float64 numbers that a large one brings


def cpu_of(call, repeats=REPEATS):
    """Median processor seconds of a call, after one to warm up, and what it gave."""
    found = []
    for _ in range(repeats + 1):
        started = time.process_time()
        result = call()
        found.append(time.process_time() - started)
    return statistics.median(found[1:]), result


def utterances(count, length, dim=DIM):
    """Left-right sequences of one generated word: list of (utt, float32 (length, dim))."""
    rng = np.random.default_rng([count, length, dim])
    means = np.resize(data.word_means(1, 0)[0].reshape(16, -1), (16, dim)).reshape(8, 2, dim)
    states = np.sort(rng.integers(0, 8, (count, length)), axis=1)
    obs = rng.standard_normal((count, length, dim), dtype=np.float32)
    obs += means[states, rng.integers(0, 2, states.shape)]
    return [(f"train{place:05d}-w000", own) for place, own in enumerate(obs)]


def on_disk(path, items):
    """Write arrays one after another, as a training's temporary file has them: dict of utt to place."""
    places, at = {}, 0
    with open(path, "wb") as stream:
        for utt, array in items:
            places[utt] = at, array.shape, array.dtype
            stream.write(array.tobytes())
            at += array.nbytes
        stream.flush()
        os.fsync(stream.fileno())
    return places


def trained(family, form, gauss, block):
    """A model of that shape, trained a little on a block; and the settings."""
    settings = {"num_states": STATES} if family != "gmm" else {"num_starts": 1, "kmeans_iters": 3}
    settings |= {"num_gauss": gauss, "covariance": form} if family != "dhmm" else {"num_symbols": SYMBOLS}
    models, _ = asrkit.train(family, {"w000": block}, "viterbi", 2, **settings)
    return models["w000"], families.load(family).Config(**settings)


@one_thread()
def frame_costs(folder):
    """What a block of each shape of models costs: list of dict."""
    items = utterances(BLOCK // FRAMES + 1, FRAMES)
    places = on_disk(folder / "block", items)
    codes = np.random.default_rng(0).integers(0, SYMBOLS, len(items) * FRAMES)
    coded = [(utt, np.sort(own)) for (utt, _), own in zip(items, np.split(codes, len(items)), strict=True)]
    long = Block.from_items(utterances(len(items) // 10 + 1, 10 * FRAMES))
    rows = []
    for family, form, gauss in SHAPES:
        say(f"frames: {family} {form} {gauss}")
        plain = family == "dhmm"
        block = Block.from_items(coded) if plain else read_block(folder / "block", places)
        model, config = trained(family, form, gauss, block)

        def accumulate(model=model, block=block):
            fresh = dataclasses.replace(block)  # as after reading: nothing is prepared
            return type(model).accumulate_many([(model, fresh)], "viterbi")[0]

        seconds, stats = cpu_of(accumulate)
        long_s = 0.0 if plain else cpu_of(lambda call=accumulate: call(block=long))[0]
        packed = pickle.dumps([Done(stats, None, "", [])], 5)
        add_s, total = cpu_of(
            lambda packed=packed: pickle.loads(packed)[0].result + pickle.loads(packed)[0].result
        )
        estimate_s, _ = cpu_of(lambda m=model, s=total, c=config: m.estimate(s, c))
        rows.append({
            "family": family, "form": form, "gaussians": max(gauss, 1) * (1 if family == "gmm" else STATES) * (not plain),
            "frame_us": 1e6 * seconds / len(block.obs),
            "long_frame_us": None if plain else 1e6 * long_s / len(long.obs),
            "stats_bytes": len(packed), "model_bytes": len(pickle.dumps(model, 5)),
            "add_s": add_s / 2, "estimate_s": estimate_s,
        })  # fmt: skip
    return rows


@one_thread()
def reading(folder):
    """A features file's bytes a second, from memory and from the disk; what describes a block, and the seconds to pack that."""
    items = [
        (f"train{place:06d}-w000", own)
        for place, (_, own) in enumerate(utterances(BLOCK // FRAMES + 1, FRAMES) * 12)
    ]
    path = folder / "features"
    places = on_disk(path, items)
    size = path.stat().st_size
    blocks = cut_blocks({utt: shape[0] for utt, (_, shape, _) in places.items()})

    def read():
        """Seconds of each block."""
        seconds = []
        for block in blocks:
            started = time.perf_counter()
            read_block(path, {utt: places[utt] for utt in block})
            seconds.append(time.perf_counter() - started)
        return seconds

    own_s = cpu_of(read)[0] / len(blocks)
    cached = [seconds for _ in range(REPEATS) for seconds in read()]
    cold = []
    for _ in range(REPEATS):
        with open(path, "rb") as stream, contextlib.suppress(AttributeError, OSError):  # not POSIX
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        cold += read()
    run = FileSource(path, [{utt: places[utt] for utt in block} for block in blocks]).runs(RUN)[0]
    pack_s, packed = cpu_of(lambda: pickle.dumps((("w000", 0, 0), run), 5))
    return {
        "cached_bytes_s": size / len(blocks) / np.quantile(cached, 0.25),  # what others leave
        "read_s": own_s,  # of the processor, a block
        "disk_bytes_s": size / len(blocks) / np.quantile(cold, 0.25),
        "item_bytes": len(packed),
        "pack_s": pack_s,
    }


@one_thread()
def first_pass(folder):
    """Processor seconds a frame to read archives into a training's temporary file; bytes an utterance that the driver keeps."""
    plain = TransformConfig(delta_order=0, cmvn="none")

    def opened():
        features = read_features(folder, need_text=True, transform_config=plain)
        store = Store(features, folder)
        return features, store, word_sources(features, store)

    seconds, (_, store, _) = cpu_of(opened, 1)
    frames, utts = sum(map(store.length, store.utts)), len(store.utts)
    del store, _
    tracemalloc.start()
    kept = opened()
    kept_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return {
        "first_frame_us": 1e6 * seconds / frames,
        "utt_bytes": kept_bytes / utts,
        "frames": frames,
        "utts": utts,
    }


@one_thread()
def sound_costs(seconds=120):
    """Processor seconds of an hour of sound, for its MFCC."""
    from asrkit.features.kinds.mfcc import MfccConfig

    kind = MfccConfig()
    rng = np.random.default_rng(0)
    words = list(rng.standard_normal((seconds * 2, int(kind.rate_hz) // 2)).astype(np.float32))
    own_s, _ = cpu_of(lambda: kind.compute_many(words), 3)
    return {"mfcc_hour_s": own_s * 3600 / seconds}


def process_costs(corpus_folder, folder, parts=200):
    """Seconds of a process of Kaldi's steps: with next to no data, for reading all of which it scores little, and for the tables alone."""
    tiny = folder / "tiny"
    data.write_words(tiny / "train", 2, 4, 1, "train")
    options = [
        "--family",
        "chmm",
        "--num-states",
        8,
        "--covariance",
        "diag",
        "--warps=",
        "--delta-order",
        0,
        "--cmvn",
        "none",
    ]
    found, lengths = {}, corpus_folder / "utt2num_frames"
    lengths.unlink(missing_ok=True)
    for name, source in (("tiny", tiny / "train"), ("whole", corpus_folder), ("tables", corpus_folder)):
        if name == "tables":
            known = kaldiio.load_scp_sequential(str(source / "feats.scp"))
            lengths.write_text("".join(f"{utt} {len(feats)}\n" for utt, feats in known), encoding="utf-8")
        log, own = folder / "steps.log", folder / f"{name}-steps"
        init = asrkit.command("init-model", source, own, *options)
        measure([init], log, environment=asrkit.environment())
        acc = asrkit.command(
            "acc-stats", own / "0.npz", source, own / "1.acc.npz", "--part", 1, "--parts", parts
        )
        runs = [measure([acc], log, environment=asrkit.environment()) for _ in range(3)]
        found[name] = statistics.median(run.cpu_s for run in runs)
    frames = data.write_words(corpus_folder, 16, 0, 1, "train")  # which is there, and counted
    utts = len(lengths.read_text(encoding="utf-8").splitlines())
    return {
        "start_s": found["tiny"],
        "whole_frame_us": 1e6 * (found["whole"] - found["tiny"]) / frames,
        "table_utt_us": 1e6 * (found["tables"] - found["tiny"]) / utts,
    }


def task_costs(folder, workers=2):
    """Of a Dask task, seconds of the processor: what waits for one another (driver, scheduler, worker) is their sum, whatever else runs here."""
    from distributed import Client, wait

    with cluster.running(folder, workers) as (file, processes), Client(scheduler_file=str(file)) as client:
        engine = DaskMap(client, "local", remedy="", goal_s=1e-9)  # an item a task

        def clocks():
            own = [cluster.cpu_s(process.pid) for process in processes]
            return np.array([time.perf_counter(), time.process_time(), own[0], sum(own[1:])])

        def spent(call, count):
            """Seconds, and of the processor of driver, scheduler and workers beyond what they need idle: the least of several."""
            runs = []
            for _ in range(REPEATS):
                before = clocks()
                call()
                used = clocks() - before
                runs.append([used[0], *np.maximum(used[1:] - idle * used[0], 0.0)])
            return np.min(runs, axis=0) / count

        def mapped(function, items):
            for _ in engine.map(function, items):
                pass

        def gathered(size, count):
            futures = [client.submit(np.ones, size, pure=False) for _ in range(count)]
            wait(futures)
            time.sleep(0.2)
            before = clocks()
            for future in futures:
                future.result()
            used = clocks() - before
            return (used[1:] - idle * used[0]).sum() / count

        mapped(np.ones, [1] * 50)
        before = clocks()
        time.sleep(3)
        used = clocks() - before
        idle = used[1:] / used[0]
        empty = spent(lambda: mapped(np.ones, [1] * TASKS), TASKS)
        gather_s, large_s = (
            min(gathered(size, count) for _ in range(REPEATS)) for size, count in ((1, TASKS), (RESULT, 40))
        )
        trip, sent = (
            spent(lambda items=items: mapped(len, items), len(items))
            for items in ([b""] * 40, [bytes(8 * RESULT)] * 40)
        )
        submitting = []
        for _ in range(REPEATS):
            started = time.thread_time()
            futures = [client.submit(len, b"", pure=False) for _ in range(TASKS)]
            submitting.append((time.thread_time() - started) / TASKS)
            client.cancel(futures)
    return {
        "task_s": empty[0], "submit_s": min(submitting), "gather_s": gather_s, "driver_s": empty[1], "scheduler_s": empty[2],
        "worker_s": empty[3], "results_bytes_s": 8 * RESULT / (large_s - gather_s),
        "items_bytes_s": 8 * RESULT / (sent[1:].sum() - trip[1:].sum()),
    }  # fmt: skip


@one_thread()
def mixgop_costs(folder, dim=1024, tokens=512):
    """Processor seconds of a phone of 512 tokens of 1024 dimensions, as many Gaussians as it bears; and seconds a byte to read their features."""

    rng = np.random.default_rng(0)
    some = rng.standard_normal((tokens, dim), dtype=np.float32)
    phone_s, _ = cpu_of(lambda: train_phone("AA", some, tokens, MixgopConfig()), 3)
    with kaldiio.WriteHelper(f"ark,scp:{folder}/ssl.ark,{folder}/feats.scp") as archive:
        for utt in range(400):
            archive[f"utt{utt:04d}"] = rng.standard_normal((50, dim), dtype=np.float32)
    data.write_speakers(folder, {f"utt{utt:04d}": f"utt{utt:04d}" for utt in range(400)})

    def read():
        digest, frames = hashlib.sha256(), 0
        for _, feats in read_features(folder, transform_config=TransformConfig(delta_order=0)):
            digest.update(feats)  # as a training does
            frames += len(feats)
        return frames

    seconds, frames = cpu_of(read, 3)
    return {"phone_s": phone_s, "tokens": tokens, "ssl_frame_us": 1e6 * seconds / frames}


@one_thread()
def passes(corpus_folder, folder, workers, together, turns):
    """Passes over a corpus for chmms of one Gaussian a state on Dask's workers, which are there already.

    Returns
    -------
    dict
        Lists over the turns: seconds, and of the processor, driver, scheduler and workers together; the most memory of a worker and of the
        driver, MB.
    """
    plain = TransformConfig(delta_order=0, cmvn="none")
    features = read_features(corpus_folder, need_text=True, transform_config=plain)
    store = Store(features, folder)
    sources = word_sources(features, store)
    family = families.load("chmm")
    config = family.Config(num_states=STATES, num_gauss=1, covariance="diag")
    models = {
        word: family.init(config, own.sample(20_000), np.random.default_rng(0))
        for word, own in sources.items()
    }
    methods, groups = dict.fromkeys(models, "viterbi"), [{word: own} for word, own in sources.items()]
    found = {"seconds": [], "cpu_s": []}
    with cluster.running(folder, workers) as (file, processes), on_workers(str(file)):
        for turn in range(turns + 1):
            started, own = time.perf_counter(), time.process_time()
            before = sum(cluster.cpu_s(process.pid) for process in processes)
            all_sums(models, methods, groups, 1, Spread(sources, 1) if together else None)
            if turn:  # the first one imports
                spent = sum(cluster.cpu_s(process.pid) for process in processes) - before
                found["seconds"].append(time.perf_counter() - started)
                found["cpu_s"].append(time.process_time() - own + spent)
        peak_mb = max(cluster.peak_mb_of(process.pid) for process in processes[1:])
    return {**found, "worker_mb": peak_mb, "driver_mb": cluster.peak_mb_of(os.getpid())}


def everything(work, sections, frames=1_000_000):
    """Measure some sections of the constants, or all: dict."""
    work = Path(work)
    corpus = work / "corpus"
    takes = round(frames / 16 / FRAMES)
    data.write_words(corpus / "train", 16, takes, 1, "train")
    mixgop = work / "mixgop"
    mixgop.mkdir(exist_ok=True)
    found = {}
    for name, call in {
        "frames": lambda: frame_costs(work),
        "reading": lambda: reading(work),
        "first": lambda: first_pass(corpus / "train"),
        "process": lambda: process_costs(corpus / "train", work),
        "task": lambda: task_costs(work),
        "mixgop": lambda: mixgop_costs(mixgop),
        "sound": sound_costs,
    }.items():
        if not sections or name in sections:
            say(f"measuring: {name}")
            found[name] = call()
    return found
