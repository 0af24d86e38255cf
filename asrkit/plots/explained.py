"""The picture of one recording: what was heard, and why."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asrkit.plots.style import RIGHT, WRONG, styled
from asrkit.plots.style import save as save_picture
from asrkit.words.confidence import UNKNOWN

MARK = "#d9a018"
NICE_HZ = np.array([100, 250, 500, 1000, 2000, 4000, 8000, 16000])
MOST_STREAMS = 3  # of symbols


@styled
def plot_explained(found, path, title=None):
    """Draw a recording with its ends, its spectrogram, the paths of two words and where they part, and the likeliest words.

    Parameters
    ----------
    found : Explained
        Of asrkit.workflows.explain.
    """
    lasts_s, contrast = len(found.samples) / found.rate_hz, found.contrast
    streams = [] if found.symbols is None else list(found.symbols.T[:MOST_STREAMS])
    heights = (
        [0.8, 2.0]
        + [0.45, 0.45] * (contrast is not None)
        + [0.4] * len(streams)
        + [1.3] * (contrast is not None)
    )
    figure = Figure(figsize=(9.6, 1.2 + sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, width_ratios=(4, 1), height_ratios=heights)
    rows = [figure.add_subplot(grid[0, 0])]
    rows += [figure.add_subplot(grid[k, 0], sharex=rows[0]) for k in range(1, len(heights))]
    edges_s = found.start_s + found.frame_shift_s * np.arange(found.num_frames + 1)

    times = np.arange(len(found.samples)) / found.rate_hz
    rows[0].plot(times, found.samples, color="0.2", linewidth=0.5)
    rows[0].set_ylabel("sound", rotation=0, ha="right", va="center")
    rows[0].set_yticks([])
    picture = found.picture
    rows[1].imshow(
        picture.levels,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, lasts_s, -0.5, len(picture.levels) - 0.5),
        interpolation="nearest",
    )
    shown_hz = NICE_HZ[(picture.centers_hz[0] <= NICE_HZ) & (picture.centers_hz[-1] >= NICE_HZ)]
    rows[1].set_yticks(np.interp(shown_hz, picture.centers_hz, np.arange(len(picture.levels))), shown_hz)
    rows[1].set_ylabel("Hz")
    after = iter(rows[2:])
    if contrast is not None:
        for word_path, colour in ((contrast.winner, RIGHT), (contrast.other, WRONG)):
            _draw_segments(next(after), word_path.states + 1, edges_s, clipped(word_path.word), colour)
    for number, symbols in enumerate(streams):
        name = "symbols" if len(streams) == 1 else f"symbols {number + 1}"
        _draw_segments(next(after), symbols, edges_s, name, "0.4", coloured=True)
    if contrast is not None:
        _draw_difference(next(after), contrast, edges_s)
        first, last = contrast.decided
        for axes in rows[2:] if last > first else []:
            axes.axvspan(edges_s[first], edges_s[last], color=MARK, alpha=0.25, linewidth=0, zorder=1.5)
        for axes in rows[:2] if last > first else []:
            for edge in (edges_s[first], edges_s[last]):
                axes.axvline(edge, color=MARK, linewidth=1, linestyle="--")
    for axes in rows[:2]:
        for edge in (found.start_s, found.end_s):
            axes.axvline(edge, color=WRONG, linewidth=1)
    for axes in rows[:-1]:
        axes.tick_params(labelbottom=False)
    rows[0].set_xlim(0, lasts_s)
    told = (
        f"; bars: up for ‘{clipped(contrast.winner.word)}’, down for ‘{clipped(contrast.other.word)}’"
        if contrast
        else ""
    )
    rows[-1].set_xlabel(f"time (s){told}")
    rows[0].set_title(clipped(title or "", 80))
    _draw_ranked(figure.add_subplot(grid[:, 1]), found.ranked)
    save_picture(figure, path)


def clipped(text, most=16):
    """Cut what would leave no room for the picture."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _draw_segments(axes, values, edges_s, name, colour, coloured=False):
    """Draw runs of equal values as boxes that name them; `coloured`: each value has a colour, as in draw.js."""
    colours = matplotlib.colormaps["hsv"]
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    ends = np.append(starts[1:], len(values))
    for number, (start, end) in enumerate(zip(starts, ends)):
        left, width = edges_s[start], edges_s[end] - edges_s[start]
        fill = "0.9" if number % 2 else "white"
        if coloured:
            fill = colours(int(values[start]) * 47 % 360 / 360, alpha=0.35)
        axes.broken_barh([(left, width)], (0, 1), facecolor=fill, edgecolor="0.6", linewidth=0.5)
        if width > 0.012 * (edges_s[-1] - edges_s[0]) * len(str(values[start])):
            axes.text(
                left + width / 2, 0.5, str(values[start]), ha="center", va="center", fontsize=7, clip_on=True
            )
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_ylabel(name, rotation=0, ha="right", va="center", color=colour)


def _draw_difference(axes, contrast, edges_s):
    difference = contrast.difference
    axes.bar(
        edges_s[:-1],
        difference,
        edges_s[1] - edges_s[0],
        align="edge",
        color=np.where(difference > 0, RIGHT, WRONG),
        zorder=2,
    )
    axes.axhline(0, color="0.4", linewidth=0.6)
    axes.set_ylabel("nats a frame\n(bars)")
    sums, summed = axes.twinx(), np.append(0.0, difference.cumsum())
    sums.plot(edges_s, summed, color="0.15", linewidth=1.2)
    sums.set_ylabel("sum in nats\n(line)", color="0.15")
    # each has a scale of its own, and both the same zero
    largest = [max(np.abs(values).max(), 1e-9) for values in (difference, summed)]
    shares = np.concatenate([difference / largest[0], summed / largest[1]])
    low, high = min(shares.min(), -0.1) - 0.05, max(shares.max(), 0.1) + 0.05
    for own, scale in zip((axes, sums), largest):
        own.set_ylim(low * scale, high * scale)
    sums.yaxis.set_major_locator(MaxNLocator(4))


def _draw_ranked(axes, ranked):
    """The likeliest words, by their probability or, where that is not known, by what they lie behind the best."""
    best = max((one.log_likelihood for one in ranked if one.log_likelihood is not None), default=0.0)
    known = ranked[0].posterior is not None
    values = [one.posterior if known else best - one.log_likelihood for one in ranked]
    axes.barh(range(len(ranked)), values, color=[RIGHT, *["0.7"] * (len(ranked) - 1)])
    axes.set_yticks(
        range(len(ranked)), ["none of\nthem" if one.word == UNKNOWN else clipped(one.word) for one in ranked]
    )
    axes.invert_yaxis()
    axes.set_xlabel("probability" if known else "nats behind the best")
    if known:
        axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.2f}" if known else f"{value:.0f}",
            (value, place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
