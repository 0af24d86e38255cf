"""Pictures of word models: their training, and the states of one recording."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asrkit.plots.style import GREY, RIGHT, minus, save, spread, styled

NICE_HZ = np.array([0, 100, 200, 500, 1000, 2000, 3000, 4000, 6000, 8000, 12000, 16000, 24000])


@styled
def plot_training_curves(curves, path, title=None):
    """Draw the objective of every word's training over the iterations.

    Parameters
    ----------
    curves : dict of str to list of tuple
        Word to (iteration, log-likelihood per frame), with or without the number of Gaussians and whether this is the finished model.
        A ring marks an iteration whose number of Gaussians differs from the one before, a square the finished model: what it shares
        with the other words costs likelihood.
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    colours = matplotlib.colormaps["tab10" if len(curves) <= 10 else "turbo"]
    ends, split, finished = [], False, False
    for number, (word, points) in enumerate(curves.items()):
        colour = colours(number if len(curves) <= 10 else number / (len(curves) - 1))
        iterations, objective = [p[0] for p in points], [p[1] for p in points]
        axes.plot(iterations, objective, color=colour, linewidth=1.4)
        for before, point in zip(points, points[1:]):
            if len(point) > 2 and point[2] != before[2]:
                axes.plot(*point[:2], "o", markersize=4.5, markerfacecolor="white", markeredgecolor=colour)
                split = True
            if len(point) > 3 and point[3]:
                axes.plot(*point[:2], "s", markersize=3.5, color=colour)
                finished = True
        if points:
            ends.append((objective[-1], iterations[-1], word, colour))
    low, high = axes.get_ylim()
    gap = (high - low) * min(0.045, 1 / max(len(ends), 1))
    heights = spread(sorted(end[0] for end in ends), gap)
    for (value, iteration, word, colour), height in zip(sorted(ends), heights):
        axes.annotate(
            word,
            (iteration, value),
            (1.03, height),
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            va="center",
            annotation_clip=False,
            fontsize=min(9, 200 / max(len(ends), 1)),
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6},
        )
    told = ["rings: mixtures split, more Gaussians from here on"] * split + [
        "squares: finished models, shared or smoothed"
    ] * finished
    axes.set_xlabel("iteration" + (f" ({'; '.join(told)})" if told else ""))
    axes.set_ylabel("log-likelihood per frame")
    axes.set_title(title or "")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="0.92", linewidth=0.6)
    save(figure, path)


@styled
def plot_alignment(
    spectrogram_db, freq_hz, frame_shift_s, path_states, word, scores, path, title=None, form="png"
):
    """Draw the state sequence of one recording over its spectrogram, and the score of every frame below.

    Parameters
    ----------
    spectrogram_db : array (F, T)
        Power in dB, low frequencies first; linear or mel bands.
    freq_hz : array (F,)
        Centre frequency of every band; the bands are drawn at equal heights.
    frame_shift_s : float
    path_states : int array (T,)
        State of every frame, numbered as they are drawn: the alignment's begin at 0.
    word : str
        The word whose model made the alignment.
    scores : array (T,)
        Log-likelihood of every frame in its state.
    title : str, optional
        Default: the word.
    form : {"png", "pdf", "svg"}
    """
    spectrogram_db, freq_hz = np.asarray(spectrogram_db), np.asarray(freq_hz)
    states, scores = np.asarray(path_states), np.asarray(scores)
    frames = len(states)
    if spectrogram_db.shape != (len(freq_hz), frames) or scores.shape != (frames,) or not frames:
        raise ValueError(
            f"spectrogram {spectrogram_db.shape}, {len(freq_hz)} frequencies, {frames} states and {len(scores)} scores "
            "do not fit together"
        )
    edges_s = frame_shift_s * np.arange(frames + 1)
    starts = np.flatnonzero(np.diff(states, prepend=states[0] - 1))
    ends = np.append(starts[1:], frames)

    figure = Figure(figsize=(7, 4.8), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.1])
    peak = spectrogram_db.max()
    picture = top.imshow(
        spectrogram_db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=max(spectrogram_db.min(), peak - 70),
        vmax=peak,
        extent=(0, edges_s[-1], -0.5, len(freq_hz) - 0.5),
        interpolation="nearest",
    )
    bar = figure.colorbar(picture, ax=top, pad=0.02, aspect=30)
    bar.set_label("dB")
    bar.outline.set_visible(False)
    shown_hz = NICE_HZ[(freq_hz[0] <= NICE_HZ) & (freq_hz[-1] >= NICE_HZ)]
    top.set_yticks(np.interp(shown_hz, freq_hz, np.arange(len(freq_hz))), shown_hz)
    top.set_ylabel("frequency (Hz)")
    top.set_title(title or word, pad=18)

    steps = top.twinx()
    steps.stairs(states, edges_s, baseline=None, color="white", linewidth=2.6, alpha=0.9)
    steps.stairs(states, edges_s, baseline=None, color="#19a974", linewidth=1.4)
    steps.set_ylim(states.min() - 0.5, states.max() + 0.5)
    steps.yaxis.set_major_locator(MaxNLocator(integer=True))
    steps.set_ylabel(f"state of '{word}'", color="#12805a")
    steps.tick_params(axis="y", colors="#12805a")
    for start, end in zip(starts, ends):
        top.text(
            (edges_s[start] + edges_s[end]) / 2,
            1.02,
            str(states[start]),
            transform=top.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
            color="#12805a",
        )
        if start:
            top.axvline(edges_s[start], color="white", linewidth=0.8, linestyle=":")
            bottom.axvline(edges_s[start], color="0.75", linewidth=0.8, linestyle=":")

    bottom.stairs(scores, edges_s, baseline=None, color=RIGHT, linewidth=1.3)
    bottom.axhline(scores.mean(), color=GREY, linewidth=0.8)
    bottom.text(
        1.01,
        scores.mean(),
        minus(f"mean\n{scores.mean():.1f}"),
        transform=bottom.get_yaxis_transform(),
        va="center",
        color=GREY,
        fontsize=8,
    )
    bottom.set_ylabel("log-likelihood\nper frame")
    bottom.set_xlabel("time (s)")
    bottom.set_xlim(0, edges_s[-1])
    save(figure, path, form)
