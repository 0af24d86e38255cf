"""Errors by kind of noise and signal-to-noise ratio."""

from asrkit.evaluation.scoring import Counts


def count_by_noise(counts, conditions):
    """Add up the error counts of utterances that had the same noise at the same ratio.

    Parameters
    ----------
    counts : dict of str to Counts
        By utterance.
    conditions : dict of str to (str, float or None)
        Utterance to its kind of noise, "none" for none, and signal-to-noise ratio in dB, None without noise.

    Returns
    -------
    dict of str to dict of (float or None) to Counts
        Kind of noise to ratio to counts; utterances without noise belong to every kind, under None.
    """
    kinds = {}
    for utt, count in counts.items():
        noise, snr = conditions[utt]
        cells = kinds.setdefault(noise, {})
        cells[snr] = cells.get(snr, Counts()) + count
    clean = kinds.pop("none", {})
    return {noise: {**clean, **cells} for noise, cells in sorted(kinds.items())}


def noise_lines(curves):
    """Lay out a table of error rates: systems and kinds of noise by signal-to-noise ratios.

    Parameters
    ----------
    curves : list of (str, str, dict)
        System, kind of noise, and its counts by ratio as `count_by_noise` gives them.

    Returns
    -------
    list of str
    """
    ratios = sorted({snr for *_, cells in curves for snr in cells if snr is not None}, reverse=True)
    ratios = [None] * any(None in cells for *_, cells in curves) + ratios
    counted = [cell for *_, cells in curves for cell in cells.values()]
    sizes = {cell.words for cell in counted}

    def inside(cell):
        return f"({cell.errors}/{cell.words})" if len(sizes) > 1 else f"({cell.errors})"

    width = max(len(inside(cell)) for cell in counted)

    def show(cell):
        return f"{100 * cell.errors / cell.words:.2f} {inside(cell):>{width}}" if cell and cell.words else "-"

    rows = [["system", "noise", *("clean" if snr is None else f"{snr:g} dB" for snr in ratios)]]
    rows += [[name, noise, *(show(cells.get(snr)) for snr in ratios)] for name, noise, cells in curves]
    widths = [max(map(len, column)) for column in zip(*rows)]
    counts = "errors/words" if len(sizes) > 1 else f"errors of {sizes.pop()} words"
    lines = [f"WER % by signal-to-noise ratio ({counts})"]
    for row in rows:
        cells = [
            f"{text:{'<' if place < 2 else '>'}{width}}"
            for place, (text, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells))
    return lines
