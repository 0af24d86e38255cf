"""The picture of a trellis: the best log score of every way to each state, frame by frame, and the best path."""

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asrkit.plots.style import RIGHT, minus, save, styled

FEW = 160  # cells in which their numbers have room
BEHIND = 100.0  # nats behind the best at a frame, at which colours end


@styled
def plot_trellis(
    delta, best, path, *, start=None, back=None, edges_s=None, score=None, title=None, form="png"
):
    """Draw the trellis D(t, j) of Viterbi's recursion with its entry and the best path.

    Colours show how far each state lies behind the best one at the same frame: D itself changes by tens of nats from frame to
    frame, beside which its differences would not be seen; the panel below has it along the best path.

    Parameters
    ----------
    delta : (T, S)
        Log score of the best way to state j at frame t; -inf where there is none.
    best : int (T,)
        The best path, states from 0.
    path : file name or binary stream
    start : (S,), optional
        Entry probabilities p(1, j), written where they are not 0.
    back : int (T, S), optional
        The state before on the best way, -1 for none: drawn where there are few cells.
    edges_s : (T + 1,), optional
        Where frames begin and end, seconds; else frames are counted from 1.
    score : float, optional
        Of the whole path, the step out of the word included.
    form : {"png", "pdf", "svg"}
    """
    delta, best = np.asarray(delta, dtype=float), np.asarray(best)
    frames, states = delta.shape
    edges = np.arange(frames + 1) + 0.5 if edges_s is None else np.asarray(edges_s)
    centres = (edges[:-1] + edges[1:]) / 2
    with np.errstate(invalid="ignore"):
        behind = np.where(np.isfinite(delta), delta.max(axis=1, keepdims=True) - delta, np.nan)
    few = frames * states <= FEW and frames <= 24
    figure = Figure(figsize=(8.6, 3.4 + min(0.24 * states, 5.0)), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[0.28 * states + 1.4, 1.1])
    shades = matplotlib.colormaps["viridis_r"].with_extremes(bad="0.9")
    reach = min(max(float(np.nanmax(behind)), 1e-9), BEHIND)
    picture = top.pcolormesh(
        edges, np.arange(states + 1) + 0.5, np.ma.masked_invalid(behind.T), cmap=shades, vmin=0, vmax=reach
    )
    bar = figure.colorbar(
        picture, ax=top, pad=0.01, aspect=25, extend="max" if np.nanmax(behind) > reach else "neither"
    )
    bar.set_label("nats behind the best\nstate of the frame")
    bar.outline.set_visible(False)
    if few:
        draw_numbers(top, delta, behind / reach, centres)
        if back is not None:
            draw_ways(top, np.asarray(back), centres)
    top.plot(centres, best + 1, color="white", linewidth=4.2, solid_joinstyle="round", zorder=4)
    top.plot(
        centres,
        best + 1,
        color="#d55e00",
        linewidth=2.2,
        solid_joinstyle="round",
        zorder=5,
        label="best path",
    )
    if not few:
        top.plot(
            centres[0], best[0] + 1, "o", color="#d55e00", markersize=7, markeredgecolor="white", zorder=6
        )
    if start is not None:
        draw_entry(top, np.asarray(start), edges)
    # beside entries there is room above, unless all states have one
    above = start is not None and np.argwhere(np.asarray(start) > 0).max() < states // 2
    top.set_ylabel("state j", labelpad=4 if start is None or above else 112, loc="top" if above else "center")
    top.yaxis.set_major_locator(MaxNLocator(min(states, 12), integer=True))
    top.set_title(title or "")
    along = delta[np.arange(frames), best]
    bottom.plot(centres, along, "o-" if few else "-", color=RIGHT, linewidth=1.8, markersize=4)
    told = "" if score is None else f", {minus(f'{score:.1f}')} at the end of the word"
    bottom.set_ylabel("D (nats)")
    bottom.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    bottom.set_xlabel(
        ("frame" if edges_s is None else "time (s)") + f"   (below: D along the best path{told})"
    )
    bottom.grid(axis="y", color="0.92", linewidth=0.8)
    bottom.set_xlim(edges[0], edges[-1])
    save(figure, path, form)


def draw_numbers(axes, delta, shade, centres):
    """Write D(t, j) into its cell."""
    for t, j in np.argwhere(np.isfinite(delta)).tolist():
        axes.text(
            centres[t], j + 1.3, minus(f"{delta[t, j]:.1f}"), ha="center", va="center",
            fontsize=9 if len(delta) <= 12 else 7.5, color="white" if shade[t, j] > 0.45 else "0.1", zorder=7,
        )  # fmt: skip


def draw_ways(axes, back, centres):
    """Draw from where the best way into each cell came."""
    lines = [
        [(centres[t - 1], back[t, j] + 1), (centres[t], j + 1)]
        for t, j in np.argwhere(back >= 0).tolist()
        if t > 0
    ]
    axes.add_collection(LineCollection(lines, colors="0.35", linewidths=1.4, linestyles=":", zorder=3))


def draw_entry(axes, start, edges):
    """Write the entry p(1, j) before the first frame, where it is not 0."""
    axes.set_xlim(edges[0], edges[-1])
    for j in np.flatnonzero(start > 0):
        axes.annotate(
            f"p(1, {j + 1}) = {start[j]:.2g}",
            (edges[0], j + 1),
            (-52, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color="#0072b2",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#0072b2",
                "linewidth": 1.5,
                "shrinkA": 2,
                "shrinkB": 20,
            },
        )
