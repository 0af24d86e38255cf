"""Compare pronunciation scores with human ratings: Kendall's tau-b, Spearman's rho, AUC -> a table and files."""

import dataclasses
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.rating import DIRECTIONS, agree, agree_by_phone, mean_by
from asrkit.evaluation.rating_table import interval, table_lines
from asrkit.io.files import atomic_write, c_sorted, read_table
from asrkit.io.places import as_path
from asrkit.io.ratings import Ratings, Scores, read_ratings, read_scores
from asrkit.phones.phone_set import difference
from asrkit.runtime import one_thread

KINDS = ("loglik", "posterior", "ratio", "z")
SHOWN = 5
# Row of the table, agreement within every phone, ratings and scores of the utterances.
KindOfScore = tuple[dict, dict[str, dict], tuple[np.ndarray, np.ndarray]]
MOST_SPEAKERS = 4000  # three tables of their pairs are held: 0.4 GB

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class EvaluatedScores:
    """How kinds of scores agree with ratings.

    Attributes
    ----------
    rows : list of dict
        Of every system and kind of score: the fields of `evaluation.rating.Agreement`, the names "system" and
        "kind", and the utterances that are "only_scored" and "only_rated".
    by_phone : list of dict
        Agreement within every phone.
    form : str
        Of the ratings: "wide", "long" or "utterances".
    """

    rows: list[dict]
    by_phone: list[dict]
    form: str

    def lines(self) -> list[str]:
        """The table for people: what does not exist is a dash, and notes say what was left out."""
        return table_lines(self.rows, self.form)


@dataclass(frozen=True)
class Rated:
    """The settings that hold for every system.

    Attributes
    ----------
    ratings : Ratings
    speakers : dict of str to str, or None
        Who spoke each utterance; None: no intervals.
    kinds : tuple of str
    higher_is : {"better", "worse"}
    label_threshold : float
    replications, seed : int
    most_speakers : int
    """

    ratings: Ratings
    speakers: dict[str, str] | None
    kinds: tuple[str, ...]
    higher_is: str
    label_threshold: float
    replications: int
    seed: int
    most_speakers: int


@one_thread()
def mixgop_evaluate(
    scores: Sequence[PathLike],
    ratings: PathLike,
    *,
    higher_is: str,
    kinds: Sequence[str] = KINDS,
    label_threshold: float = 0.5,
    utt2spk: PathLike | None = None,
    data_dir: PathLike | None = None,
    replications: int = 1000,
    seed: int = 0,
    out: PathLike | None = None,
    most_speakers: int = MOST_SPEAKERS,
) -> EvaluatedScores:
    """Compare the scores of one or several systems with ratings.

    Parameters
    ----------
    scores : sequence of path
        Folders of `mixgop score`.
    ratings : path
        A TSV file of one of three forms.
    higher_is : {"better", "worse"}
        What a higher rating means.
    kinds : sequence of str
        Columns of phones.tsv to evaluate.
    label_threshold : float
        For AUC: bad is what is rated below (with `higher_is="worse"` above) this.
    utt2spk : path, optional
        Who spoke, `utt speaker` a line: gives the intervals.
    data_dir : path, optional
        Data directory whose utt2spk says it; ratings of other utterances are left aside.
    replications, seed : int
        Test sets that the bootstrap draws, and its seed.
    out : path, optional
        Folder for evaluation.json, evaluation.tsv, phones_tau.tsv and evaluation.png.
    most_speakers : int
        Of more there are no intervals: every two are compared.

    Returns
    -------
    EvaluatedScores

    Raises
    ------
    DataError
        Files are missing or contradict each other, or nothing is both scored and rated.
    SettingsError
        A setting is impossible.
    """
    if utt2spk and data_dir:
        raise SettingsError(f"utt2spk={utt2spk} or data_dir={data_dir}, not both")
    if higher_is not in DIRECTIONS:
        raise SettingsError(f"higher_is={higher_is} is none of {', '.join(DIRECTIONS)}")
    if not math.isfinite(label_threshold):
        raise SettingsError(f"label_threshold={label_threshold} is not a finite number")
    if replications < 1:
        raise SettingsError(f"replications={replications} is less than 1")
    kinds = tuple(dict.fromkeys(kinds))
    if not kinds:
        raise SettingsError("kinds= names no kind of score")
    if data_dir:
        utt2spk = as_path(data_dir) / "utt2spk"
    speakers = read_table(utt2spk, check_sorted=False) if utt2spk else None
    given = read_ratings(as_path(ratings))
    if data_dir and speakers is not None:  # one file may hold the ratings of several data directories
        own = {utt: rated for utt, rated in given.by_utt.items() if utt in speakers}
        given = dataclasses.replace(given, by_utt=own)
    rated = Rated(given, speakers, kinds, higher_is, label_threshold, replications, seed, most_speakers)
    rows, by_phone, pictures = [], [], []
    for name, folder in zip(system_names(scores), scores, strict=True):
        table = read_scores(as_path(folder), kinds)
        utts, one_sided = shared_utterances(table, given)
        for row, phones, points in evaluate_system(name, table, utts, rated):
            rows.append({**row, **one_sided})
            by_phone += [
                {"system": name, "kind": row["kind"], "phone": phone, **facts}
                for phone, facts in phones.items()
            ]
            pictures.append((row, phones, points))
    if not any(row["num_utts"] for row in rows):
        raise DataError(
            f"{scores[0]}: no utterance has both a rating and a score of these kinds (kinds={','.join(kinds)})"
        )
    evaluated = EvaluatedScores(rows, by_phone, given.form)
    if out:
        write_files(as_path(out), evaluated, best_of(pictures), rated, ratings)
    return evaluated


