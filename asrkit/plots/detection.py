"""Pictures of how well words are told from what is none."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from asrkit.plots.style import GREY, RIGHT, WRONG, save, styled

TICKS = np.array([0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
LEAST = 5e-4  # what is less is drawn there: none is infinitely far away


@styled
def plot_det(detection, path, title=None):
    """Draw false acceptances against false rejections, both on the scale of normal deviates (Martin et al., 1997).

    Parameters
    ----------
    detection : Detection
    """
    from scipy.special import ndtri  # late: needed here only

    def place(rates):
        return ndtri(np.clip(rates, LEAST, 1 - LEAST))

    figure = Figure(figsize=(4.8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    _, rejected, accepted = detection.curve
    axes.plot(place(rejected), place(accepted), color=RIGHT, linewidth=1.5)
    rate = detection.equal_error_rate
    axes.plot(place(rate), place(rate), "o", color=WRONG, markersize=5)
    axes.annotate(
        f"equal error rate {100 * rate:.1f} %",
        (place(rate), place(rate)),
        (8, 8),
        textcoords="offset points",
        color=WRONG,
    )
    axes.plot(place(TICKS), place(TICKS), color=GREY, linewidth=0.5, linestyle=":")
    most = max(0.5, float(rejected[accepted > 0][-1:].max(initial=0)) * 1.1, 2 * rate)
    for axis, name in (
        (axes.xaxis, "right words that are rejected"),
        (axes.yaxis, "unknown words that are accepted"),
    ):
        shown = TICKS[most >= TICKS]
        axis.set_ticks(place(shown), [f"{100 * tick:g} %" for tick in shown])
        axis.set_minor_locator(NullLocator())
        axis.set_label_text(name)
    axes.set(
        xlim=place(np.array([LEAST, most])),
        ylim=place(np.array([LEAST, most])),
        title=title or "",
        aspect="equal",
    )
    axes.grid(color="0.92", linewidth=0.6)
    save(figure, path)


@styled
def plot_calibration(detection, path, title=None):
    """Draw the share of right words against the probability that was given, in ten bins, and how full they are.

    Parameters
    ----------
    detection : Detection
    """
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    mean, right, weight = detection.reliability
    some = weight > 0
    top.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    top.plot(mean[some], right[some], "o-", color=RIGHT, linewidth=1.2, markersize=4.5)
    top.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02), title=title or "")
    edges = np.arange(len(weight)) / len(weight)
    bottom.bar(edges, weight, 1 / len(weight), align="edge", color=RIGHT, alpha=0.35)
    bottom.set(xlabel="probability that was given", ylabel="trials", ylim=(0, 1))
    for axes in (top, bottom):
        axes.grid(color="0.92", linewidth=0.6)
    save(figure, path)
