"""Do pronunciation scores agree with human ratings? Kendall's tau-b, Spearman's rho, AUC -> a table; with
--out files, too.

SCORES are folders of `asrkit mixgop score` (their phones.tsv); several make a table of systems. RATINGS, tabs
between:
  utt  phones  scores    phones and their ratings, blanks between: `u1  W IY  2.0 1.4`
  utt  idx  rating       one phone a line; idx counts the phones of an utterance from 0
  utt  rating            utterances only
A first line of these names is allowed and settles the form; `nan` is no rating. --higher-is says what a
higher rating means. A positive tau always means that score and listener agree: both call better what is
better.

The rating of an utterance is the mean of its phones', its score the unweighted mean over its scored phones.
AUC is the chance that a bad phone (rated below --label-threshold, or above it with --higher-is worse) has the
lower score of two; where only utterances are rated, that a bad utterance has. Intervals are those of 95 % of
test sets whose speakers are drawn from these (--data or --utt2spk says who spoke): they hold for other
speakers, and need a good many of them.

Files in OUT: evaluation.json, evaluation.tsv (the table in full), phones_tau.tsv (phone by phone),
evaluation.png. Likelihoods follow voice and microphone as well as pronunciation: this is no diagnosis.
"""

import dataclasses
import json
import logging
import math
from pathlib import Path

import numpy as np

from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.evaluation.rating import DIRECTIONS, agree, agree_by_phone, mean_by
from asrkit.io.files import atomic_write, c_sorted, read_table
from asrkit.io.ratings import read_ratings, read_scores

EXAMPLE = """example:
  asrkit mixgop evaluate exp/mixgop/score_test data/test/phone_scores.tsv --higher-is better --data data/test --out exp/mixgop/evaluation
  asrkit mixgop evaluate exp/diag8/score_test exp/full32/score_test severity.tsv --higher-is worse --kinds posterior
"""

SHOWN = 5
MOST_SPEAKERS = 4000  # three tables of their pairs are held: 0.4 GB

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", nargs="+", help="folders of asrkit mixgop score")
    parser.add_argument("ratings", metavar="RATINGS", help="human ratings, a TSV file")
    parser.add_argument(
        "--higher-is",
        choices=DIRECTIONS,
        required=True,
        metavar="|".join(DIRECTIONS),
        help="what a higher rating means (required)",
    )
    add_flag(
        parser, "kinds", "loglik,posterior,ratio,z", "columns of phones.tsv to evaluate, with commas between"
    )
    add_flag(
        parser,
        "label-threshold",
        0.5,
        "for AUC: bad is what is rated below (with --higher-is worse: above) this",
    )
    parser.add_argument(
        "--utt2spk", metavar="FILE", help="who spoke, `utt speaker` a line: gives the intervals"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="data directory whose utt2spk says it; ratings of other utterances are left aside",
    )
    add_flag(parser, "replications", 1000, "test sets the bootstrap draws", minimum=1, maximum=100000)
    add_flag(parser, "seed", 0, "seed of the bootstrap", minimum=0)
    parser.add_argument("--out", metavar="OUT", help="folder for the files (default: the table only)")


