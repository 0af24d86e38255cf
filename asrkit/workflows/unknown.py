"""How well a model tells its words from others: each word of its vocabulary unknown in turn, and what is no word at all."""

import csv
import functools
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike, parse_float
from asrkit.errors import DataError
from asrkit.evaluation.detection import RATES, Detection, Trial
from asrkit.io.features import ReadConfig, read_features
from asrkit.io.files import atomic_write
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model
from asrkit.io.places import as_path, open_place
from asrkit.io.reading import reading
from asrkit.models.base import Block, chunks
from asrkit.runtime import one_thread, ordered_map
from asrkit.words.decoding import Scorer
from asrkit.words.judging import Judge
from asrkit.words.vocabulary import Vocabulary

FILES = ("trials.tsv", "detection.json", "det.png", "calibration.png")
COLUMNS = tuple(field.name for field in fields(Trial))


@dataclass(frozen=True)
class UnknownJudged:
    """Trials with known and unknown words.

    Attributes
    ----------
    trials : list of Trial
    num_words : int
        Words of the vocabulary, each of which was unknown in turn.
    out : Path
        Folder with trials.tsv, detection.json, det.png and calibration.png.
    """

    trials: list[Trial]
    num_words: int
    out: Path

    @property
    def detection(self) -> Detection:
        """Rates of the trials."""
        return Detection(self.trials, self.num_words)

    def lines(self) -> list[str]:
        """Say how many pass and how many are rejected."""
        return self.detection.lines()


@one_thread()
@holding("out")
def judge_unknown(
    exp: PathLike,
    data_dir: PathLike,
    out: PathLike,
    *,
    others: Sequence[PathLike] = (),
    memory: str = "none",
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> UnknownJudged:
    """Hear each recording with all words and with its own left out, and write OUT's tables and pictures.

    Parameters
    ----------
    exp : path
        Folder with final.npz, of a model that knows how sure it may be.
    data_dir : path
        With feats.scp and text; a word that the model does not know is unknown as it is.
    others : sequence of path
        Further data directories whose recordings all are unknown: noise, other languages. They need no text.
    memory : {"none", "speaker", "whole"}
        What the normalisation knows of a speaker, where it can: nothing, each recording being heard alone, what was heard before, or all.
    jobs : int
        Processes.

    Raises
    ------
    DataError
        The model does not know how sure it may be, or features are of another kind than its own.
    """
    read, out = read or ReadConfig(), as_path(out)
    vocabulary = read_model(exp)
    if vocabulary.confidence is None:
        raise DataError(f"{exp}: the model does not know how sure it may be (asrkit calibrate makes it know)")
    trials: list[Trial] = []
    judge = Judge(Scorer(vocabulary), vocabulary.words, vocabulary.confidence.states)
    for place in (data_dir, *others):
        features = read_features(
            place,
            frontend=vocabulary.frontend,
            allow_pipes=read.allow_pipes,
            need_text=place is data_dir,
            phrases=vocabulary.phrases,
            memories=(memory,),
            shortest=vocabulary.shortest,
        )
        texts = features.data.text if place is data_dir else {}
        hear = functools.partial(_trials, vocabulary, judge, texts, features.data.utt2spk)
        for some in ordered_map(hear, chunks(features), jobs=jobs, label="about 8000 frames a step"):
            trials += some
    judged = UnknownJudged(trials, len(vocabulary.words), out)
    write_judged(judged)
    return judged


def _trials(
    vocabulary: Vocabulary,
    judge: Judge,
    texts: dict[str, str],
    speakers: dict[str, str],
    items: list[tuple[str, np.ndarray]],
) -> list[Trial]:
    assert vocabulary.confidence is not None
    place = {word: index for index, word in enumerate(vocabulary.words)}
    said = np.array([place.get(texts.get(utt, ""), -1) for utt, _ in items])
    block = Block.from_items((utt, vocabulary.observe(feats)) for utt, feats in items)
    several = len(place) > 1
    scores, measures = judge.measure(block, *([None, np.maximum(said, 0)] if several else [None]))
    sure = [vocabulary.confidence.probability(own) for own in measures]
    trials = []
    for row, (utt, _) in enumerate(items):
        speaker = speakers.get(utt, utt)
        known = bool(said[row] >= 0)
        right = known and bool(np.isfinite(scores[row]).any() and scores[row].argmax() == said[row])
        trials.append(Trial(utt, speaker, known, right, float(sure[0][row])))
        if known and several:
            trials.append(Trial(utt, speaker, False, False, float(sure[1][row])))
    return trials


def write_judged(judged: UnknownJudged) -> None:
    """Write the tables and pictures of trials."""
    from asrkit.plots.detection import plot_calibration, plot_det  # late: matplotlib is slow to import

    detection, out = judged.detection, judged.out
    with atomic_write(out / "trials.tsv") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        table.writerow(COLUMNS)
        table.writerows(
            (trial.utt, trial.speaker, int(trial.known), int(trial.right), f"{trial.p:.6f}")
            for trial in judged.trials
        )
    if len(detection.unknown) and len(detection.accepted_rightly):
        with atomic_write(out / "det.png", "wb") as stream:
            plot_det(detection, stream)
        with atomic_write(out / "calibration.png", "wb") as stream:
            plot_calibration(detection, stream)
    with atomic_write(out / "detection.json") as stream:
        json.dump({"words": judged.num_words, **rates(detection)}, stream, sort_keys=True)
        stream.write("\n")


def rates(detection: Detection) -> dict[str, Any]:
    """What detection.json holds of trials of both kinds; nothing of others."""
    if not len(detection.unknown) or not len(detection.accepted_rightly):
        return {}
    return {
        "equal_error_rate": detection.equal_error_rate,
        "false_accepts": {f"{rate:g}": detection.false_accepts(rate) for rate in RATES},
        "brier": detection.brier,
        "calibration_error": detection.calibration_error,
    }


def read_trials(path: PathLike) -> list[Trial]:
    """Read trials.tsv."""
    with (
        reading(path, "no trials", "asrkit unknown makes it"),
        open_place(path) as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="") as stream,
    ):
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        if tuple(rows[0]) != COLUMNS:
            raise ValueError("other columns")
        return [
            Trial(utt, who, known == "1", right == "1", parse_float(p))
            for utt, who, known, right, p in rows[1:]
        ]


def gather_trials(folders: Iterable[PathLike], num_words: int, out: PathLike) -> UnknownJudged:
    """Write several folders' trials as one."""
    trials = [trial for folder in folders for trial in read_trials(as_path(folder) / "trials.tsv")]
    judged = UnknownJudged(trials, num_words, as_path(out))
    write_judged(judged)
    return judged
