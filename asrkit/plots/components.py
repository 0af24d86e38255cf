"""Pictures of the components of a phone's mixture, as PNG: tokens and Gaussians in a plane."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke

from asrkit.plots.style import COLOURS as COMPONENT_COLOURS
from asrkit.plots.style import GREY, minus, save, styled

WIDE = 1.2  # a plane's picture is so many times as wide as high


@styled
def plot_components(points, comps, rows, path, title=None):
    """Draw a phone's tokens in the plane, coloured by component, the Gaussians of the greatest as ellipses of
    one standard deviation.

    Parameters
    ----------
    points : (N, 2)
    comps : int (N,)
    rows : list of dict
        The components, most tokens first: "component", "n", "mean" (2,), "covariance" (2, 2), and the
        commonest neighbours "left" and "right", (phone, share). As many as there are colours are labelled
        with the neighbours, `S_T`; the others are pale.
    """
    points, comps = np.asarray(points, dtype=float), np.asarray(comps)
    named = rows[: len(COMPONENT_COLOURS)]
    figure = Figure(figsize=(9.3, 5.7), layout="constrained")
    axes = figure.add_subplot()
    opacity = float(np.clip(400 / max(len(points), 1), 0.25, 0.8))
    others = ~np.isin(comps, [row["component"] for row in named])
    if others.any():
        what = f"{len(rows) - len(named)} more: {others.sum()} tokens"
        axes.plot(
            *points[others].T,
            "o",
            color="0.82",
            markersize=3,
            markeredgewidth=0,
            alpha=0.7,
            zorder=1,
            label=what,
        )
    corners = []
    for row, colour in zip(named, COMPONENT_COLOURS):
        own = comps == row["component"]
        (left, left_share), (right, right_share) = row["left"], row["right"]
        what = f"{row['component']}: {row['n']} tokens, {left} {100 * left_share:.0f} %, {right} {100 * right_share:.0f} %"
        axes.plot(
            *points[own].T,
            "o",
            color=colour,
            markersize=3.5,
            markeredgewidth=0,
            alpha=opacity,
            zorder=2,
            label=what,
        )
        values, vectors = np.linalg.eigh(row["covariance"])
        size = 2 * np.sqrt(np.maximum(values, 0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        axes.add_patch(
            Ellipse(
                row["mean"],
                size[1],
                size[0],
                angle=angle,
                fill=False,
                edgecolor=colour,
                linewidth=1.6,
                zorder=4,
            )
        )
        reach = np.sqrt(np.maximum(np.diagonal(row["covariance"]), 0))
        corners += [row["mean"] - reach, row["mean"] + reach]
    low, high = np.quantile(points, [0.015, 0.985], axis=0)
    low, high = np.minimum(low, np.min(corners, axis=0)), np.maximum(high, np.max(corners, axis=0))
    middle, size = (low + high) / 2, 1.1 * (high - low)
    # steps are equal on both axes
    size = np.maximum(size, [size[1] * WIDE, size[0] / WIDE]) if size.max() > 0 else np.array([WIDE, 1.0])
    (left, bottom), (right, top) = middle - size / 2, middle + size / 2
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    places = apart(np.array([row["mean"] for row in named]), 0.09 * (right - left), 0.045 * (top - bottom))
    for row, colour, place in zip(named, COMPONENT_COLOURS, places):
        axes.annotate(
            f"{row['left'][0]}_{row['right'][0]}",
            row["mean"],
            place,
            ha="center",
            va="center",
            color=colour,
            fontweight="bold",
            zorder=6,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 4, "shrinkB": 0},
        )
    outside = int(
        np.sum(
            (points[:, 0] < left) | (points[:, 0] > right) | (points[:, 1] < bottom) | (points[:, 1] > top)
        )
    )
    if outside:
        axes.text(
            0.99,
            0.01,
            f"{outside} beyond the edges",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            color=GREY,
            fontsize=8,
        )
    axes.set(xlabel="first axis (standard deviations within components)", ylabel="second axis")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    axes.grid(color="0.94", linewidth=0.6)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    first = int(others.any())  # the pale ones, which stand last in the legend
    handles, labels = handles[first:] + handles[:first], labels[first:] + labels[:first]
    legend = axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        alignment="left",
        markerscale=1.8,
        title="component: tokens, commonest\nneighbour left and right",
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    axes.set_title(title or "")
    save(figure, path)


def apart(places, width, height):
    """Move places of labels (n, 2) up and down so that no two boxes of this size overlap; the first stays
    where it is.
    """
    out = np.array(places, dtype=float).reshape(-1, 2)
    for i in range(1, len(out)):
        steps = sorted(range(-2 * len(out), 2 * len(out) + 1), key=lambda step: (abs(step), step))
        for step in steps:
            tried = places[i] + np.array([0, 0.5 * step * height])
            if not np.any((np.abs(out[:i, 0] - tried[0]) < width) & (np.abs(out[:i, 1] - tried[1]) < height)):
                out[i] = tried
                break
    return out