def main(args):
    if args.utt2spk and args.data:
        raise UsageError("--utt2spk or --data, not both")
    if not math.isfinite(args.label_threshold):
        raise UsageError(f"--label-threshold={args.label_threshold} is not a finite number")
    kinds = list(dict.fromkeys(kind.strip() for kind in args.kinds.split(",") if kind.strip()))
    if not kinds:
        raise UsageError("--kinds names no kind of score")
    speakers = None
    if args.utt2spk or args.data:
        speakers = read_table(args.utt2spk or Path(args.data) / "utt2spk", check_sorted=False)
    ratings = read_ratings(Path(args.ratings))
    if args.data:  # one file may hold the ratings of several data directories
        own = {utt: rated for utt, rated in ratings.by_utt.items() if utt in speakers}
        ratings = dataclasses.replace(ratings, by_utt=own)
    rows, by_phone, pictures = [], [], []
    for name, folder in zip(system_names(args.scores), args.scores, strict=True):
        scores = read_scores(Path(folder), kinds)
        utts, one_sided = shared_utterances(scores, ratings)
        for row, table, points in evaluate_system(name, scores, ratings, utts, speakers, kinds, args):
            rows.append({**row, **one_sided})
            by_phone += [
                {"system": name, "kind": row["kind"], "phone": phone, **facts}
                for phone, facts in table.items()
            ]
            pictures.append((row, table, points))
    if not any(row["num_utts"] for row in rows):
        raise DataError(
            f"{args.scores[0]}: no utterance has both a rating and a score of these kinds (--kinds={args.kinds})"
        )
    print("\n".join(table_lines(rows, ratings)))
    if args.out:
        write_files(Path(args.out), rows, by_phone, best_of(pictures), args)
    return 0


