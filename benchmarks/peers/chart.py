"""Bars as SVG, readable on light and on dark ground.

Knows no client and no figure: it draws what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

__all__ = ["bars"]

WIDTH, LEFT, RIGHT, ROW = 720, 150, 110, 26
#: About 4.5 to 1 on white and 4 to 1 on nearly black; a page's own switch between the two does not
#: reach into an image.
INK, OURS, REFERENCE, OTHERS = "#767676", "#2f81f7", "#8a63d2", "#9aa3ad"


def bars(
    title: str,
    figures: Mapping[str, float],
    *,
    unit: str,
    ours: str = "rawllm",
    reference: str | None = None,
) -> str:
    """An SVG with one bar for each figure, the least first.

    reference: the bars begin at its figure and grow to the left for less, to the right for more, by
    the logarithm, and say how many times as much; None: they begin at zero and say the figure.
    """
    rows = sorted(figures.items(), key=lambda item: item[1])
    height = 44 + ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="18" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    room = WIDTH - LEFT - RIGHT
    if reference is None:
        most = max(figures.values()) or 1.0
        origin = float(LEFT)
        ends = {name: origin + room * value / most for name, value in rows}
    else:
        base = figures[reference]
        powers = {name: math.log(value / base) for name, value in rows}
        least, most = min(powers.values()), max(powers.values())
        scale = room / ((most - least) or 1.0)
        origin = LEFT - least * scale
        ends = {name: origin + power * scale for name, power in powers.items()}
    for number, (name, value) in enumerate(rows):
        top = 34 + ROW * number
        left, right = sorted((origin, ends[name]))
        colour = OURS if name == ours else REFERENCE if name == reference else OTHERS
        said = _number(value) + unit if reference is None else f"{value / figures[reference]:.2f}×"
        weight = ' font-weight="600"' if name == ours else ""
        parts += [
            f'<text x="{LEFT - 10}" y="{top + 14}" text-anchor="end"{weight}>{escape(name)}</text>',
            f'<rect x="{left:.1f}" y="{top + 3}" width="{max(right - left, 2):.1f}" '
            f'height="{ROW - 10}" rx="2" fill="{colour}"/>',
            f'<text x="{max(right, origin) + 8:.1f}" y="{top + 14}"{weight}>{escape(said)}</text>',
        ]
    if reference is not None:
        parts.append(
            f'<line x1="{origin:.1f}" y1="30" x2="{origin:.1f}" y2="{height - 8}" '
            f'stroke="{INK}" stroke-dasharray="3 3"/>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"
