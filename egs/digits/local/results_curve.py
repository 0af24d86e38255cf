"""The picture of a table's errors against a number."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from asrkit.evaluation.advice import widest_interval
from asrkit.plots.style import GREY, RIGHT, WRONG, save, styled

COLOURS = (WRONG, GREY, RIGHT)


@styled
def draw_curve(curve, reports, path):
    """Draw error rates on logarithmic axes, each line with a band of its 95 % interval.

    Parameters
    ----------
    curve : Curve
    reports : dict of str to ErrorReport
        By row.
    path : path or open binary stream
        The interval is as wide as those of words (Wilson) and of speakers (bootstrap) together. No error has no place on such an axis:
        it is drawn as half of one.
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for (label, points), colour in zip(curve.lines, COLOURS, strict=True):
        numbers = [number for number, _ in points]
        of = [reports[name] for _, name in points]
        least = [50 / report.num_words for report in of]
        rates = np.maximum([100 * report.wer for report in of], least)
        low, high = 100 * np.array([widest_interval(report) for report in of]).T
        axes.fill_between(numbers, np.maximum(low, least), high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(numbers, rates, "o-", color=colour, linewidth=1.4, markersize=4.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(numbers, map(str, numbers))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.92")
    axes.set_xlabel(curve.axis)
    axes.set_ylabel("word error rate (%)")
    axes.legend(frameon=False)
    save(figure, path)
