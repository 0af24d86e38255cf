"""Recognise the utterances of a data directory -> OUT/hyp and OUT/scores.scp.

The word with the largest log-likelihood wins. hyp has a line `utt word` for each utterance; scores.scp leads
to float64 vectors with the score of every word, in the order of OUT/words.txt; OUT/skipped says why an
utterance has no hypothesis. DIR needs no text.

With --adapt the models are first moved to each speaker (DIR/utt2spk) by all of that speaker's recordings,
taken for the words they were heard as; and once more by what was heard then. It needs some dozens of
recordings a speaker and a model that hears most of them rightly; OUT's scores are those of the moved models.
"""

import functools
import json
import time
from pathlib import Path

import numpy as np

from asrkit.cli.commands.adapt import check_movable
from asrkit.config import add_flag, add_options, from_args
from asrkit.io.archive import write_archive
from asrkit.io.features import ReadConfig, read_features, summary
from asrkit.io.files import atomic_write, remove, write_table
from asrkit.io.model_file import read_model
from asrkit.io.store import Store
from asrkit.models.base import chunks
from asrkit.runtime import ordered_map
from asrkit.words.adaptation import ListenConfig, adapt_to_heard
from asrkit.words.decoding import Scorer, best_words, no_path_reason

EXAMPLE = "example: asrkit decode exp/chmm data/test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("out", metavar="OUT", help="folder for the results, best inside EXP")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(
        parser,
        "method",
        "viterbi",
        "score of a word: its best path, or the sum over all",
        choices=("viterbi", "forward"),
    )
    add_options(parser, ReadConfig)
    add_settings(parser)


def add_settings(parser):
    """What `crossval` and `learning-curve` take, too."""
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")


def main(args):
    started = time.perf_counter()
    read = from_args(ReadConfig, args)
    model_set = read_model(args.exp)
    features = read_features(args.dir, frontend=model_set.frontend, allow_pipes=read.allow_pipes)
    listen = from_args(ListenConfig, args)
    if listen.adapt == "none":
        score = functools.partial(score_chunk, Scorer(model_set, args.method))
        results = ordered_map(score, chunks(features), jobs=args.nj, label="about 8000 frames a step")
    else:
        check_movable(model_set, listen.adapt, args.exp)
        store = Store(features, args.out, model_set.observe)
        score = functools.partial(score_speaker, model_set, args.method, listen)
        results = ordered_map(score, speakers_of(features.data, store), jobs=args.nj, label="speakers")
    hyps, unheard, scores, lengths = {}, {}, {}, {}
    for utts, frames, rows in results:
        for utt, length, row, (word, _, _) in zip(
            utts, frames, rows, best_words(model_set, rows), strict=True
        ):
            scores[utt], lengths[utt] = row, length
            if word is None:
                unheard[utt] = no_path_reason(model_set, length)
            else:
                hyps[utt] = word
    skipped = {**features.skipped, **unheard}
    facts = {
        "family": model_set.family,
        "words": list(model_set.words),
        "method": args.method,
        "frames": sum(lengths.values()),
    }
    ordered = ((utt, scores[utt]) for utt in features.data.feats if utt in scores)
    write_decoding(
        args.out, hyps, ordered, skipped, {**facts, "seconds": round(time.perf_counter() - started, 3)}
    )
    print(summary("decoded", len(hyps), skipped))
    if len(skipped) > read.max_skipped:
        print(
            f"more than --max-skipped {read.max_skipped}: they count as errors; {Path(args.out) / 'skipped'} says why"
        )
        return 1
    return 0


def write_decoding(out, hyps, scores, skipped, facts):
    """Write a decode folder; `scores` are pairs (utt, array in the order of facts["words"]), gone through
    once.
    """
    out = Path(out)
    # of an earlier decoding: must not stand beside new scores if this one breaks off
    for old in ("hyp", "wer_1"):
        remove(out / old)
    write_archive(out / "scores.ark", out / "scores.scp", scores)
    write_table(out / "words.txt", {word: index for index, word in enumerate(facts["words"])})
    write_table(out / "skipped", skipped)
    with atomic_write(out / "decode.json") as stream:
        json.dump({**facts, "decoded": len(hyps), "skipped": len(skipped)}, stream, sort_keys=True)
        stream.write("\n")
    write_table(out / "hyp", hyps)


def score_chunk(scorer, items):
    """Utterances, their frames and the scores of every word."""
    return [utt for utt, _ in items], [len(feats) for _, feats in items], scorer.scores(items)


def speakers_of(data, store):
    """Yield each speaker's utterances as a list of Blocks."""
    utts = {}
    for utt in store.utts:
        utts.setdefault(data.speaker(utt), []).append(utt)
    for own in utts.values():
        yield list(store.source(own))


def score_speaker(model_set, method, listen, blocks):
    """One speaker's utterances, their frames and the scores of every word after adaptation to them."""
    moved = adapt_to_heard(model_set, blocks, listen, lambda some: Scorer(some, method))
    rows = [Scorer(moved, method).block_scores(block) for block in blocks]
    return (
        [utt for block in blocks for utt in block.utts],
        np.concatenate([block.lengths for block in blocks]).tolist(),
        np.concatenate(rows),
    )
