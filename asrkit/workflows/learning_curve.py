"""How many recordings of a word are enough? Errors on TEST against the utterances a word in training."""

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation import folds
from asrkit.evaluation.significance import wilson_interval
from asrkit.io.data_dir import DataDir, subset
from asrkit.io.features import read_words
from asrkit.io.files import atomic_write, read_table
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.io.speakers import REMEDY, who_is_unknown
from asrkit.runtime import ordered_map
from asrkit.workflows.crossval import VOICES, RunSettings, run, warn_of_damage

ALL = "all"

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class LearningCurve:
    """Errors by the number of training utterances a word.

    Attributes
    ----------
    points : list of dict
        One a count: label, utterances per_word, errors and rates of the draws, their mean and its interval.
    voices : str
        What it can't say because of who speaks; empty where all speakers of the test are known and not in training.
    """

    points: list[dict[str, Any]]
    voices: str = ""

    def lines(self) -> list[str]:
        return [*table(self.points), *([self.voices] if self.voices else [])]


@holding("exp")
def learning_curve(
    train_dir: PathLike,
    test_dir: PathLike,
    exp: PathLike,
    settings: RunSettings,
    *,
    counts: str = "1,2,4,8,16,all",
    draws: int = 3,
    jobs: int = 1,
) -> LearningCurve:
    """Train on drawn parts of a data directory, test on another, and write EXP/learning-curve.tsv and .png.

    Parameters
    ----------
    counts : str
        Utterances a word, with commas between; `all` for all.
    draws : int
        Trainings for each count but all.
    jobs : int
        Processes; trainings are run side by side.
    """
    exp, phrases = as_path(exp), settings.training.training.phrases
    data, test = read_words(train_dir, phrases), read_words(test_dir, phrases)
    voices = shared_voices(data, test)
    if who_is_unknown(data, test):
        log.warning("%s", voices)
    places = prepare(data, counts, draws, settings.training.training.seed, exp)
    rows = []
    runs = [(folder, source, test.path) for _, _, folder, source, _ in places]
    for number, result in enumerate(
        ordered_map(functools.partial(run, settings), runs, jobs=jobs, label="trainings")
    ):
        count, draw, folder, _, utts = places[number]
        name = f"{count} a word{f', draw {draw}' if draw else ''}"
        warn_of_damage(name, result)
        hyps = read_table(folder / "decode_test" / "hyp")
        errors = sum(hyps.get(utt) != word for utt, word in test.text.items())
        rows.append((count, draw, utts, errors, len(test.text)))
        said = (
            "kept"
            if result["kept"]
            else f"{errors} of {len(test.text)} words wrong, {result['seconds']:.1f} s"
        )
        log.info(
            "training %d of %d (%s): %s",
            len(rows),
            len(places),
            name,
            said,
        )
    write_rows(exp / "learning-curve.tsv", rows)
    points = means(rows, len(set(data.text.values())))
    from asrkit.plots.words import plot_learning_curve  # late: matplotlib is slow to import

    with atomic_write(exp / "learning-curve.png", "wb") as stream:
        plot_learning_curve(
            points, stream, f"{settings.training.family}: {len(test.text)} words of {test.path.name}"
        )
    return LearningCurve(points, voices)


def shared_voices(data: DataDir, test: DataDir) -> str:
    """Say what a test can't say because its speakers are not known, or are in training."""
    unknown = who_is_unknown(data, test)
    if unknown:
        return f"{unknown}: {VOICES}, and of other speakers this says nothing ({REMEDY})"
    tested = {test.speaker(utt) for utt in test.utts}
    known = tested & {data.speaker(utt) for utt in data.utts}
    both = f"{len(known)} of {len(tested)} speakers of {test.path} are in training, too"
    return f"{both}: of unknown speakers this says nothing" if known else ""


def prepare(
    data: DataDir, counts: str, draws: int, seed: int, exp: Path
) -> list[tuple[int | str, int, Path, Path, int]]:
    """Write what is drawn; (count, draw or 0, folder, data directory, utterances) of every training."""
    words = {utt: data.text[utt] for utt in data.feats}
    speakers = {utt: data.speaker(utt) for utt in words}
    sizes = [len(utts) for utts in folds.grouped(words).values()]
    places: list[tuple[int | str, int, Path, Path, int]] = []
    for count in read_counts(counts):
        if isinstance(count, str):  # all
            places.append((ALL, 0, exp / "count_all", data.path, len(words)))
            continue
        if count >= max(sizes):
            log.warning(
                "counts=%d: left out, no word has more than %d utterances (all has them)", count, max(sizes)
            )
            continue
        if count > min(sizes):
            log.warning(
                "%d a word: %d of %d words have fewer, and give all they have",
                count,
                sum(n < count for n in sizes),
                len(sizes),
            )
        for draw in range(1, draws + 1):
            folder = exp / f"count_{count}" / f"draw_{draw}"
            chosen = folds.draw(words, speakers, count, [seed, draw])
            subset(data, chosen, folder / "train")
            places.append((count, draw, folder, folder / "train", len(chosen)))
    if not places:
        raise SettingsError(f"counts={counts}: nothing is left to train")
    return places


def read_counts(text: str) -> list[int | str]:
    """The counts in order, `all` last."""
    counts = {word.strip() for word in text.split(",") if word.strip()}
    wrong = next(
        (
            word
            for word in counts
            if word != ALL and not (word.isascii() and word.isdigit() and len(word) <= 18 and int(word))
        ),
        None,
    )
    if wrong or not counts:
        raise SettingsError(f"counts={text}: '{wrong or ''}' is neither a number from 1 nor all")
    return [*sorted(int(word) for word in counts - {ALL}), *([ALL] if ALL in counts else [])]


def write_rows(path: Path, rows: list[tuple[int | str, int, int, int, int]]) -> None:
    with atomic_write(path) as stream:
        stream.write("count\tdraw\tutts\terrors\twords\twer\tlow\thigh\n")
        for count, draw, utts, errors, words in rows:
            low, high = wilson_interval(errors, words)
            stream.write(
                f"{count}\t{draw or '-'}\t{utts}\t{errors}\t{words}\t{errors / words:.6f}\t{low:.6f}\t{high:.6f}\n"
            )


def read_curve(exp: PathLike) -> list[tuple[float, float]]:
    """Read what `learning_curve` wrote: utterances in training, and the share of words that were wrong, in the mean of the draws.

    Raises
    ------
    DataError
        There is no such file, or it is damaged.
    """
    path = as_path(exp) / "learning-curve.tsv"
    found: dict[str, list[tuple[int, int, int]]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        for line in lines:
            count, _, utts, errors, words, *_ = line.split("\t")
            found.setdefault(count, []).append((int(utts), int(errors), int(words)))
        rows = [np.mean(own, axis=0) for own in found.values()]
        if not rows or any(not utts or not words for utts, _, words in rows):
            raise ValueError("no counts")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read, {error} (asrkit learning-curve writes it)") from None
    return sorted((float(utts), float(errors / words)) for utts, errors, words in rows)


def means(rows: list[tuple[int | str, int, int, int, int]], vocabulary: int) -> list[dict[str, Any]]:
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


def table(points: list[dict[str, Any]]) -> list[str]:
    lines = [" a word  utterances  errors of the draws   WER %  95 % interval"]
    for point in points:
        low, high = (100 * end for end in point["interval"])
        errors = " ".join(map(str, point["errors"]))
        lines.append(
            f"{point['label']:>7}  {point['per_word']:10.1f}  {errors:>19}  {100 * point['mean']:6.2f}  [{low:5.2f}, {high:5.2f}]"
        )
    return lines
