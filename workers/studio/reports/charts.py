"""Line charts as SVG: numbers in, shapes out. The template draws them in the page's colours, with a table beside.

Coordinates are whole pixels of a fixed view box, so that the template needs no arithmetic and no inline style.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

WIDE, NARROW = (960, 260), (360, 220)
"""Sizes of the picture, so that its words are as large as the page's on a desk and on a phone."""
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 32, 32


@dataclass(frozen=True)
class AxisTick:
    """A line across or a tick below, with its label's place."""

    at: int
    label: str

    @property
    def text_at(self) -> int:
        """Where the label of a line across stands: its middle on the line."""
        return self.at + 4


@dataclass(frozen=True)
class ChartLine:
    label: str
    path: str
    label_x: int
    label_y: int
    is_main: bool


@dataclass(frozen=True)
class Chart:
    title: str
    """One sentence that says what the picture shows; the label for whoever does not see it."""
    lines: tuple[ChartLine, ...]
    gridlines: tuple[AxisTick, ...]
    x_ticks: tuple[AxisTick, ...]
    width: int
    height: int
    left: int = LEFT
    axis: int = LEFT - 10

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def foot(self) -> int:
        return self.height - 8


def nice_ticks(highest: float, *, most: int = 4) -> list[int]:
    """Round numbers from nought to at least `highest`, at most `most` steps: 0, 500, 1,000, 1,500."""
    step = magnitude = 1
    while step * most < highest:
        step = next((magnitude * part for part in (2, 5, 10) if magnitude * part > step), step)
        if step >= 10 * magnitude:
            magnitude *= 10
    count = max(1, -(-int(highest + 0.999999) // step))
    return [step * number for number in range(count + 1)]


def line_chart(
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    title: str,
    labels: Sequence[tuple[int, str]],
    number: Callable[[float], str] = str,
    size: tuple[int, int] = WIDE,
) -> Chart:
    """A chart of one or two series of equal step; the first is the main one.

    `labels` name places on the x axis: (index, words). `number` turns a value of the y axis into words.
    """
    longest = max((len(values) for _label, values in series), default=0)
    highest = max((max(values, default=0) for _label, values in series), default=0)
    steps = nice_ticks(highest)
    width, height = size

    def x(index: int) -> int:
        return round(LEFT + (width - LEFT - RIGHT) * index / max(1, longest - 1))

    def y(value: float) -> int:
        return round(height - BOTTOM - (height - BOTTOM - TOP) * value / steps[-1])

    lines = []
    for place, (label, values) in enumerate(series):
        points = [(x(index), y(value)) for index, value in enumerate(values)]
        if points:
            path = "M" + "L".join(f"{a} {b}" for a, b in points)
            lines.append(ChartLine(label, path, points[-1][0], points[-1][1], is_main=place == 0))
    return Chart(
        title=title,
        width=width,
        height=height,
        lines=_spread_labels(lines),
        gridlines=tuple(AxisTick(y(step), number(step)) for step in steps),
        x_ticks=tuple(AxisTick(x(index), words) for index, words in labels),
    )


def _spread_labels(lines: list[ChartLine], *, gap: int = 15) -> tuple[ChartLine, ...]:
    """Place each label above the end of its line, from the lowest up, and never on another."""
    placed: list[ChartLine] = []
    for line in sorted(lines, key=lambda line: -line.label_y):
        y = min([line.label_y - 4, *(other.label_y - gap for other in placed)])
        placed.append(replace(line, label_y=y))
    return tuple(sorted(placed, key=lambda line: not line.is_main))
