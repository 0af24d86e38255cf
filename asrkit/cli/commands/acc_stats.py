"""One accumulation pass: the statistics of a model over (a part of) a data directory -> STATS.npz."""

import hashlib
from pathlib import Path

import numpy as np

from asrkit.cli.commands.train import is_recording, too_short
from asrkit.config import add_flag, add_options, from_args
from asrkit.errors import DataError
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.model_file import read_model, write_stats
from asrkit.io.store import Store

EXAMPLE = "example: asrkit acc-stats exp/chmm/0.npz data/train/split4/1 exp/chmm/0.1.acc"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("stats", metavar="STATS", help="file for the sums")
    add_flag(
        parser,
        "method",
        "viterbi",
        "along the best path, or over all paths",
        choices=("viterbi", "baum-welch"),
    )
    add_options(parser, ReadConfig)


def main(args):
    read = from_args(ReadConfig, args)
    model_set = read_model(args.model)
    warps = WarpConfig(model_set.config.get("warps", "")).factors
    features = read_features(
        args.dir, need_text=True, frontend=model_set.frontend, allow_pipes=read.allow_pipes, warps=warps
    )
    store = Store(features, Path(args.stats).parent, model_set.observe)
    utts = {word: [] for word in model_set.words}
    for utt in store.utts:
        word = store.words[utt]
        if word not in utts:
            raise DataError(
                f"{features.data.path / 'text'}: utterance '{utt}': the model does not know the word '{word}' (asrkit init-model on all data)"
            )
        utts[word].append(utt)
    stats, skipped = {}, dict(features.skipped)
    for word, model in model_set.models.items():
        if not utts[word]:
            stats[word] = model.accumulate(empty_block(model_set), args.method)
            continue
        source = store.source(utts[word])
        parts = [model.accumulate(block, args.method) for block in source]
        stats[word] = sum(parts[1:], start=parts[0])
        skipped.update(too_short(source, model))
    used = sum(map(is_recording, store.utts)) + len(features.skipped) - len(skipped)
    check_skipped(skipped, read.max_skipped, "accumulated", used)
    write_stats(args.stats, stats, model_hash(args.model))
    frames = sum(s.frames for s in stats.values())
    print(
        f"Overall log-likelihood per frame is {sum(s.log_like for s in stats.values()) / max(frames, 1):.5f} over {frames} frames."
    )
    print(summary("accumulated", used, skipped))
    return 0


def model_hash(path):
    """SHA-256 of a model file: sums belong to the model they were made with, and to no other."""
    path = Path(path)
    return hashlib.sha256((path / "final.npz" if path.is_dir() else path).read_bytes()).hexdigest()


def empty_block(model_set):
    """No utterances: what a word that this part of the data lacks is accumulated over."""
    from asrkit.models.base import Block

    dim = model_set.frontend.dim * (model_set.frontend.transform.delta_order + 1)
    obs = np.zeros((0, dim), dtype=np.float32) if model_set.codebook is None else np.zeros(0, dtype=np.int32)
    return Block((), obs, np.zeros(1, dtype=np.int64))
