"""Pictures of phones and their scores, as PNG: an utterance, speakers against phones.

Scores are coloured by viridis, dark for low, whose steps look equally wide to all eyes, colour-blind ones
among them; what has no score is grey.
"""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from asrkit.plots.style import RIGHT, minus, save, styled

COLOURS, AROUND_ZERO = "viridis", "RdBu"
UNSCORED = {"facecolor": "0.93", "hatch": "//////", "edgecolor": "0.7"}
QUANTILES = (0.05, 0.95)
TOP_HZ = 8000  # speech has little above
RANGE_DB = 55
NARROW_IN = 0.09  # a box narrower than this has no room for letters
LETTER_IN = 0.068  # width of a letter of 9 points, about


@dataclass(frozen=True)
class Sound:
    """What is drawn above an utterance's phones.

    Attributes
    ----------
    image : (F, T)
    duration_s : float
    top : float
        Value at the upper edge, the lower is 0.
    label : str
        What goes upward.
    spectrogram : bool
        Decibels, drawn in grey as phoneticians know it; else features.
    """

    image: np.ndarray
    duration_s: float
    top: float
    label: str
    spectrogram: bool


def short(value):
    """Write a score in few letters: `-0.3`, `-57`, `-123k`; nothing for nan."""
    if not np.isfinite(value):
        return "" if np.isnan(value) else minus(str(value))
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return minus(
                f"{value / (1e3 if letter == 'k' else size):.{0 if abs(value) >= 10 * size or letter == 'k' else 1}f}{letter}"
            )
    text = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}"
    return "0.0" if text == "-0.0" else minus(text)


def score_range(scores):
    """Find where the colours begin and end: 5 to 95 % of the scores, so that a few far ones do not make all
    others alike.
    """
    scores = np.asarray(scores, dtype=float)
    scores = scores[np.isfinite(scores)]
    low, high = np.quantile(scores, QUANTILES) if len(scores) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def wideband(samples, rate_hz):
    """Compute a spectrogram as phoneticians read it: windows of 5 ms, so that formants are bands and the
    voice's pulses are seen.

    The window is Gaussian, cut at twice that length, and high frequencies are lifted by 6 dB an octave.
    """
    samples = np.asarray(samples, dtype=np.float64)
    width = max(4, round(0.01 * rate_hz))
    num_fft = max(256, 1 << (2 * width - 1).bit_length())
    hop = max(1, round(0.002 * rate_hz), len(samples) // 6000)
    window = np.exp(-0.5 * ((np.arange(width) - (width - 1) / 2) / (width / 6)) ** 2)
    lifted = np.pad(np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]), width // 2)
    frames = np.lib.stride_tricks.sliding_window_view(lifted, width)[::hop]
    lines = 1 + int(min(TOP_HZ, rate_hz / 2) * num_fft / rate_hz)
    power = np.abs(np.fft.rfft(frames * window, num_fft)[:, :lines]) ** 2
    image = 10 * np.log10(np.maximum(power, 1e-20)).T
    return Sound(
        image, len(samples) / rate_hz, (lines - 1) * rate_hz / num_fft / 1000, "frequency (kHz)", True
    )


