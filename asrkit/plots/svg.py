"""Curves as SVG, for pages: their colours are those of page.css, light and dark."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from asrkit.plots.style import spread

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 40
ENDS = 70  # for names on the right
COLOURS = 6  # classes s0 to s5


class Curve(NamedTuple):
    """A curve, or points: x and y on the scale that is drawn."""

    name: str
    x: np.ndarray
    y: np.ndarray


def draw_curves(
    curves: Sequence[Curve],
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    *,
    diagonal: bool = False,
    points: bool = False,
    names: str = "top",
) -> str:
    """Draw curves over a grid of ticks, whose ends are those of the picture.

    Parameters
    ----------
    x_ticks, y_ticks : sequence of (float, str)
        Places and what is written there, at least two.
    diagonal : bool
        Draw the line on which x and y are equal.
    points : bool
        Mark each point.
    names : {"top", "bottom", "ends"}
        Where the curves' names stand: in the corner on the right, above or below, or where each ends.

    Returns
    -------
    str
        An svg element.
    """
    (x_low, x_high), (y_low, y_high) = (
        (min(place for place, _ in ticks), max(place for place, _ in ticks)) for ticks in (x_ticks, y_ticks)
    )

    edge = WIDTH - RIGHT - (ENDS if names == "ends" else 0)

    def across(x: float) -> float:
        return LEFT + (edge - LEFT) * (x - x_low) / ((x_high - x_low) or 1)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y_low) / ((y_high - y_low) or 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for place, text in x_ticks:
        x = across(place)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{escape(text)}</text>'
        )
    for place, text in y_ticks:
        y = down(place)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{edge}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    if diagonal:
        low, high = max(x_low, y_low), min(x_high, y_high)
        parts.append(
            f'<line class="axis" stroke-dasharray="2 4" x1="{across(low):.1f}" y1="{down(low):.1f}" '
            f'x2="{across(high):.1f}" y2="{down(high):.1f}"/>'
        )
    thin = " thin" if len(curves) > COLOURS else ""
    for number, curve in enumerate(curves):
        colour = f"s{number % COLOURS}"
        inside = (curve.x >= x_low) & (curve.x <= x_high) & (curve.y >= y_low) & (curve.y <= y_high)
        x, y = curve.x[inside], curve.y[inside]
        places = [(across(a), down(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(
            f'<polyline class="curve {colour}{thin}" points="{line}"><title>{escape(curve.name)}</title></polyline>'
        )
        if points:
            parts += [f'<circle class="curve {colour}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in places]
    if names == "ends":
        order = sorted(range(len(curves)), key=lambda k: down(float(curves[k].y[-1])))
        heights = spread([down(float(curves[k].y[-1])) for k in order], min(11, HEIGHT / max(len(order), 1)))
        for k, y in zip(order, heights.tolist(), strict=True):
            parts.append(
                f'<text class="s{k % COLOURS}" x="{edge + 4}" y="{y + 4:.1f}">{escape(curves[k].name)}</text>'
            )
    else:
        for number, curve in enumerate(curves):
            y = (
                TOP + 14 + 15 * number
                if names == "top"
                else HEIGHT - BOTTOM - 8 - 15 * (len(curves) - 1 - number)
            )
            parts.append(
                f'<text class="s{number % COLOURS}" x="{edge - 4}" y="{y}" text-anchor="end">{escape(curve.name)}</text>'
            )
    parts.append(
        f'<text x="{(LEFT + edge) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(y_label)}</text></svg>'
    )
    return "".join(parts)
