"""How the lessons' pictures look: colours for colour-blind readers, letters and lines for print and projector."""

import matplotlib as mpl

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK, YELLOW)  # Okabe and Ito (2008)


def use():
    """Set matplotlib's defaults for a lesson; each calls it once."""
    mpl.rcdefaults()
    mpl.rcParams.update({
        "figure.constrained_layout.use": True, "figure.figsize": (8, 4.5), "figure.dpi": 100,
        "font.size": 11, "axes.titlesize": 11, "axes.titlelocation": "left", "legend.fontsize": 10,
        "lines.linewidth": 1.8, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "axes.prop_cycle": mpl.cycler(color=COLORS), "image.cmap": "viridis",
    })  # fmt: skip
