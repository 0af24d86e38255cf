"""Recognise the utterances of a data directory -> OUT/hyp and OUT/scores.scp.

The word with the largest log-likelihood wins. hyp has a line `utt word` for each utterance; scores.scp leads to
float64 vectors with the score of every word, in the order of OUT/words.txt; OUT/skipped says why an utterance
has no hypothesis. DIR needs no text.
"""

import functools
import json
import time
from pathlib import Path

from asrkit.config import add_flag, add_options, from_args
from asrkit.decoding import Scorer, best_words, no_path_reason
from asrkit.io.features import ReadConfig, read_features, summary
from asrkit.io.archive import write_archive
from asrkit.io.files import atomic_write, remove, write_table
from asrkit.io.model_file import read_model
from asrkit.models.base import chunks
from asrkit.parallel import ordered_map

EXAMPLE = "example: asrkit decode exp/chmm data/test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("out", metavar="OUT", help="folder for the results, best inside EXP")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(parser, "method", "viterbi", "score of a word: its best path, or the sum over all", choices=("viterbi", "forward"))
    add_options(parser, ReadConfig)


def main(args):
    started = time.perf_counter()
    read = from_args(ReadConfig, args)
    model_set = read_model(args.exp)
    features = read_features(args.dir, frontend=model_set.frontend, allow_pipes=read.allow_pipes)
    score = functools.partial(score_chunk, Scorer(model_set, args.method))
    hyps, unheard, scores, lengths = {}, {}, {}, {}
    for utts, frames, rows in ordered_map(score, chunks(features), jobs=args.nj, label="about 8000 frames a step"):
        for utt, length, row, (word, _, _) in zip(utts, frames, rows, best_words(model_set, rows), strict=True):
            scores[utt], lengths[utt] = row, length
            if word is None:
                unheard[utt] = no_path_reason(model_set, length)
            else:
                hyps[utt] = word
    skipped = {**features.skipped, **unheard}
    out = Path(args.out)
    for old in ("hyp", "wer_1"):  # of an earlier decoding: must not stand beside new scores if this one breaks off
        remove(out / old)
    write_archive(out / "scores.ark", out / "scores.scp", scores.items())
    write_table(out / "words.txt", {word: index for index, word in enumerate(model_set.words)})
    write_table(out / "skipped", skipped)
    with atomic_write(out / "decode.json") as stream:
        frames = sum(lengths.values())
        facts = {"family": model_set.family, "words": list(model_set.words), "method": args.method, "frames": frames}
        seconds = round(time.perf_counter() - started, 3)
        json.dump({**facts, "decoded": len(hyps), "skipped": len(skipped), "seconds": seconds}, stream, sort_keys=True)
        stream.write("\n")
    write_table(out / "hyp", hyps)
    print(summary("decoded", len(hyps), skipped))
    if len(skipped) > read.max_skipped:
        print(f"more than --max-skipped {read.max_skipped}: they count as errors; {out / 'skipped'} says why")
        return 1
    return 0


def score_chunk(scorer, items):
    """Utterances, their frames and the scores of every word."""
    return [utt for utt, _ in items], [len(feats) for _, feats in items], scorer.scores(items)
