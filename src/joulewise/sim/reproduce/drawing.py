"""Small drawings as SVG: words, lines, dots and axes. No library for charts writes SVG without a browser."""

from __future__ import annotations

import math
from typing import NamedTuple
from xml.sax.saxutils import escape

INK, SOFT, GRID, STRONG, BAD = "#111827", "#6b7280", "#d1d5db", "#2b5fa8", "#b4540a"


def text(x: float, y: float, words: str, anchor: str = "start", fill: str = INK) -> str:
    """Words at a place."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}" font-size="12">{escape(words)}</text>'


def path(points: list[tuple[float, float]], stroke: str, width: float = 2.0, dash: str = "none") -> str:
    """A line through points."""
    joined = " ".join(f"{x:g},{y:g}" for x, y in points)
    style = f'stroke="{stroke}" stroke-width="{width:g}" stroke-dasharray="{dash}"'
    return f'<polyline points="{joined}" fill="none" {style}/>'


def dot(x: float, y: float, fill: str, radius: float = 4.5, stroke: str = "none") -> str:
    """A dot."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'


def svg(width: int, height: int, title: str, parts: list[str]) -> str:
    """A whole drawing on white paper."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""])


class Axes(NamedTuple):
    """A rectangle of the drawing and the values at its borders."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def frame(self, x_ticks: list[float], y_ticks: list[float], x_name: str, y_name: str) -> list[str]:
        """Axes, grid and names."""
        parts = [text(self.left - 34, self.top - 26, y_name, fill=SOFT)]
        parts.append(text(self.right, self.bottom + 34, x_name, "end", SOFT))
        for x in x_ticks:
            here, _ = self.at(x, self.y[0])
            parts += [path([(here, self.top), (here, self.bottom)], GRID, 0.7)]
            parts.append(text(here, self.bottom + 17, f"{x:g}", "middle", SOFT))
        for y in y_ticks:
            _, here = self.at(self.x[0], y)
            parts += [path([(self.left, here), (self.right, here)], GRID, 0.7)]
            parts.append(text(self.left - 7, here + 4, f"{y:g}", "end", SOFT))
        return [*parts, path([(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], SOFT, 1.2)]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between two others."""
    step = (high - low) / most
    size = 10.0 ** math.floor(math.log10(step))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(step * number, 9) for number in range(first, last + 1)]
