"""What lies in two dimensions of a feature space: Gaussians as ellipses, a codebook's cells, frames beneath."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke

from asrkit.plots.style import COLOURS, minus, save, styled

FEW_CELLS = 16  # that have colours and numbers of their own
WHITE = [withStroke(linewidth=3, foreground="white")]


@styled
def plot_gaussians(
    weights,
    means,
    covariances,
    path,
    *,
    names,
    groups=None,
    labels=None,
    points=None,
    owners=None,
    title=None,
    form="png",
):
    """Draw Gaussians in a plane as ellipses of one standard deviation, and of two where there are few; frames beneath.

    Parameters
    ----------
    weights : (M,)
    means : (M, 2)
    covariances : (M, 2, 2)
        Of the marginal Gaussians in these two dimensions.
    path : file name or binary stream
    names : (str, str)
        What the axes are.
    groups : int (M,), optional
        The state of each Gaussian, from 0: Gaussians of a state have one colour, early states dark, late ones pale.
        By default each Gaussian has its own.
    labels : list of str, optional
        Of the groups, at the places of their heaviest Gaussians.
    points : (N, 2), optional
        Frames.
    owners : int (N,), optional
        The group of each frame, -1 for none.
    form : {"png", "pdf", "svg"}
    """
    weights, means = np.asarray(weights, dtype=float), np.asarray(means, dtype=float)
    covariances = np.asarray(covariances, dtype=float)
    states = groups is not None
    groups = np.arange(len(weights)) if groups is None else np.asarray(groups)
    colours = group_colours(weights, groups, states)
    figure = Figure(figsize=(7.4, 5.6), layout="constrained")
    axes = figure.add_subplot()
    if points is not None:
        draw_points(axes, points, owners, colours)
    few, corners = len(weights) <= 2 * len(COLOURS), []
    for m in np.argsort(weights):
        values, vectors = np.linalg.eigh(covariances[m])
        size = 2 * np.sqrt(np.maximum(values, 0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        colour = colours[groups[m]]
        for times in (1, 2) if few else (1,):
            axes.add_patch(
                Ellipse(
                    means[m],
                    times * size[1],
                    times * size[0],
                    angle=angle,
                    facecolor=(*matplotlib.colors.to_rgb(colour), 0.1) if times == 1 else "none",
                    edgecolor=colour,
                    linewidth=1.8 if times == 1 else 1.4,
                    linestyle="-" if times == 1 else ":",
                    zorder=3,
                )
            )
        reach = (2 if few else 1) * np.sqrt(np.diagonal(covariances[m]))
        corners += [means[m] - reach, means[m] + reach]
    set_limits(axes, np.min(corners, axis=0), np.max(corners, axis=0), points)
    for place, group in enumerate(dict.fromkeys(groups.tolist())):
        own = np.flatnonzero(groups == group)
        heaviest = own[weights[own].argmax()]
        if labels is not None and (few or states):
            axes.annotate(
                labels[place],
                means[heaviest],
                ha="center",
                va="center",
                color=colours[group],
                fontweight="bold",
                fontsize=11,
                path_effects=WHITE,
                zorder=6,
            )
    if not states and few:
        for m in range(len(weights)):
            axes.plot([], [], "o", color=colours[m], label=f"{m + 1}: {weights[m]:.3f}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, title="weights")
    finish(axes, names, title)
    save(figure, path, form)


def group_colours(weights, groups, ordered):
    """Choose a colour for each group: of groups in an order along viridis, else the heaviest have one each and the others are grey."""
    distinct = sorted(set(groups.tolist()))
    if ordered:
        scale = matplotlib.colormaps["viridis"]
        return {
            g: matplotlib.colors.to_hex(scale(0.8 * i / max(len(distinct) - 1, 1)))
            for i, g in enumerate(distinct)
        }
    heaviest = sorted(distinct, key=lambda g: -weights[groups == g].sum())
    return {g: COLOURS[i] if i < len(COLOURS) else "#8a8a8a" for i, g in enumerate(heaviest)}


def draw_points(axes, points, owners, colours):
    """Draw frames as dots, in the colours of their groups where these are known."""
    points = np.asarray(points)
    look = {"linestyle": "", "marker": "o", "markersize": 2.6, "markeredgewidth": 0, "zorder": 1}
    look["alpha"] = float(np.clip(600 / max(len(points), 1), 0.25, 0.7))
    owners = np.full(len(points), -1) if owners is None else np.asarray(owners)
    for owner in np.unique(owners):
        axes.plot(*points[owners == owner].T, color=colours.get(int(owner), "#777777"), **look)


def set_limits(axes, low, high, points):
    """Let a plane be seen from `low` to `high` and wherever nearly all points are."""
    if points is not None and len(points):
        least, most = np.quantile(points, [0.005, 0.995], axis=0)
        low, high = np.minimum(low, least), np.maximum(high, most)
    size = np.where(high > low, high - low, 1.0)
    low, high = low - 0.05 * size, high + 0.05 * size
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def finish(axes, names, title):
    """Name the axes of a plane."""
    axes.set(xlabel=names[0], ylabel=names[1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    axes.grid(color="0.93", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title or "")


@styled
def plot_cells(vectors, path, *, names, points=None, owners=None, title=None, form="png"):
    """Draw code vectors in a plane, the cells of what is nearest to each, and frames beneath.

    Parameters
    ----------
    vectors : (M, 2)
        On a scale on which distances are taken: both axes have the same.
    path : file name or binary stream
    names : (str, str)
        What the axes are.
    points : (N, 2), optional
        Frames on the same scale.
    owners : int (N,), optional
        The code vector of each frame, which gives it its colour where the cells have some.
    form : {"png", "pdf", "svg"}
    """
    from scipy.spatial import Voronoi  # late: needed here only

    vectors = np.asarray(vectors, dtype=float)
    figure = Figure(figsize=(7.4, 6.2), layout="constrained")
    axes = figure.add_subplot()
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    margin = 0.12 * max((high - low).max(), 1e-9) if len(vectors) > 1 else 1.0
    set_limits(axes, low - margin, high + margin, points)
    if points is not None:
        colours = {m: COLOURS[m % len(COLOURS)] for m in range(len(vectors))}
        draw_points(axes, points, owners if len(vectors) <= FEW_CELLS else None, colours)
    # Four vectors far away close the cells that have no end; their own are not seen.
    middle, far = (low + high) / 2, 1000 * max((high - low).max(), margin)
    around = middle + far * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    cells = Voronoi(np.concatenate([vectors, around]))
    few = len(vectors) <= FEW_CELLS
    for m in range(len(vectors)):
        corners = cells.vertices[[k for k in cells.regions[cells.point_region[m]] if k >= 0]]
        if len(corners) < 3:
            continue
        axes.fill(
            *corners.T,
            facecolor=(*matplotlib.colors.to_rgb(COLOURS[m % len(COLOURS)]), 0.13) if few else "none",
            edgecolor="#0072b2",
            linewidth=1.5 if len(vectors) <= 64 else 0.9,
            zorder=2,
        )
    axes.plot(
        *vectors.T, "o", color="#d55e00", markersize=5 if len(vectors) <= 64 else 3, markeredgecolor="white",
        markeredgewidth=0.6, zorder=4,
    )  # fmt: skip
    if few:
        for m, place in enumerate(vectors):
            axes.annotate(
                str(m), place, (5, 5), textcoords="offset points", fontsize=11, fontweight="bold",
                path_effects=WHITE, zorder=5, annotation_clip=True,
            )  # fmt: skip
    axes.set_aspect("equal", adjustable="box")
    finish(axes, names, title)
    save(figure, path, form)
