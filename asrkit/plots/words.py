"""Pictures of word error rates: confusions, learning curves, noise, a search over settings."""

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from asrkit.evaluation.scoring import NO_DECISION
from asrkit.evaluation.significance import wilson_interval
from asrkit.plots.style import GREY, RIGHT, WRONG, minus, save, spread, styled

CHOSEN = "#d97a18"


@styled
def plot_confusion(report, path, name=None):
    """Draw the confusion matrix of an `ErrorReport`.

    Blue cells are right, red ones wrong; the shade is the share of the row (of what was said), red on a scale
    that lets a single error be seen. The number on the right of a row is the per cent of it that was right.
    """
    counts = report.confusion
    if not counts[:, -1].any():
        counts = counts[:, :-1]  # no column for what never happened
    columns = [*report.words, NO_DECISION][: counts.shape[1]]
    size = max(len(columns), 4)
    said = counts.sum(axis=1)
    share = counts / np.maximum(said, 1)[:, None]
    right = np.eye(*counts.shape, dtype=bool)

    cell_inches = np.clip(16 / size, 0.12, 0.46)
    letters = max(map(len, columns), default=0)
    figure = Figure(
        figsize=(cell_inches * size + 1.7 + 0.075 * letters, cell_inches * size + 1.3 + 0.06 * letters)
    )
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    font = np.clip(22 * cell_inches, 3.5, 9)
    shades = ((right, "Blues", PowerNorm(1, 0, 1.15)), (~right, "Reds", PowerNorm(0.5, 0, 0.6)))
    edges = [np.arange(n + 1) - 0.5 for n in counts.shape]
    for wanted, colours, norm in shades:
        axes.pcolormesh(
            *edges[::-1], np.ma.array(share, mask=~wanted | (counts == 0)), cmap=colours, norm=norm
        )
    axes.set(
        aspect="equal", xlim=(-0.5, max(len(columns), 1) - 0.5), ylim=(max(len(report.words), 1) - 0.5, -0.5)
    )
    # Lines and texts within the matrix say that they need no room: the layout would measure each of them.
    lines = {"colors": "0.88", "linewidth": 0.6, "in_layout": False}
    axes.vlines(edges[1], -0.5, counts.shape[0] - 0.5, **lines)
    axes.hlines(edges[0], -0.5, counts.shape[1] - 0.5, **lines)
    axes.tick_params(length=0)
    for i, j in zip(*np.nonzero(counts)):
        dark = share[i, j] > (0.55 if right[i, j] else 0.22)
        axes.text(
            j,
            i,
            str(counts[i, j]),
            ha="center",
            va="center",
            fontsize=font,
            color="white" if dark else "0.1",
            in_layout=False,
        )
    for i in np.flatnonzero(said):
        percent = 100 * share[i, i]
        axes.text(
            len(columns) - 0.3,
            i,
            f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %",
            va="center",
            fontsize=font,
            color=GREY if percent == 100 else WRONG,
        )
    if said.any():
        axes.text(len(columns) - 0.3, -0.75, "right", va="center", fontsize=font, color=GREY)
    if columns[len(report.words) :]:
        axes.axvline(len(report.words) - 0.5, color="0.6", linewidth=1)
    axes.set_xticks(
        range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=font
    )
    axes.set_yticks(range(len(report.words)), report.words, fontsize=font)
    axes.set_xlabel("heard")
    axes.set_ylabel("said")
    axes.spines[:].set_visible(False)
    low, high = report.interval
    total = report.total
    axes.set_title(
        f"{name + ': ' if name else ''}word error rate {100 * report.wer:.2f} %\n"
        f"{total.errors} of {total.words} words, 95 % interval {100 * low:.2f} to {100 * high:.2f} %"
    )
    save(figure, path)


def _scale_rates(axes, top):
    """Let the upward axis be word error rates in per cent, 0 to `top`, on a square-root scale."""
    axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.set_ylim(0, top)
    axes.set_yticks([tick for tick in (0, 0.5, 1, 2, 5, 10, 20, 30, 50, 70, 100) if tick <= top])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("word error rate, per cent")
    axes.grid(axis="y", color="0.92", linewidth=0.6)