def system_names(folders: Sequence[PathLike]) -> list[str]:
    """Name systems by the last part of every path; where two are alike, by the paths."""
    names = [as_path(folder).resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def evaluate_system(name: str, scores: Scores, utts: list[str], rated: Rated) -> Iterator[KindOfScore]:
    """Yield (row of the table, its phones, (ratings, scores) of its utterances) for every kind."""
    ratings = rated.ratings
    lines = np.array([line for utt in utts for line in scores.rows[utt]], dtype=np.int64)
    codes = np.repeat(np.arange(len(utts)), [len(scores.rows[utt]) for utt in utts])
    if ratings.form == "utterances":
        labels = {"utt_ratings": np.array([ratings.by_utt[utt] for utt in utts])}
        utt_ratings = labels["utt_ratings"]
    else:
        own = [ratings.by_utt[utt].get(idx, math.nan) for utt in utts for idx in range(len(scores.rows[utt]))]
        labels = {"ratings": np.array(own)}
        utt_ratings = mean_by(labels["ratings"], codes, len(utts))
    owners = None if rated.speakers is None else speakers_of(utts, rated.speakers, rated.most_speakers)
    for kind in rated.kinds:
        values = scores.columns[kind][lines]
        found = agree(
            values,
            codes,
            owners,
            rated.higher_is,
            **labels,
            threshold=rated.label_threshold,
            replications=rated.replications,
            seed=rated.seed,
        )
        if not found.num_utts:
            log.warning("%s: no utterance has both a rating and a %s", scores.path, kind)
        row = {"system": name, "kind": kind, **dataclasses.asdict(found)}
        row.update({key: getattr(found, key)._asdict() for key in ("phone_tau", "utt_tau", "auc")})
        phones = {}
        if "ratings" in labels:
            phones = agree_by_phone(
                values,
                labels["ratings"],
                scores.columns["phone"][lines],
                rated.higher_is,
                rated.label_threshold,
            )
        means = mean_by(values, codes, len(utts))
        there = ~np.isnan(means) & ~np.isnan(utt_ratings)
        yield row, phones, (utt_ratings[there], means[there])


def speakers_of(utts: list[str], speakers: dict[str, str], most_speakers: int) -> np.ndarray | None:
    """Find the speaker of each utterance, array of str (U,); None where there are too many to compare."""
    strangers = [utt for utt in utts if utt not in speakers]
    if strangers:
        log.warning(
            "no speaker is known of %d utterances, each is taken for a speaker of its own: %s",
            len(strangers),
            first(strangers),
        )
    owners = np.array([speakers.get(utt, utt) for utt in utts])
    if len(set(owners)) <= most_speakers:
        return owners
    log.warning(
        "no intervals of %d speakers: that would compare too many pairs of them (at most %d)",
        len(set(owners)),
        most_speakers,
    )
    return None


# Which utterances


def shared_utterances(scores: Scores, ratings: Ratings) -> tuple[list[str], dict[str, list[str]]]:
    """Find the utterances that both have, and the others by name; phones that disagree are an error."""
    utts = c_sorted(scores.rows.keys() & ratings.by_utt.keys())
    without = {
        "only_scored": c_sorted(scores.rows.keys() - ratings.by_utt.keys()),
        "only_rated": c_sorted(ratings.by_utt.keys() - scores.rows.keys()),
    }
    if not utts:
        raise DataError(
            f"{scores.path} and {ratings.path} have no utterance in common: {first(without['only_scored'])} is scored, "
            f"{first(without['only_rated'])} rated (are these the ratings of what was scored?)"
        )
    for what, key in (("scored, but not rated", "only_scored"), ("rated, but not scored", "only_rated")):
        if without[key]:
            log.warning(
                "%s: %d utterances are %s: %s", scores.path, len(without[key]), what, first(without[key])
            )
    for utt in utts if ratings.form != "utterances" else ():
        own = scores.phones(utt)
        if ratings.form == "long" and max(ratings.by_utt[utt]) >= len(own):
            raise DataError(
                f"{ratings.path}: {utt} has a rating of phone {max(ratings.by_utt[utt])}, but {scores.path} has {len(own)} phones, from 0: "
                f"{' '.join(own)} (idx counts the phones without silence)"
            )
        if ratings.form == "wide" and ratings.phones[utt] != own:
            raise DataError(
                f"{utt}: {ratings.path} rates {' '.join(ratings.phones[utt])}, {scores.path} scores {' '.join(own)} "
                f"({remedy(ratings.phones[utt], own)})"
            )
    return utts, without


def remedy(rated: tuple[str, ...], scored: tuple[str, ...]) -> str:
    if [phone.rstrip("012") for phone in rated] == [phone.rstrip("012") for phone in scored]:
        return "they differ in stress digits only: take them off, in the ratings or in the alignment"
    others = [phone for phone in rated if phone not in scored]
    guess = f"; {difference(others, scored)}" if len(others) > len(rated) / 2 else ""
    return (
        f"score an alignment of the phones that were rated, or take the utterance out of the ratings{guess}"
    )


def first(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


# What is written


def best_of(pictures: list[KindOfScore]) -> KindOfScore:
    """Pick the one whose utterances agree best with the listeners; the first where nothing can be compared."""
    return max(
        pictures,
        key=lambda one: -math.inf if math.isnan(one[0]["utt_tau"]["value"]) else one[0]["utt_tau"]["value"],
    )


def write_files(
    out: Path, evaluated: EvaluatedScores, best: KindOfScore, rated: Rated, ratings_path: PathLike
) -> None:
    from asrkit.plots.ratings import plot_evaluation  # late: matplotlib is slow to import

    row, phones, (utt_ratings, utt_scores) = best
    facts = {
        "ratings": str(ratings_path),
        "higher_is": rated.higher_is,
        "label_threshold": rated.label_threshold,
        "replications": rated.replications,
        "seed": rated.seed,
        "best": {"system": row["system"], "kind": row["kind"]},
        "rows": evaluated.rows,
        "phones": evaluated.by_phone,
    }
    with atomic_write(out / "evaluation.json") as stream:
        json.dump(finite(facts), stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
    write_tsv(out / "evaluation.tsv", [flat(row) for row in evaluated.rows])
    write_tsv(
        out / "phones_tau.tsv",
        evaluated.by_phone,
        ("system", "kind", "phone", "n", "n_bad", "tau", "auc", "mean_good", "mean_bad"),
    )
    title = f"{row['system']}, {row['kind']}: utterance tau {interval(row['utt_tau'])}"
    with atomic_write(out / "evaluation.png", "wb") as stream:
        plot_evaluation(
            utt_ratings,
            utt_scores,
            phones,
            stream,
            title.replace("-", "\N{MINUS SIGN}") if row["utt_tau"]["value"] < 0 else title,
            f"rating of the utterance (higher is {rated.higher_is})",
            f"mean {row['kind']} of its phones",
        )


def flat(row: dict) -> dict:
    """Flatten a row of the table to one value a cell: intervals spread, names of utterances counted."""
    cells = {}
    for key, value in row.items():
        if isinstance(value, dict):
            cells.update(
                {key if part == "value" else f"{key}_{part}": number for part, number in value.items()}
            )
        else:
            cells[key] = len(value) if isinstance(value, list) else value
    return cells


def write_tsv(path: Path, rows: list[dict], names: tuple[str, ...] | None = None) -> None:
    with atomic_write(path) as stream:
        stream.write("\t".join(names or rows[0]) + "\n")
        stream.writelines(
            "\t".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values())
            + "\n"
            for row in rows
        )


def finite(value: Any) -> Any:
    """Replace numbers that do not exist by None, which JSON writes as null."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