@styled
def plot_utterance(sound, phones, limits, path, kind, title=None):
    """Draw an utterance: the sound, below it the phones as boxes coloured by score, below these the words.

    Parameters
    ----------
    sound : Sound
    phones : list of tuple
        (label, start in seconds, end, score, word or ""); a score of nan is drawn grey and hatched. Phones
        side by side that have the same word are one word.
    limits : tuple of float
        Scores at which the colours begin and end, of `score_range`: the same for all pictures that shall be
        compared.
    kind : str
        What the score is called.

    Notes
    -----
    The picture is as wide as the phones need, up to 40 inches. Phones too short for a text in the box have
    theirs above it; where many of them are close together, only those that have room.
    """
    end_s = max([sound.duration_s, *(end for _, _, end, _, _ in phones)])
    widths = [end - start for _, start, end, _, _ in phones if end > start]
    per_s = np.clip(0.25 / np.median(widths) if widths else 3, 1.5, 3.5)
    width = float(np.clip(1.9 + per_s * end_s, 7, 40))
    inches = (width - 1.9) / end_s
    words = runs_of_words(phones)
    narrow = any(inches * (end - start) < NARROW_IN for _, start, end, _, _ in phones)
    height = 1.45 if narrow else 1.0
    figure = Figure(figsize=(width, (3.6 if not words else 3.9) + height), layout="constrained")
    figure.get_layout_engine().set(hspace=0, h_pad=0.03)
    heights = [3, height, 0.34][: 3 if words else 2]
    top, boxes, *below = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)

    peak = sound.image.max()
    look = (
        {"cmap": "gray_r", "vmin": peak - RANGE_DB, "vmax": peak} if sound.spectrogram else {"cmap": "gray_r"}
    )
    if not sound.spectrogram:
        look["vmin"], look["vmax"] = np.quantile(sound.image, [0.02, 0.98])
    top.imshow(
        sound.image,
        origin="lower",
        aspect="auto",
        extent=(0, sound.duration_s, 0, sound.top),
        interpolation="bilinear" if sound.spectrogram else "nearest",
        **look,
    )
    top.set_ylabel(sound.label)
    top.set_title(title or "")
    norm, colours = Normalize(*limits), matplotlib.colormaps[COLOURS]
    free_s = -np.inf  # where the next text above a box may stand
    for label, start, end, score, _ in phones:
        middle = (start + end) / 2
        draw_phone(boxes, label, start, end, score, colours(norm(score)), inches)
        if inches * (end - start) < NARROW_IN and middle >= free_s:
            above = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 7, "in_layout": False}
            boxes.text(middle, 1.02, f"{label} {short(score)}".rstrip(), color="0.1", **above)
            free_s = middle + 0.1 / inches
    edges = sorted({time for _, start, end, _, _ in phones for time in (start, end)})
    top.vlines(edges, 0, 1, transform=top.get_xaxis_transform(), color=RIGHT, linewidth=0.6, alpha=0.7)
    boxes.set(ylim=(0, height), yticks=[], ylabel="phone,\nscore")
    for axes in below:
        for word, start, end in words:
            axes.add_patch(
                Rectangle((start, 0.08), end - start, 0.84, facecolor="0.95", edgecolor="0.55", linewidth=0.8)
            )
            if LETTER_IN * len(word) < inches * (end - start):
                axes.text((start + end) / 2, 0.48, word, ha="center", va="center", in_layout=False)
        axes.set(ylim=(0, 1), yticks=[], ylabel="word")
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
    boxes.yaxis.label.set(rotation=0, ha="right", va="center", y=0.5 / height)
    panels = [top, boxes, *below]
    for axes in panels[1:]:
        axes.spines["left"].set_visible(False)
    for axes in panels[:-1]:
        axes.tick_params(axis="x", length=0)
    for axes in panels[1:-1]:
        axes.spines["bottom"].set_visible(False)
    panels[-1].set_xlabel("time (s)")
    top.set_xlim(0, end_s)
    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=panels,
        extend="both",
        fraction=min(0.05, 0.35 / width),
        pad=0.15 / width,
        aspect=26,
    )
    bar.set_label(f"{kind} (colours: 5 to 95 % of all phones)")
    bar.ax.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    bar.outline.set_visible(False)
    save(figure, path)


def draw_phone(axes, label, start, end, score, colour, inches):
    """Draw a box with the label and the score, upright where the box is too narrow for them; without, where
    even that has no room.
    """
    look = UNSCORED if np.isnan(score) else {"facecolor": colour, "edgecolor": "white"}
    axes.add_patch(Rectangle((start, 0.04), end - start, 0.92, linewidth=0.8, **look))
    room = inches * (end - start)
    if room < NARROW_IN:
        return
    value = short(score)
    dark = not np.isnan(score) and np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5
    upright = room < 0.04 + max(0.1 * len(label), LETTER_IN * len(value))  # capitals in bold are wider
    for text, height, size in ((label, 0.72, 9.5), (value, 0.31, 8)):
        axes.text(
            (start + end) / 2,
            height,
            text,
            ha="center",
            va="center",
            rotation=90 if upright else 0,
            fontsize=min(size, room / 0.016),
            color="white" if dark else "0.1",
            fontweight="bold" if height > 0.5 else "normal",
            in_layout=False,
        )


def runs_of_words(phones):
    """Join phones side by side that have the same word: list of (word, start, end)."""
    words = []
    for (_, start, end, _, word), before in zip(phones, [None, *phones]):
        if word and before and before[4] == word:
            words[-1] = (word, words[-1][1], max(end, words[-1][2]))
        elif word:
            words.append((word, start, end))
    return words