@styled
def plot_learning_curve(points, path, title=None):
    """Draw the word error rate against the number of training utterances a word.

    Parameters
    ----------
    points : list of dict
        "per_word", utterances; "label" of the tick; "rates" of single trainings, their "mean" and its
        "interval" (low, high), fractions. Rates are drawn on a square-root scale, on which 1 per cent is seen
        beside 30, and 0 has a place.
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    x = [point["per_word"] for point in points]
    mean = 100 * np.array([point["mean"] for point in points])
    ends = 100 * np.array([point["interval"] for point in points]).T
    axes.set_xscale("log")
    axes.errorbar(
        x,
        mean,
        np.abs(ends - mean),
        color=RIGHT,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=3,
        label="mean and 95 % interval",
    )
    several = [
        (point["per_word"], 100 * rate)
        for point in points
        if len(point["rates"]) > 1
        for rate in point["rates"]
    ]
    if several:
        axes.plot(
            *zip(*several),
            "o",
            markersize=4.5,
            markerfacecolor="white",
            markeredgecolor=RIGHT,
            label="single draws",
            clip_on=False,
        )
    for point, rate in zip(points, mean):
        axes.annotate(
            f"{rate:.1f} %",
            (point["per_word"], rate),
            (5, 5),
            textcoords="offset points",
            fontsize=8,
            color="0.25",
        )
    _scale_rates(axes, ends[1].max() * 1.05)
    axes.set_xticks(x, [point["label"] for point in points])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(x) / 1.2, max(x) * 1.35)
    axes.set_xlabel("training utterances a word")
    axes.set_title(title or "")
    axes.legend(frameon=False)
    save(figure, path)


@styled
def plot_noise(curves, path, title=None):
    """Draw the word error rate against the signal-to-noise ratio, one colour a system, one line style a kind
    of noise.

    Parameters
    ----------
    curves : list of tuple
        (system, noise, {SNR in dB: Counts}); None stands for no noise, on the left. The ratios are drawn at
        equal distances, the rates on a square-root scale as in `plot_learning_curve`, with their Wilson
        intervals at 95 %.
    """
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    systems, noises = (list(dict.fromkeys(curve[field] for curve in curves)) for field in (0, 1))
    levels = sorted(
        {snr for *_, points in curves for snr in points}, key=lambda snr: -np.inf if snr is None else -snr
    )
    colours, styles = matplotlib.colormaps["tab10"], (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
    ends, bars = [], set()
    for number, (system, noise, points) in enumerate(curves):
        colour, (line, marker) = (
            colours(systems.index(system) % 10),
            styles[noises.index(noise) % len(styles)],
        )
        counted = [(snr, points[snr]) for snr in levels if snr in points and points[snr].words]
        if not counted:
            continue
        # A little beside each other, lest one bar hide another; what all kinds of noise share stays in one
        # place.
        places = (systems.index(system) - (len(systems) - 1) / 2, number - (len(curves) - 1) / 2)
        x = [levels.index(snr) + min(0.05, 0.3 / len(curves)) * places[snr is not None] for snr, _ in counted]
        rates = np.array([100 * counts.errors / counts.words for _, counts in counted])
        intervals = [wilson_interval(min(counts.errors, counts.words), counts.words) for _, counts in counted]
        bars.update((place, 100 * low, 100 * high, colour) for place, (low, high) in zip(x, intervals))
        axes.plot(
            x,
            rates,
            line,
            marker=marker,
            color=colour,
            linewidth=1.4,
            markersize=5.5,
            markeredgecolor="white",
            clip_on=False,
        )
        ends.append((rates[-1], x[-1], f"{system}, {noise}", colour))
    for place, low, high, colour in sorted(bars):
        axes.vlines(place, low, high, color=colour, linewidth=2.2, alpha=0.25)
    top = 1.03 * max([1, *(high for _, _, high, _ in bars), *(line.get_ydata().max() for line in axes.lines)])
    # The names stand where their lines end, moved apart on the scale that is seen: there a square root is
    # linear.
    ends.sort(key=lambda end: end[0])
    heights = spread([np.sqrt(end[0] / top) for end in ends], 0.045)
    heights -= max(0, max(heights, default=0) - 1)
    for (rate, x, name, colour), height in zip(ends, heights):
        axes.annotate(
            name,
            (x, rate),
            (1.03, height),
            textcoords="axes fraction",
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkB": 4},
        )
    _scale_rates(axes, top)
    axes.tick_params(axis="x", length=0, pad=6)  # it would look like a part of the points at 0
    axes.set_xticks(range(len(levels)), ["clean" if snr is None else minus(f"{snr:g} dB") for snr in levels])
    axes.set_xlim(-0.3, max(len(levels), 1) - 0.7)
    axes.set_xlabel("signal-to-noise ratio (bars: 95 % intervals)")
    axes.set_title(title or "")
    save(figure, path)


@styled
def plot_tuning(candidates, smallest, path, title=None):
    """Draw the word error rate of configurations against their size and their speed, both on logarithmic
    scales.

    Parameters
    ----------
    candidates : list of dict
        The best first: "name", "settings" (dict), "wer", "low" and "high" (fractions), "parameters",
        "ms_a_word", and "out", None of those that were heard to the end. The lines are what no other of these
        surpasses: steps to fewer errors at a higher price.
    smallest : str
        Name of the smallest that is not seen to be worse than the best.
    """
    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    racing = [one for one in candidates if one["out"] is None]
    top = 105 * max(0.01, *(one["high"] for one in racing))
    # those that were far off stand at the edge
    top = min(max(top, *(105 * one["wer"] for one in candidates)), 1.5 * top)
    kinds = {
        "chosen": ("D", CHOSEN, 8),
        "smallest": ("s", CHOSEN, 7),
        "racing": ("o", RIGHT, 6),
        "out": ("o", "0.72", 4.5),
    }
    for axes, key, label in zip(
        panels, ("parameters", "ms_a_word"), ("parameters of the model", "decoding, milliseconds a word")
    ):
        axes.set_xscale("log")
        _scale_rates(axes, top)
        axes.set_ylim(bottom if (bottom := 70 * min(one["low"] for one in racing)) > top / 8 else 0)
        price = [max(one[key], 1e-3) for one in racing]
        front = _front(price, [one["wer"] for one in racing])
        steps = [(price[i], 100 * racing[i]["wer"]) for i in front]
        axes.plot(*zip(*steps), drawstyle="steps-post", color=RIGHT, linewidth=1.1, alpha=0.55, zorder=1)
        for one in reversed(candidates):  # the best on top
            kind = "out" if one["out"] is not None else "racing"
            if one is candidates[0] or one["name"] == smallest:
                kind = "chosen" if one is candidates[0] else "smallest"
            marker, colour, size = kinds[kind]
            x, order = max(one[key], 1e-3), 2 + list(reversed(kinds)).index(kind)
            axes.vlines(
                x, 100 * one["low"], 100 * one["high"], color=colour, linewidth=1.6, alpha=0.18, zorder=1
            )
            beyond = 100 * one["wer"] > top
            axes.plot(
                x,
                min(top, 100 * one["wer"]),
                "^" if beyond else marker,
                color=colour,
                markersize=size,
                markeredgecolor="white",
                markeredgewidth=0.7,
                zorder=order,
                clip_on=False,
            )
            if beyond:
                axes.annotate(
                    f"{100 * one['wer']:.0f} %",
                    (x, top),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                    color=GREY,
                )
        for i, place in zip(front, steps):
            axes.annotate(
                " · ".join(str(value).lower() or "none" for value in racing[i]["settings"].values()),
                place,
                (4, 4),
                zorder=9,
                textcoords="offset points",
                fontsize=7.5,
                color="0.2",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )
        axes.set_xlabel(label)
        lowest, highest = (pick(max(one[key], 1e-3) for one in candidates) for pick in (min, max))
        axes.set_xlim(lowest / 1.15, highest * 1.15)
        axes.set_xticks(ticks := _log_ticks(lowest / 1.15, highest * 1.15), [f"{tick:,g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    panels[1].set_ylabel("")
    panels[0].set_title(f"{title or ''}\nlabels: {' · '.join(candidates[0]['settings'])}")
    shown = [("chosen", f"chosen: {candidates[0]['name']}")]
    if smallest != candidates[0]["name"]:
        shown.append(("smallest", f"the smallest not seen to be worse: {smallest}"))
    shown += [("racing", "heard to the end"), ("out", "out before, seen to be worse")][
        : 1 + (len(racing) < len(candidates))
    ]
    looks = [dict(zip(("marker", "color", "markersize"), kinds[kind]), label=text) for kind, text in shown]
    figure.legend(
        handles=[Line2D([], [], linestyle="", **look) for look in looks],
        loc="outside lower left",
        ncols=2,
        frameon=False,
    )
    save(figure, path)


def _log_ticks(low, high):
    """Round numbers between two, about equally far apart on a logarithmic scale."""
    for steps in (
        (1,),
        (1, 3),
        (1, 2, 5),
        (1, 1.5, 2, 3, 5, 7),
        (1, 1.2, 1.4, 1.6, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    ):
        ticks = [
            step * 10.0**power
            for power in range(-4, 12)
            for step in steps
            if low <= step * 10.0**power <= high
        ]
        if len(ticks) >= 3:
            break
    return ticks


def _front(prices, rates):
    """Indices, cheapest first, of the points that no cheaper or equal one reaches or surpasses."""
    front = []
    for i in sorted(range(len(prices)), key=lambda i: (prices[i], rates[i])):
        if not front or rates[i] < rates[front[-1]]:
            front.append(i)
    return front
