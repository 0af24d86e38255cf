"""Combine the decodings of several systems: a weighted sum of their scores -> OUT, a decode folder.

The weights are given (--weights), equal, or learned: --learn names a data directory and --held-out its
decodings by the same systems in the same order, best those of `asrkit crossval`, whose models never heard
what they decode. Learned weights are in OUT/combine.json and make the fused scores log posteriors up to a
constant.
"""

import json
from pathlib import Path

import numpy as np

from asrkit.cli.commands.decode import write_decoding
from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.io.archive import read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import atomic_write, c_sorted, read_table
from asrkit.words.fusion import fuse, learn_weights

EXAMPLE = """example:
  asrkit combine exp/both exp/chmm/decode_test exp/gmm/decode_test
  asrkit combine exp/both exp/chmm/decode_test exp/gmm/decode_test --learn data/train --held-out exp/cv_chmm,exp/cv_gmm
"""


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="folder for the results")
    parser.add_argument(
        "decodings", metavar="DECODE", nargs="+", help="decode folders of the same data directory"
    )
    add_flag(parser, "weights", "", "a weight for each DECODE, with commas between; empty: equal")
    parser.add_argument("--learn", metavar="DIR", help="data directory whose text teaches the weights")
    add_flag(parser, "held-out", "", "a decoding of --learn's directory for each DECODE, with commas between")


def main(args):
    if len(args.decodings) < 2:
        raise UsageError("at least two DECODE folders are combined")
    if args.weights and args.learn:
        raise UsageError("--weights or --learn, not both")
    if bool(args.learn) != bool(args.held_out):
        raise UsageError("--learn and --held-out go together")
    utts, words, scores = read_scores(args.decodings)
    weights = np.ones(len(scores)) if not args.weights else given_weights(args.weights, len(scores))
    if args.learn:
        weights = taught_weights(args.learn, args.held_out.split(","), len(scores))
    fused = fuse(scores, weights)
    heard = np.isfinite(fused).any(axis=1)
    hyps = {utt: words[best] for utt, best, ok in zip(utts, fused.argmax(axis=1), heard, strict=True) if ok}
    skipped = {
        utt: "no word has a score in all systems" for utt, ok in zip(utts, heard, strict=True) if not ok
    }
    common = set(utts)
    for path in map(Path, args.decodings):
        missing = {
            utt: "not decoded by all systems" for utt in read_table(path / "scores.scp") if utt not in common
        }
        skipped = {
            **missing,
            **skipped,
            **{utt: reason for utt, reason in read_table(path / "skipped").items() if utt not in hyps},
        }
    out = Path(args.out)
    write_decoding(
        out,
        hyps,
        zip(utts, fused, strict=True),
        skipped,
        {"family": "combination", "words": words, "frames": 0, "seconds": 0.0},
    )
    with atomic_write(out / "combine.json") as stream:
        json.dump({"weights": dict(zip(args.decodings, weights.tolist(), strict=True))}, stream, indent=1)
        stream.write("\n")
    for path, weight in zip(args.decodings, weights, strict=True):
        print(f"{weight:.5g} x {path}")
    print(f"combined {len(hyps)}, skipped {len(skipped)}")
    return 0


def given_weights(text, count):
    try:
        weights = np.array([float(word) for word in text.split(",")])
    except ValueError:
        raise UsageError(f"--weights={text}: not numbers with commas between") from None
    if len(weights) != count or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise UsageError(f"--weights={text}: {count} numbers are needed, none below 0 and not all 0")
    return weights


def taught_weights(directory, decodings, count):
    if len(decodings) != count:
        raise UsageError(f"--held-out: {len(decodings)} folders for {count} systems")
    text = read_data_dir(directory, require=("text",)).text
    utts, words, scores = read_scores(decodings)
    known = [i for i, utt in enumerate(utts) if text.get(utt) in words]
    if not known:
        raise DataError(
            f"{directory}/text: none of the {len(utts)} utterances of {decodings[0]} says a word that it knows (was another directory decoded?)"
        )
    said = np.array([words.index(text[utts[i]]) for i in known])
    try:
        return learn_weights(scores[:, known], said)
    except ValueError as error:
        raise DataError(f"{decodings[0]}: {error}") from None


def read_scores(decodings):
    """The utterances that all have, the words that any has, and the scores (K, U, W), -inf where a system
    does not know the word.
    """
    tables, vocabularies = [], []
    for path in map(Path, decodings):
        if not (path / "scores.scp").exists():
            raise DataError(f"{path}: no scores.scp in this folder (asrkit decode makes it)")
        tables.append(read_table(path / "scores.scp"))
        vocabularies.append(list(read_table(path / "words.txt")))
    utts = [utt for utt in tables[0] if all(utt in table for table in tables)]
    if not utts:
        raise DataError(
            f"{decodings[0]} and the others have no utterance in common (decode the same directory)"
        )
    words = c_sorted({word for vocabulary in vocabularies for word in vocabulary})
    scores = np.full((len(tables), len(utts), len(words)), -np.inf)
    for own, table, vocabulary in zip(scores, tables, vocabularies, strict=True):
        columns = [words.index(word) for word in vocabulary]
        for row, (utt, vector) in zip(own, read_scp({utt: table[utt] for utt in utts}), strict=True):
            if vector.shape != (len(columns),):
                raise DataError(
                    f"{table[utt]}: scores of shape {vector.shape} for {len(columns)} words (decode again)"
                )
            row[columns] = vector
    return utts, words, scores