@styled
def plot_speakers(means, speakers, phones, path, kind, centre=False, title=None):
    """Draw the mean score of every phone by every speaker; phones and speakers in order, the lowest first.

    Parameters
    ----------
    means : array (S, P)
        nan where a speaker has no scored token of a phone: grey.
    centre : bool
        Colour how far a cell is from its phone's median over the speakers, for kinds of score that are lower
        for some phones whoever speaks. The medians, which a single speaker far off does not move, stand above
        and order the phones; the means of the speakers' cells, as they are coloured, stand on the right and
        order the speakers.
    """
    means = np.asarray(means, dtype=float)
    medians = np.array(
        [np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else np.nan for own in means.T]
    )
    cells = means - medians if centre else means
    known = np.isfinite(cells)
    count = known.sum(axis=1)
    speaker_means = np.where(count > 0, np.where(known, cells, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
    rows, columns = np.argsort(speaker_means, kind="stable"), np.argsort(medians, kind="stable")  # nan last
    cells, speaker_means, medians = cells[np.ix_(rows, columns)], speaker_means[rows], medians[columns]
    speakers, phones = [speakers[i] for i in rows], [phones[i] for i in columns]
    num_speakers, num_phones = cells.shape
    norm = Normalize(*score_range(cells))
    if centre:
        far = np.quantile(np.abs(cells[known[np.ix_(rows, columns)]]), QUANTILES[1]) if known.any() else 0
        norm = Normalize(-far or -1, far or 1)
    cell_w, cell_h = np.clip(9 / num_phones, 0.06, 0.3), np.clip(9 / num_speakers, 0.02, 0.3)
    size = max(cell_w * num_phones, 3), max(cell_h * num_speakers, 1.2)
    names = min(max(map(len, speakers), default=0), 30) * 0.07
    figure = Figure(figsize=(size[0] + names + 2.9, size[1] + 1.9), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[size[0], 1.1], height_ratios=[0.75, size[1]])
    axes = figure.add_subplot(grid[1, 0])
    above, beside = figure.add_subplot(grid[0, 0], sharex=axes), figure.add_subplot(grid[1, 1], sharey=axes)

    axes.set_facecolor("0.82")
    picture = axes.pcolormesh(
        np.arange(num_phones + 1) - 0.5,
        np.arange(num_speakers + 1) - 0.5,
        np.ma.masked_invalid(cells),
        norm=norm,
        cmap=AROUND_ZERO if centre else COLOURS,
    )
    axes.set(xlim=(-0.5, num_phones - 0.5), ylim=(num_speakers - 0.5, -0.5), xlabel="phone", ylabel="speaker")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    thin_labels(axes.set_xticks, phones, cell_w, 0.09 + 0.03 * max(map(len, phones), default=1))
    thin_labels(axes.set_yticks, speakers, cell_h, 0.12)

    above.vlines(np.arange(num_phones), 0, medians, color="0.8", linewidth=1)
    above.plot(np.arange(num_phones), medians, "o", color=RIGHT, markersize=3.5)
    above.set_ylabel("median of\nspeakers")
    above.tick_params(axis="x", length=0, labelbottom=False)
    above.spines["bottom"].set_visible(False)
    beside.hlines(np.arange(num_speakers), 0, speaker_means, color="0.8", linewidth=min(1.5, 60 * cell_h))
    beside.plot(
        speaker_means, np.arange(num_speakers), "o", color=RIGHT, markersize=min(3.5, max(1.2, 40 * cell_h))
    )
    beside.axvline(0, color="0.6", linewidth=0.7)
    beside.set_xlabel("mean of\nthe row")
    beside.tick_params(axis="y", length=0, labelleft=False)
    beside.spines["left"].set_visible(False)
    for side, axis in ((above, "yaxis"), (beside, "xaxis")):
        getattr(side, axis).set_major_locator(matplotlib.ticker.MaxNLocator(3))
        getattr(side, axis).set_major_formatter(lambda value, _: short_tick(value))
        side.grid(axis=axis[0], color="0.92", linewidth=0.6)
        side.set_axisbelow(True)
    bar = figure.colorbar(
        picture,
        ax=[axes, beside, above],
        extend="both",
        extendfrac=0.02,
        fraction=0.04,
        pad=0.02,
        aspect=(size[1] + 1.4) / 0.17,
    )
    bar.set_label(f"mean {kind}" + (" less the phone's median over the speakers" if centre else ""))
    bar.ax.yaxis.set_major_formatter(lambda value, _: short_tick(value))
    bar.outline.set_visible(False)
    above.set_title(title or "")
    save(figure, path)


def short_tick(value):
    return minus(f"{value:g}") if abs(value) < 1e4 else short(value)


def thin_labels(set_ticks, names, step_in, needed_in):
    """Label every name, or of too many every second, third, ..."""
    every = int(np.ceil(needed_in / step_in - 1e-9))
    places = np.arange(0, len(names), max(every, 1))
    set_ticks(places, [names[i] for i in places], fontsize=8 if every <= 1 else 7)
