"""The picture of a front end: from the sound over spectrum and mel bands to cepstra and their deltas."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asrkit.plots.style import save, styled

END = "#d55e00"
RANGE_DB = 70.0


@dataclass(frozen=True, eq=False)
class Layer:
    """One stage on the way to features, drawn as a picture over time.

    Attributes
    ----------
    image : (F, T)
        Low rows first.
    extent : (float, float, float, float)
        Seconds from and to, and the ordinate from and to.
    label : str
        Of the ordinate.
    ticks : (list of float, list of str) or None
        On the ordinate.
    db : bool
        Decibels, of which the upper 70 are shown; else each row is drawn about its mean, in its standard deviation.
    """

    image: np.ndarray
    extent: tuple[float, float, float, float]
    label: str
    ticks: tuple[list[float], list[str]] | None = None
    db: bool = False


@styled
def plot_front_end(samples, rate_hz, ends_s, layers, path, *, title=None, form="png"):
    """Draw a recording with the ends that were found, and what becomes of it, one stage below the other.

    Parameters
    ----------
    samples : (N,)
    rate_hz : int
    ends_s : (float, float)
        Of the speech, seconds.
    layers : list of Layer
    path : file name or binary stream
    form : {"png", "pdf", "svg"}
    """
    heights = [1.0] + [1.5 if layer.db else 1.2 for layer in layers]
    figure = Figure(figsize=(8.6, 0.7 + sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    lasts_s = len(samples) / rate_hz
    panels[0].plot(np.arange(len(samples)) / rate_hz, samples, color="0.25", linewidth=0.6)
    panels[0].set_ylabel("sound\n(full scale 1)")
    for axes, layer in zip(panels[1:], layers):
        draw_layer(figure, axes, layer)
    for axes in panels:
        for edge in ends_s:
            axes.axvline(edge, color=END, linewidth=1.6, linestyle="--")
        if axes is not panels[-1]:
            axes.tick_params(labelbottom=False)
    panels[0].axvspan(0, ends_s[0], color="0.5", alpha=0.18, linewidth=0)
    panels[0].axvspan(ends_s[1], lasts_s, color="0.5", alpha=0.18, linewidth=0)
    panels[0].set_xlim(0, lasts_s)
    panels[0].set_title(title or "")
    panels[-1].set_xlabel("time (s); dashed: the ends of the speech")
    save(figure, path, form)


def draw_layer(figure, axes, layer):
    image, left_s, right_s, low, high = layer.image, *layer.extent
    if layer.db:
        look = {"cmap": "magma", "vmin": max(image.min(), image.max() - RANGE_DB), "vmax": image.max()}
    else:
        image = image - image.mean(axis=1, keepdims=True)
        spread = image.std(axis=1, keepdims=True)
        image = image / np.where(spread > 0, spread, 1.0)
        look = {"cmap": "RdBu_r", "vmin": -2.5, "vmax": 2.5}
    picture = axes.imshow(
        image,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(left_s, right_s, low, high),
        **look,
    )
    bar = figure.colorbar(picture, ax=axes, pad=0.01, aspect=12)
    bar.set_label("dB" if layer.db else "deviations\nabout the mean")
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    if layer.ticks:
        axes.set_yticks(*layer.ticks)
    axes.set_ylabel(layer.label)
