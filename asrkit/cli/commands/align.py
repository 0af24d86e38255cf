"""Best state sequence of each utterance through the model of the word it says -> OUT/ali.scp and OUT/ctm.

ali.scp leads to int32 vectors, one state number (from 0) a frame; ctm has the line `utt 1 start duration
word`.
"""

from pathlib import Path

import numpy as np

from asrkit.config import add_options, from_args
from asrkit.errors import DataError
from asrkit.io.archive import write_archive
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write
from asrkit.io.model_file import read_model
from asrkit.io.store import Store

EXAMPLE = "example: asrkit align exp/chmm data/train exp/chmm/ali_train"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("out", metavar="OUT", help="folder for ali.scp, ali.ark and ctm")
    add_options(parser, ReadConfig)


def main(args):
    read = from_args(ReadConfig, args)
    model_set = read_model(args.exp)
    features = read_features(
        args.dir, need_text=True, frontend=model_set.frontend, allow_pipes=read.allow_pipes
    )
    out = Path(args.out)
    store = Store(features, out, model_set.observe)
    skipped, paths, scores = dict(features.skipped), {}, {}
    by_word = {}
    for utt in store.utts:
        by_word.setdefault(store.words[utt], []).append(utt)
    for word, utts in by_word.items():
        if word not in model_set.models:
            skipped.update(dict.fromkeys(utts, f"the model does not know the word '{word}'"))
            continue
        for block in store.source(utts):
            log_likes, path = model_set.models[word].align(block)
            for u, utt in enumerate(block.utts):
                if np.isfinite(log_likes[u]):
                    paths[utt], scores[utt] = path[block.offsets[u] : block.offsets[u + 1]], log_likes[u]
                else:
                    skipped[utt] = f"{block.lengths[u]} frames < {model_set.models[word].shortest} states"
    if not paths:
        raise DataError(f"{args.dir}: nothing could be aligned: {summary('aligned', 0, skipped)}")
    check_skipped(skipped, read.max_skipped, "aligned", len(paths))
    order = [utt for utt in store.utts if utt in paths]
    shift_s = features.frame_shift_s()
    write_archive(out / "ali.ark", out / "ali.scp", ((utt, paths[utt]) for utt in order))
    with atomic_write(out / "ctm") as stream:
        for utt in order:
            stream.write(f"{utt} 1 0.00 {len(paths[utt]) * shift_s:.2f} {features.data.text[utt]}\n")
    frames = sum(map(len, paths.values()))
    print(f"Overall log-likelihood per frame is {sum(scores.values()) / frames:.5f} over {frames} frames.")
    print(summary("aligned", len(paths), skipped))
    return 0
