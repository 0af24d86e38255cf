"""The picture of a hidden Markov model: the chain of its states, and below each state what it draws."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from asrkit.plots.style import minus, save, styled

RADIUS = 0.27
LEAST = 0.0005  # probabilities below this are not drawn
FEWEST = 5  # states that there is room for, however few
INK, ENTRY, EXIT, UP, BACK = "#222222", "#0072b2", "#b04e00", "#00704f", "#7a5195"
WHITE = [withStroke(linewidth=3, foreground="white")]
ROW = 0.24  # inches of a row below


@styled
def plot_chain(
    start,
    transitions,
    exit,
    path,
    *,
    durations=None,
    means=None,
    names=None,
    draws=None,
    title=None,
    form="png",
):
    """Draw the states of an HMM with their transitions, and below each what it draws.

    Parameters
    ----------
    start, exit : (S,)
        Probabilities of entering the word in each state, and of leaving it after each.
    transitions : (S, S)
        P(state j next | state i).
    path : file name or binary stream
    durations : list of str, optional
        Of the states, written below them.
    means : (D, S), optional
        A number for each dimension (row) and state, drawn as colours on one scale about 0.
    names : list of str, optional
        Of the D dimensions.
    draws : list of (str, (S, R, 2) array), optional
        Tables: a heading, and for each state the R things that it draws most often, their numbers and probabilities.
    form : {"png", "pdf", "svg"}
    """
    transitions = np.asarray(transitions)
    count = len(transitions)
    jumps = [(i, j) for i, j in np.argwhere(transitions >= LEAST).tolist() if j - i not in (0, 1)]
    height = 0.2 + max([0.6] + [apex(j - i) for i, j in jumps if j > i])
    depth = 0.2 + max([0.35] + [apex(i - j + 1) for i, j in jumps if j < i])
    rows = 0 if means is None else len(means)
    tables = [] if draws is None else draws
    heights = [1.15 * (height + depth + 0.5), *([ROW * rows + 0.1] if rows else [])]
    heights += [ROW * (np.shape(table)[1] + 1) for _, table in tables]
    width = min(max(7.4, 1.05 * count + 1.6), 24.0)
    figure = Figure(figsize=(width, sum(heights) + 0.7 + 0.25 * len(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    panels[0].set_title(title or "")
    panels[0].axis("off")
    below = iter(panels[1:])
    if rows:
        draw_means(figure, next(below), np.asarray(means), names)
    for heading, table in tables:
        draw_table(next(below), heading, np.asarray(table))
    beside = max(0.0, (FEWEST - count) / 2)
    panels[0].set_xlim(-0.95 - beside, count - 0.05 + beside)
    figure.draw_without_rendering()  # the layout, and with it how wide a state's column is
    box = panels[0].get_window_extent()
    spare = np.ptp(panels[0].get_xlim()) * box.height / box.width - height - depth - 2 * RADIUS
    panels[0].set_ylim(-depth - RADIUS - spare / 2, height + RADIUS + spare / 2)  # circles are round so
    draw_states(panels[0], np.asarray(start), transitions, np.asarray(exit), durations)
    save(figure, path, form)


def draw_states(axes, start, transitions, leave, durations):
    """Draw circles and arrows: loops above, skips over them, ways back below; entries from the left, exits to the right."""
    count = len(transitions)
    for j in range(count):
        axes.add_patch(Circle((j, 0), RADIUS, facecolor="#eef4f9", edgecolor=INK, linewidth=1.6, zorder=3))
        axes.text(j, 0, str(j + 1), ha="center", va="center", fontsize=12, fontweight="bold", zorder=4)
        if transitions[j, j] >= LEAST:
            _arrow(axes, (j - 0.13, RADIUS * 0.86), (j + 0.13, RADIUS * 0.86), INK, "arc3,rad=-2.1")
            axes.text(j, RADIUS + 0.26, short(transitions[j, j]), ha="center", va="bottom")
        if durations is not None:
            axes.text(
                j,
                -RADIUS - 0.08,
                durations[j],
                ha="center",
                va="top",
                color="0.3",
                path_effects=WHITE,
                zorder=5,
            )
    for i, j in np.argwhere(transitions >= LEAST).tolist():
        if j == i + 1:
            _arrow(axes, (i + RADIUS, 0), (j - RADIUS, 0), INK)
            axes.text((i + j) / 2, 0.05, short(transitions[i, j]), ha="center", va="bottom")
        elif j != i:
            up = j > i
            sign, away = (1, j - i) if up else (-1, i - j)
            y, dx = sign * 0.72 * RADIUS, sign * 0.19
            top = sign * apex(away + (not up))
            bend = 2 * abs(top - y) / (away - 0.38)  # of a parabola, half as high as its control point
            _arrow(axes, (i + dx, y), (j - dx, y), UP if up else BACK, f"arc3,rad={-bend}")
            axes.text(
                (i + j) / 2, top, short(transitions[i, j]), ha="center", va="center", color=UP if up else BACK,
                path_effects=WHITE, zorder=5,
            )  # fmt: skip
    for j in np.flatnonzero(start >= LEAST):
        from_ = (-0.85, 0) if j == 0 else (j - 0.45, 0.55)
        to = (-RADIUS, 0) if j == 0 else (j - 0.75 * RADIUS, 0.72 * RADIUS)
        _arrow(axes, from_, to, ENTRY)
        x, y = (-0.6, 0.05) if j == 0 else (from_[0], from_[1] + 0.02)
        axes.text(x, y, short(start[j]), ha="center", va="bottom", color=ENTRY, path_effects=WHITE)
    for j in np.flatnonzero(leave >= LEAST):
        last = j == count - 1
        from_ = (j + RADIUS, 0) if last else (j + 0.75 * RADIUS, -0.72 * RADIUS)
        to = (j + 0.82, 0) if last else (j + 0.45, -0.55)
        _arrow(axes, from_, to, EXIT)
        x, y, va = (j + 0.55, 0.05, "bottom") if last else (to[0], to[1] - 0.02, "top")
        axes.text(x, y, short(leave[j]), ha="center", va=va, color=EXIT, path_effects=WHITE)


def apex(away):
    """How high an arrow over so many states rises: above their loops."""
    return 0.5 + 0.2 * away


def _arrow(axes, from_, to, colour, style="arc3,rad=0"):
    axes.add_patch(
        FancyArrowPatch(
            from_, to, connectionstyle=style, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.5,
            shrinkA=0, shrinkB=0, zorder=2,
        )
    )  # fmt: skip


def short(p):
    """Write a probability as slides do: .85."""
    text = f"{p:.2f}" if p >= 0.005 else f"{p:.0e}"
    return text.removeprefix("0") if p < 0.995 else text.removesuffix(".00")


def draw_means(figure, axes, means, names):
    """Draw a number for each dimension and state as colours about 0, blue below and red above."""
    reach = max(float(np.abs(means).max()), 1e-9)
    picture = axes.imshow(
        means, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest"
    )
    axes.set_yticks(range(len(means)), names or range(len(means)))
    axes.tick_params(length=0, labelbottom=True)
    axes.set_xticks(range(means.shape[1]), [str(j + 1) for j in range(means.shape[1])])
    axes.set_xlabel("state")
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, pad=0.01, aspect=25)
    bar.set_label("state’s mean, in standard\ndeviations about the word’s")
    bar.ax.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    bar.outline.set_visible(False)


def draw_table(axes, heading, table):
    """Write what each state draws most often, number and probability, shaded by the probability."""
    count, rows, _ = table.shape
    shades = matplotlib.colormaps["Blues"]
    most = max(float(table[..., 1].max()), 1e-9)
    for j in range(count):
        for row in range(rows):
            number, p = table[j, row]
            shade = shades(0.75 * p / most)
            axes.add_patch(Rectangle((j - 0.46, row - 0.46), 0.92, 0.92, facecolor=shade, edgecolor="white"))
            axes.text(
                j, row, f"{int(number)}  {short(p)}", ha="center", va="center",
                color="white" if p > 0.8 * most else INK,
            )  # fmt: skip
    axes.set_ylim(rows - 0.4, -0.6)
    axes.axis("off")
    axes.set_title(heading, fontsize=9)
