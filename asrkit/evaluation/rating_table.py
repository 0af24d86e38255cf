"""The table of how kinds of scores agree with ratings, for people."""

import math


def table_lines(rows, form):
    """Lay out the table: what does not exist is a dash, and notes say what was left out.

    Parameters
    ----------
    rows : list of dict
        Of every system and kind of score, as `mixgop evaluate` has them.
    form : str
        Of the ratings: "wide", "long" or "utterances".

    Returns
    -------
    list of str
    """
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
    return lines + notes([row for row in rows if row["num_utts"]], form)


def notes(rows, form):
    speakers = {row["num_speakers"] for row in rows}
    if max(speakers) < 2:
        lines = [
            "no intervals: data_dir=DIR or utt2spk=FILE says who spoke"
            if max(speakers) == 0
            else "no intervals: one speaker"
        ]
    else:
        few = "; so few speakers say little about others" if min(speakers) < 10 else ""
        lines = [f"[ ]: 95 % of draws of whole speakers, of {' or '.join(map(str, sorted(speakers)))}{few}"]
    judged, total = ("utterances", "num_utts") if form == "utterances" else ("phones", "num_phones")
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
