"""How many recordings of a word are enough? Errors on TEST against the utterances a word in training.

For each of --counts, --draws trainings are made of that many utterances of every word of TRAIN, drawn by
chance and from as many speakers as possible (a smaller draw is part of the larger one of its number), and one
of all. Each is `asrkit train` and `asrkit decode` in EXP/count_N/draw_M, and is kept where data and settings
are unchanged, as in crossval. The mean of the draws stands with the 95 % interval (Wilson) that so many words
of TEST allow. Files:
  EXP/learning-curve.tsv    a line a training: errors and rate (a fraction), with its interval
  EXP/learning-curve.png
"""

import functools
import logging
from pathlib import Path

import numpy as np

from asrkit.cli.commands import crossval, decode, train
from asrkit.config import add_flag
from asrkit.errors import UsageError
from asrkit.evaluation import folds
from asrkit.evaluation.scoring import wilson_interval
from asrkit.io.data_dir import subset
from asrkit.io.files import atomic_write, read_table
from asrkit.runtime import ordered_map

EXAMPLE = (
    "example: asrkit learning-curve data/train data/test exp/curve --family gmm --counts 1,2,4,8,all --nj 2"
)

ALL = "all"

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("train", metavar="TRAIN", help="data directory with feats.scp and text")
    parser.add_argument("test", metavar="TEST", help="the same to be recognised")
    parser.add_argument("exp", metavar="EXP", help="folder for the trainings and the results")
    add_flag(parser, "counts", "1,2,4,8,16,all", "utterances a word")
    add_flag(parser, "draws", 3, "trainings for each count but all", minimum=1)
    add_flag(parser, "nj", 1, "processes; trainings are run side by side", minimum=1)
    train.add_settings(parser)
    decode.add_settings(parser)


add_chosen_arguments = crossval.add_chosen_arguments


def main(args):
    exp, data, test = Path(args.exp), crossval.read_words(args.train), crossval.read_words(args.test)
    places = prepare(data, args, exp)
    rows = []
    runs = [(folder, source, test.path) for _, _, folder, source, _ in places]
    for number, result in enumerate(
        ordered_map(functools.partial(crossval.run, args), runs, jobs=args.nj, label="trainings")
    ):
        count, draw, folder, _, utts = places[number]
        hyps = read_table(folder / "decode_test" / "hyp")
        errors = sum(hyps.get(utt) != word for utt, word in test.text.items())
        rows.append((count, draw, utts, errors, len(test.text)))
        said = (
            "kept"
            if result["kept"]
            else f"{errors} of {len(test.text)} words wrong, {result['seconds']:.1f} s"
        )
        log.info(
            "training %d of %d (%s a word%s): %s",
            len(rows),
            len(places),
            count,
            f", draw {draw}" if draw else "",
            said,
        )
    write_rows(exp / "learning-curve.tsv", rows)
    points = means(rows, len(set(data.text.values())))
    from asrkit.plots.words import plot_learning_curve  # late: matplotlib is slow to import

    with atomic_write(exp / "learning-curve.png", "wb") as stream:
        plot_learning_curve(points, stream, f"{args.family}: {len(test.text)} words of {test.path.name}")
    print("\n".join(table(points)))
    return 0


def prepare(data, args, exp):
    """Write what is drawn; (count, draw or 0, folder, data directory, utterances) of every training."""
    words = {utt: data.text[utt] for utt in data.feats}
    speakers = {utt: data.speaker(utt) for utt in words}
    sizes = [len(utts) for utts in folds.grouped(words).values()]
    places = []
    for count in read_counts(args.counts):
        if count == ALL:
            places.append((ALL, 0, exp / "count_all", data.path, len(words)))
            continue
        if count >= max(sizes):
            log.warning(
                "--counts %d: left out, no word has more than %d utterances (all has them)", count, max(sizes)
            )
            continue
        if count > min(sizes):
            log.warning(
                "%d a word: %d of %d words have fewer, and give all they have",
                count,
                sum(n < count for n in sizes),
                len(sizes),
            )
        for draw in range(1, args.draws + 1):
            folder = exp / f"count_{count}" / f"draw_{draw}"
            chosen = folds.draw(words, speakers, count, [args.seed, draw])
            subset(data, chosen, folder / "train")
            places.append((count, draw, folder, folder / "train", len(chosen)))
    if not places:
        raise UsageError(f"--counts {args.counts}: nothing is left to train")
    return places


def read_counts(text):
    """The counts in order, `all` last."""
    counts = {word.strip() for word in text.split(",") if word.strip()}
    wrong = next(
        (word for word in counts if word != ALL and not (word.isascii() and word.isdigit() and int(word))),
        None,
    )
    if wrong or not counts:
        raise UsageError(f"--counts {text}: '{wrong or ''}' is neither a number from 1 nor all")
    return [*sorted(int(word) for word in counts - {ALL}), *([ALL] if ALL in counts else [])]


def write_rows(path, rows):
    with atomic_write(path) as stream:
        stream.write("count\tdraw\tutts\terrors\twords\twer\tlow\thigh\n")
        for count, draw, utts, errors, words in rows:
            low, high = wilson_interval(errors, words)
            stream.write(
                f"{count}\t{draw or '-'}\t{utts}\t{errors}\t{words}\t{errors / words:.6f}\t{low:.6f}\t{high:.6f}\n"
            )


def means(rows, vocabulary):
    """One dict a count: label, utterances a word, rates of the draws, their mean and its interval."""
    points = []
    for count in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == count]
        errors, words = np.array([row[3] for row in own]), own[0][4]
        points.append(
            {
                "label": str(count),
                "per_word": float(np.mean([row[2] for row in own])) / vocabulary,
                "errors": errors.tolist(),
                "rates": (errors / words).tolist(),
                "mean": float(errors.mean()) / words,
                "interval": wilson_interval(float(errors.mean()), words),
            }
        )
    return points


def table(points):
    lines = [" a word  utterances  errors of the draws   WER %  95 % interval"]
    for point in points:
        low, high = (100 * end for end in point["interval"])
        errors = " ".join(map(str, point["errors"]))
        lines.append(
            f"{point['label']:>7}  {point['per_word']:10.1f}  {errors:>19}  {100 * point['mean']:6.2f}  [{low:5.2f}, {high:5.2f}]"
        )
    return lines
