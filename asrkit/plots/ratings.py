"""Pictures of pronunciation scores and human ratings, as PNG."""

import numpy as np
from matplotlib.figure import Figure

from asrkit.plots.style import GREY, RIGHT, WRONG, minus, save, styled

FEW_GRADES = 10  # different ratings up to which each is a column of its own
FEW = 30  # tokens of a phone below which its tau is drawn pale: the standard error is then about 0.12


@styled
def plot_evaluation(
    utt_ratings, utt_scores, phones, path, title=None, rating_label="rating", score_label="score"
):
    """Draw utterances' scores against the listeners' ratings, and beside it how far they agree within every
    phone.

    Parameters
    ----------
    utt_ratings, utt_scores : array (U,)
        As they were given, without nan.
    phones : dict of str to dict
        What `evaluation.rating.agree_by_phone` returned; empty: the first panel alone.
    """
    utt_ratings, utt_scores = np.asarray(utt_ratings, dtype=float), np.asarray(utt_scores, dtype=float)
    drawn = np.isfinite(utt_ratings) & np.isfinite(utt_scores)
    ratings, scores = utt_ratings[drawn], utt_scores[drawn]
    bars = sorted(
        ((row["tau"], phone, row["n"]) for phone, row in phones.items() if np.isfinite(row["tau"])),
        reverse=True,
    )
    height = max(4.4, 0.9 + 0.15 * len(bars))
    figure = Figure(figsize=(10 if bars else 5.6, height), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, 2 if bars else 1, width_ratios=[1.25, 1] if bars else None))
    points = panels[0]
    grades = np.unique(ratings)
    graded = 1 < len(grades) <= FEW_GRADES
    # Columns of equal ratings are spread a little, by chance but always the same.
    aside = (
        np.random.default_rng(0).uniform(-0.18, 0.18, len(ratings)) * np.diff(grades).min() if graded else 0
    )
    opacity = float(np.clip(150 / max(len(ratings), 1), 0.2, 0.7))
    points.plot(ratings + aside, scores, "o", color=RIGHT, markersize=4, markeredgewidth=0, alpha=opacity)
    steps = _medians(
        ratings,
        scores,
        grades
        if graded
        else np.unique(np.quantile(ratings, np.arange(1, 6) / 6))
        if len(ratings)
        else grades,
    )
    if len(steps) > 1:
        label = "medians" if graded else "medians of equal parts"
        points.plot(
            *zip(*steps), "o-", color=WRONG, linewidth=1.4, markersize=5, markeredgecolor="white", label=label
        )
        points.legend(frameon=False, loc="best")
    if len(scores):
        low, high = np.quantile(scores, [0.01, 0.99])
        width = high - low or 1
        # One utterance that is far off must not press the others flat; poor ones are what the picture is for,
        # and stay.
        low, high = max(scores.min(), low - 1.5 * width), min(scores.max(), high + 1.5 * width)
        room = 0.05 * (high - low) or 0.5
        points.set_ylim(low - room, high + room)
        outside = int(np.sum((scores < low - room) | (scores > high + room)))
        if outside:
            points.text(
                0.99,
                0.01,
                f"{outside} beyond the edges",
                transform=points.transAxes,
                ha="right",
                va="bottom",
                color=GREY,
                fontsize=8,
            )
    points.set_xlabel(rating_label)
    points.set_ylabel(score_label)
    points.grid(axis="y", color="0.92", linewidth=0.6)
    points.set_title(title or "")
    if bars:
        _draw_bars(panels[1], bars)
    save(figure, path)


def _draw_bars(axes, bars):
    places = np.arange(len(bars))
    taus = np.array([tau for tau, _, _ in bars])
    colours = [
        ("#a9c6de" if n < FEW else RIGHT) if tau >= 0 else ("#e6b3a8" if n < FEW else WRONG)
        for tau, _, n in bars
    ]
    axes.barh(places, taus, color=colours, height=0.72)
    axes.axvline(0, color="0.4", linewidth=0.8)
    font = 8 if len(bars) < 60 else 6
    axes.set_yticks(places, [phone for _, phone, _ in bars], fontsize=font)
    low, high = min(0, taus.min()), max(0, taus.max())
    width = high - low or 1
    for place, (tau, _, n) in zip(places, bars):
        axes.text(
            max(tau, 0) + 0.015 * width,
            place,
            str(n),
            va="center",
            fontsize=font - 1.5,
            color=GREY,
            in_layout=False,
        )
    axes.set_xlim(low - 0.03 * width, high + 0.14 * width)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: minus(f"{value:g}" if abs(value) > 1e-9 else "0"))
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Kendall's tau-b within the phone")
    pale = f"; pale: below {FEW}" if any(n < FEW for _, _, n in bars) else ""
    axes.set_title(f"by phone (numbers: how many{pale})")


def _medians(ratings, scores, edges):
    """(median rating, median score) between each edge and the next; of fewer than five utterances it says
    nothing.
    """
    part = np.searchsorted(edges, ratings, side="right")
    groups = [part == number for number in np.unique(part)]
    return [
        (float(np.median(ratings[group])), float(np.median(scores[group])))
        for group in groups
        if group.sum() >= 5
    ]


@styled
def plot_levels(panels, names, path, title=None):
    """Draw how scores follow the level of a corruption: medians, and a band from the lower quartile to the
    upper.

    Parameters
    ----------
    panels : dict of str to dict
        Corruption to {kind of score: an array of scores for each level}; a column each, a row each kind.
    names : dict of str to sequence of str
        What the levels of each corruption are called.
    """
    kinds = list(dict.fromkeys(kind for scores in panels.values() for kind in scores))
    figure = Figure(figsize=(1.2 + 2.9 * len(panels), 0.8 + 2.1 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), len(panels), sharey="row", sharex="col", squeeze=False)
    for column, (corruption, scores) in enumerate(panels.items()):
        for row, kind in enumerate(kinds):
            panel = axes[row, column]
            values = [level[np.isfinite(level)] for level in map(np.asarray, scores.get(kind, []))]
            there = [place for place, level in enumerate(values) if len(level)]
            if there:
                low, middle, high = np.array(
                    [np.quantile(values[place], [0.25, 0.5, 0.75]) for place in there]
                ).T
                panel.fill_between(there, low, high, color=RIGHT, alpha=0.18, linewidth=0)
                panel.plot(
                    there, middle, "o-", color=RIGHT, linewidth=1.4, markersize=5, markeredgecolor="white"
                )
            panel.grid(axis="y", color="0.92", linewidth=0.6)
            panel.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
            if row == 0:
                panel.set_title(corruption)
            if column == 0:
                panel.set_ylabel(kind)
        axes[-1, column].set_xticks(
            range(len(names[corruption])), [minus(name) for name in names[corruption]]
        )
        axes[-1, column].set_xlim(-0.35, len(names[corruption]) - 0.65)
    figure.suptitle(title or "medians and quartiles of the scores of phones", fontsize=9, color=GREY)
    save(figure, path)
