"""Stepwise EM beside 20 batch iterations: the table of docs/guide/training.md, row by row.

    python tools/stepwise_table.py NAME=DATA [NAME=DATA ...] [--only WORD]

DATA are data directories with features (asrkit compute-mfcc); --only takes the rows that have WORD in them. Generated data are two words
drawn from models of the last one. A row is nats a frame of the final models' best paths on the training data, before anything is shared or
smoothed; a chmm that grows has 20 batch iterations in all.
"""

import argparse
import tempfile
import time

import numpy as np

from asrkit import families
from asrkit.io.facts import data_facts
from asrkit.io.features import ReadConfig, read_words
from asrkit.models.base import Block
from asrkit.runtime import one_thread
from asrkit.words.settings import TrainingSettings
from asrkit.words.stepwise import batch_frames, mini_batches, num_rounds
from asrkit.words.training import TrainConfig, first_models, train_words
from asrkit.workflows.train import model_config, open_training, word_sources

DIAG = {"covariance": "diag", "num_starts": 1}
MODELS = [
    ("chmm", {}),
    ("dhmm", {}),
    ("schmm", {"num_gauss": 32}),
    ("chmm", {"covariance": "diag", "num_states": 8, "num_gauss": 4}),
    ("gmm", {**DIAG, "num_gauss": 8}),
    ("gmm", {}),
    ("gmm", {**DIAG, "num_gauss": 64}),
]
GENERATED = [("gmm", {**DIAG, "num_gauss": 16}), ("chmm", {"num_states": 8}), ("dhmm", {})]
UTTERANCES = 1500  # of a generated word
BATCH = 20  # iterations


def opened(folder, family, settings):
    """(The family's settings, each word's data, whether they are codes) of a data directory."""
    data = read_words(folder)
    chosen = TrainingSettings.of(family, calibrate=False, **settings).for_data(data_facts(data))
    found = open_training(data, tempfile.mkdtemp(), chosen, ReadConfig())
    return (
        model_config(chosen, found.codebook),
        word_sources(found.features, found.store),
        found.codebook is not None,
    )


def generated(folder, family, settings):
    """The same of utterances that are drawn from the first two words' models."""
    config, sources, codes = opened(folder, family, {**settings, "warps": ""})
    some = {word: sources[word] for word in list(sources)[:2]}
    drawn = {}
    for place, (word, (model, _)) in enumerate(
        train_words(family, config, TrainConfig(max_iters=10), some).items()
    ):
        rng = np.random.default_rng([0, place])
        utts = (
            (f"{word}{number:05d}", np.asarray(model.sample(rng)).astype(np.int32 if codes else np.float32))
            for number in range(UTTERANCES)
        )
        drawn[word] = Block.from_items(utts, keep=True)
    return config, drawn


def per_frame(trained, iteration):
    """Nats a frame of all words after an iteration, or of the last one's models."""
    entries = [log[min(iteration, len(log) - 1)] for _, log in trained.values()]
    return sum(own["objective"] for own in entries) / sum(own["frames"] for own in entries)


def sweeps(family, config, sources):
    """How often three passes go through a frame, on average."""
    total = 0
    for place, (word, source) in enumerate(sources.items()):
        model = first_models(family, [config], 0, {}, (word, place, source, [(0, 0)]))[word, 0, 0]
        frames = batch_frames(TrainConfig(), families.load(family), config, model)
        each = [int(part.lengths.sum()) for part in mini_batches(source, frames, [0, place])]
        total += num_rounds(TrainConfig(), each) * sum(each)
    return 3 * total / sum(int(source.lengths.sum()) for source in sources.values())


def row(name, family, config, sources):
    """Train all, and give the row."""
    loaded, started = families.load(family), time.perf_counter()
    word, source = next(iter(sources.items()))
    model = first_models(family, [config], 0, {}, (word, 0, source, [(0, 0)]))[word, 0, 0]
    sizes = 1 + sum(size > model.num_gauss for size in model.schedule(config))
    each = {"max_iters": BATCH // sizes, "growth_iters": BATCH // sizes, "tol": 0.0}
    batch = train_words(family, config, TrainConfig(**each), sources)
    wanted = per_frame(batch, 10**9)
    found = [per_frame(batch, iteration) - wanted for iteration in (3, 10)]
    for passes in (1, 2, 3):
        how = TrainConfig(method="stepwise", passes=passes)
        found.append(per_frame(train_words(family, config, how, sources), 10**9) - wanted)
    frames = sum(int(source.lengths.sum()) for source in sources.values())
    what = loaded.describe(config).split(", covariances")[0].split(", smoothed")[0]
    columns = " | ".join(f"{value:+.3f}" for value in found)
    print(
        f"| {name}, {frames / 1000:.0f}k | {family}: {what} | {wanted:.3f} | {columns} | "
        f"{sweeps(family, config, sources):.0f} |",
        f"  ({time.perf_counter() - started:.0f} s)",
        flush=True,
    )


@one_thread()
def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    folders = dict(own.split("=", 1) for own in args.data)
    rows = [
        ("generated", folder, family, own) for folder in [*folders.values()][-1:] for family, own in GENERATED
    ]
    for copies, changed in (("", {}), (" without copies", {"warps": ""})):
        rows += [
            (f"{name}{copies}", folder, family, {**own, **changed})
            for name, folder in folders.items()
            for family, own in MODELS
        ]
    for name, folder, family, settings in rows:
        if args.only in f"{name} {family} {settings}":
            made = (generated if name == "generated" else opened)(folder, family, settings)
            row(name, family, *made[:2])


if __name__ == "__main__":
    main()
