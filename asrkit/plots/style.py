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
# Okabe & Ito's colours, told apart by all; yellow, too pale on white, is left out for a violet.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#222222", "#7a5195")
# What a picture may be, and what must not be stored in it, for it is another each time.
FORMS = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}


def styled(plot):
    @functools.wraps(plot)
    def wrapper(*args, **named):
        with matplotlib.style.context(["default", STYLE]):
            return plot(*args, **named)

    return wrapper


def save(figure, path, form="png"):
    """Write a picture in one of FORMS."""
    with quiet(), matplotlib.rc_context({"svg.hashsalt": "asrkit"}):
        use_fonts(figure)
        figure.savefig(path, format=form, dpi=150, metadata=FORMS[form])


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