def system_names(folders):
    """The last part of every path; where two are alike, the paths."""
    names = [Path(folder).resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def evaluate_system(name, scores, ratings, utts, speakers, kinds, args):
    """Yield (row of the table, its phones, (ratings, scores) of its utterances) for every kind."""
    lines = np.array([line for utt in utts for line in scores.rows[utt]], dtype=np.int64)
    codes = np.repeat(np.arange(len(utts)), [len(scores.rows[utt]) for utt in utts])
    if ratings.form == "utterances":
        labels = {"utt_ratings": np.array([ratings.by_utt[utt] for utt in utts])}
        utt_ratings = labels["utt_ratings"]
    else:
        own = [ratings.by_utt[utt].get(idx, math.nan) for utt in utts for idx in range(len(scores.rows[utt]))]
        labels = {"ratings": np.array(own)}
        utt_ratings = mean_by(labels["ratings"], codes, len(utts))
    owners = None
    if speakers is not None:
        strangers = [utt for utt in utts if utt not in speakers]
        if strangers:
            log.warning(
                "no speaker is known of %d utterances, each is taken for a speaker of its own: %s",
                len(strangers),
                first(strangers),
            )
        owners = np.array([speakers.get(utt, utt) for utt in utts])
        if len(set(owners)) > MOST_SPEAKERS:
            log.warning(
                "no intervals of %d speakers: that would compare too many pairs of them (at most %d)",
                len(set(owners)),
                MOST_SPEAKERS,
            )
            owners = None
    for kind in kinds:
        values = scores.columns[kind][lines]
        found = agree(
            values,
            codes,
            owners,
            args.higher_is,
            **labels,
            threshold=args.label_threshold,
            replications=args.replications,
            seed=args.seed,
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
                args.higher_is,
                args.label_threshold,
            )
        means = mean_by(values, codes, len(utts))
        there = ~np.isnan(means) & ~np.isnan(utt_ratings)
        yield row, phones, (utt_ratings[there], means[there])


# Which utterances


def shared_utterances(scores, ratings):
    """The utterances that both have, and the others by name; phones that disagree are an error."""
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


def remedy(rated, scored):
    if [phone.rstrip("012") for phone in rated] == [phone.rstrip("012") for phone in scored]:
        return "they differ in stress digits only: take them off, in the ratings or in the alignment"
    return "score an alignment of the phones that were rated, or take the utterance out of the ratings"


def first(names):
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


# What is written


def table_lines(rows, ratings):
    """The table for people: what does not exist is a dash, and notes say what was left out."""
    heads = [
        "system",
        "kind",
        "phone tau",
        "utt tau",
        "phone rho",
        "utt rho",
        "AUC",
        "phones",
        "utts",
        "left out",
    ]
    cells = [
        [row["system"], row["kind"], interval(row["phone_tau"]), interval(row["utt_tau"]), three(row["phone_rho"]), three(row["utt_rho"]),
         interval(row["auc"]), str(row["num_phones"] or "-"), str(row["num_utts"]), str(row["phones_left_out"])]
        for row in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip()
        for line in (heads, *cells)
    ]
    return lines + notes([row for row in rows if row["num_utts"]], ratings)


def notes(rows, ratings):
    speakers = {row["num_speakers"] for row in rows}
    if max(speakers) < 2:
        lines = [
            "no intervals: --data or --utt2spk says who spoke"
            if max(speakers) == 0
            else "no intervals: one speaker"
        ]
    else:
        few = "; so few speakers say little about others" if min(speakers) < 10 else ""
        lines = [f"[ ]: 95 % of draws of whole speakers, of {' or '.join(map(str, sorted(speakers)))}{few}"]
    judged, total = ("utterances", "num_utts") if ratings.form == "utterances" else ("phones", "num_phones")
    lines.append(
        "AUC: " + "; ".join(dict.fromkeys(f"{row['num_bad']} bad {judged} of {row[total]}" for row in rows))
    )
    left_out = max(row["phones_left_out"] for row in rows)
    if left_out:
        lines.append("left out: phones without a score")
    gone = max(row["utts_left_out"] for row in rows)
    if gone:
        lines.append(f"{gone} rated utterances have no scored phone")
    unrated = max(row["phones_unrated"] for row in rows)
    if unrated:
        lines.append(f"{unrated} phones are not rated")
    for key, what in (("only_scored", "scored, but not rated"), ("only_rated", "rated, but not scored")):
        if any(row[key] for row in rows):
            lines.append(f"utterances {what}: {max(len(row[key]) for row in rows)}")
    if len({(row["num_phones"], row["num_utts"]) for row in rows}) > 1:
        lines.append("not all rows rest on the same phones and utterances: compare them with care")
    return lines


def three(value):
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval(estimate):
    ends = "" if math.isnan(estimate["low"]) else f" [{estimate['low']:.3f}, {estimate['high']:.3f}]"
    return three(estimate["value"]) + ends


def best_of(pictures):
    """The one whose utterances agree best with the listeners; the first where nothing can be compared."""
    return max(
        pictures,
        key=lambda one: -math.inf if math.isnan(one[0]["utt_tau"]["value"]) else one[0]["utt_tau"]["value"],
    )


def write_files(out, rows, by_phone, best, args):
    from asrkit.plots.ratings import plot_evaluation  # late: matplotlib is slow to import

    row, phones, (utt_ratings, utt_scores) = best
    facts = {
        "ratings": str(args.ratings),
        "higher_is": args.higher_is,
        "label_threshold": args.label_threshold,
        "replications": args.replications,
        "seed": args.seed,
        "best": {"system": row["system"], "kind": row["kind"]},
        "rows": rows,
        "phones": by_phone,
    }
    with atomic_write(out / "evaluation.json") as stream:
        json.dump(finite(facts), stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
    write_tsv(out / "evaluation.tsv", [flat(row) for row in rows])
    write_tsv(
        out / "phones_tau.tsv",
        by_phone,
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
            f"rating of the utterance (higher is {args.higher_is})",
            f"mean {row['kind']} of its phones",
        )


def flat(row):
    """A row of the table with one value a cell: intervals spread, names of utterances counted."""
    cells = {}
    for key, value in row.items():
        if isinstance(value, dict):
            cells.update(
                {key if part == "value" else f"{key}_{part}": number for part, number in value.items()}
            )
        else:
            cells[key] = len(value) if isinstance(value, list) else value
    return cells


def write_tsv(path, rows, names=None):
    with atomic_write(path) as stream:
        stream.write("\t".join(names or rows[0]) + "\n")
        stream.writelines(
            "\t".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values())
            + "\n"
            for row in rows
        )


def finite(value):
    """As JSON has it: null for a number that does not exist."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
