"""What all pictures share: colours, letters, how one is saved. Only the rooms plots* import matplotlib.

A function that draws ends by writing one picture to `path`, a file name or an open binary stream.
The same numbers give the same bytes: the user's matplotlibrc has no say, and no date or version is stored.
"""

import functools

import matplotlib.style
import numpy as np

from asrkit.plots.fonts import quiet, use_fonts

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.titlelocation": "left",
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "text.parse_math": False,  # a word may hold dollar signs
}
RIGHT, WRONG, GREY = "#2c6fa6", "#c4432b", "0.45"


def styled(plot):
    @functools.wraps(plot)
    def wrapper(*args, **named):
        with matplotlib.style.context(["default", STYLE]):
            return plot(*args, **named)

    return wrapper


def save(figure, path):
    with quiet():
        use_fonts(figure)
        figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def minus(text):
    return text.replace("-", "\N{MINUS SIGN}")


def spread(values, gap):
    """Move sorted values apart to at least `gap`, the whole staying centred on where it was."""
    steps = gap * np.arange(len(values))
    # v[i] - i * gap must not fall: the mean of its running maximum and minimum from the two ends is one answer.
    rest = np.asarray(values) - steps
    upward = np.maximum.accumulate(rest)
    downward = np.minimum.accumulate(rest[::-1])[::-1]
    return (upward + downward) / 2 + steps
