"""Quiet illustrations for the demo's articles, drawn when first asked for: flat shapes in the colours of the design."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1200, 630
SCALE = 2
"""Drawn larger and made smaller, so that edges are smooth."""
SAND, PAPER, TEAL, DEEP, MIST, INK = "#F2EEE5", "#FAF8F3", "#0E5A55", "#0A3F3C", "#CFE0DC", "#1C1A16"
OCHRE, CLAY, ROSE, RULE, SKY = "#D9A441", "#B4553F", "#EBC8BC", "#C9C0AE", "#E6EFED"
LEGIBLE = "#1C857C"
"""Teal that can be told from white and from black."""
Point = tuple[float, float]


class Canvas:
    """Shapes in the picture's own 1200 x 630 coordinates."""

    def __init__(self, ground: str) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), ground)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, x: float, y: float, w: float, h: float, fill: str, *, round: float = 0) -> None:
        self.draw.rounded_rectangle(_scale(x, y, x + w, y + h), radius=round * SCALE, fill=fill)

    def disc(self, x: float, y: float, r: float, fill: str) -> None:
        self.draw.ellipse(_scale(x - r, y - r, x + r, y + r), fill=fill)

    def ring(self, x: float, y: float, r: float, colour: str, *, width: float = 10) -> None:
        self.draw.ellipse(_scale(x - r, y - r, x + r, y + r), outline=colour, width=round(width * SCALE))

    def oval(self, x: float, y: float, rx: float, ry: float, colour: str, *, width: float = 8) -> None:
        self.draw.ellipse(_scale(x - rx, y - ry, x + rx, y + ry), outline=colour, width=round(width * SCALE))

    def line(self, points: Sequence[Point], colour: str, *, width: float = 10) -> None:
        flat = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(flat, fill=colour, width=round(width * SCALE), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    def shape(self, points: Sequence[Point], fill: str) -> None:
        self.draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def arc(self, x: float, y: float, r: float, start: float, end: float, colour: str, *, width: float = 10) -> None:
        self.draw.arc(_scale(x - r, y - r, x + r, y + r), start, end, fill=colour, width=round(width * SCALE))

    def png(self) -> bytes:
        out = io.BytesIO()
        self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
        return out.getvalue()


def _scale(*numbers: float) -> tuple[float, float, float, float]:
    a, b, c, d = (number * SCALE for number in numbers)
    return a, b, c, d


def _rotate(points: Sequence[Point], x: float, y: float, degrees: float, size: float = 1) -> list[Point]:
    c, s = math.cos(math.radians(degrees)) * size, math.sin(math.radians(degrees)) * size
    return [(x + px * c - py * s, y + px * s + py * c) for px, py in points]


def _plane(canvas: Canvas, x: float, y: float, *, degrees: float = -20, size: float = 1, fill: str = TEAL) -> None:
    body = [(-90, -7), (60, -10), (86, 0), (60, 10), (-90, 7)]
    wings = [[(20, -6), (-34, -86), (-58, -86), (-24, -6)], [(20, 6), (-34, 86), (-58, 86), (-24, 6)]]
    tail = [[(-70, -5), (-96, -36), (-108, -36), (-92, -4)], [(-70, 5), (-96, 36), (-108, 36), (-92, 4)]]
    for part in (body, *wings, *tail):
        canvas.shape(_rotate(part, x, y, degrees, size), fill)


def _person(canvas: Canvas, x: float, ground: float, *, tall: float, fill: str, skin: str = "#C98F6B") -> None:
    head, shoulders = tall * 0.13, tall * 0.17
    canvas.box(x - shoulders, ground - tall * 0.7, shoulders * 2, tall * 0.7, fill, round=shoulders * 0.9)
    canvas.box(x - shoulders, ground - tall * 0.3, shoulders * 2, tall * 0.3, fill)
    canvas.disc(x, ground - tall + head, head, skin)


def _chip(canvas: Canvas, x: float, y: float, w: float, colour: str) -> None:
    canvas.box(x - w / 2, y - w * 0.32, w, w * 0.64, colour, round=w * 0.1)
    canvas.disc(x, y, w * 0.16, TEAL)
    canvas.line([(x - w / 2, y), (x - w * 0.16, y)], TEAL, width=w * 0.05)
    canvas.line([(x + w * 0.16, y), (x + w / 2, y)], TEAL, width=w * 0.05)


def _globe(canvas: Canvas, x: float, y: float, r: float, colour: str) -> None:
    canvas.ring(x, y, r, colour, width=r * 0.09)
    canvas.oval(x, y, r * 0.45, r, colour, width=r * 0.08)
    canvas.line([(x - r, y), (x + r, y)], colour, width=r * 0.08)


def passport(canvas: Canvas) -> None:
    canvas.disc(600, 340, 250, SKY)
    canvas.box(452, 96, 320, 446, RULE, round=26)
    canvas.box(436, 84, 320, 446, TEAL, round=26)
    _globe(canvas, 596, 250, 88, OCHRE)
    canvas.box(506, 376, 180, 16, OCHRE, round=8)
    _chip(canvas, 596, 454, 84, OCHRE)


def gate(canvas: Canvas) -> None:
    canvas.box(0, 470, 1200, 160, MIST)
    for place, x in enumerate((250, 530, 810)):
        canvas.box(x, 230, 40, 260, DEEP, round=10)
        canvas.box(x + 160, 230, 40, 260, DEEP, round=10)
        canvas.disc(x + 20, 262, 11, "#8CCFA3" if place == 1 else CLAY)
        if place != 1:
            canvas.box(x + 44, 320, 50, 120, TEAL, round=8)
            canvas.box(x + 106, 320, 50, 120, TEAL, round=8)
    _person(canvas, 630, 540, tall=290, fill=OCHRE)
    canvas.line([(120, 120), (1080, 120)], RULE, width=6)
    for x in (300, 600, 900):
        canvas.box(x - 70, 120, 140, 52, TEAL if x == 600 else RULE, round=6)


def card(canvas: Canvas) -> None:
    for x, fill, mark in ((130, PAPER, OCHRE), (690, TEAL, PAPER)):
        canvas.box(x + 10, 202, 380, 250, RULE, round=22)
        canvas.box(x, 190, 380, 250, fill, round=22)
        canvas.box(x + 32, 226, 104, 132, MIST, round=10)
        canvas.disc(x + 84, 276, 28, "#C98F6B")
        canvas.box(x + 44, 310, 80, 48, DEEP, round=18)
        for row, width in enumerate((180, 140, 160)):
            canvas.box(x + 166, 238 + row * 42, width, 16, mark, round=8)
        canvas.box(x + 32, 388, 314, 14, mark, round=7)
    canvas.line([(546, 315), (646, 315)], CLAY, width=14)
    canvas.line([(616, 283), (650, 315), (616, 347)], CLAY, width=14)


def stamp(canvas: Canvas) -> None:
    canvas.box(170, 90, 430, 460, PAPER, round=14)
    canvas.box(600, 90, 430, 460, PAPER, round=14)
    canvas.line([(600, 100), (600, 540)], RULE, width=5)
    for row in range(5):
        canvas.box(216, 160 + row * 62, 320 - 40 * (row % 2), 12, RULE, round=6)
    canvas.ring(815, 300, 138, TEAL, width=12)
    canvas.ring(815, 300, 108, TEAL, width=5)
    canvas.box(700, 276, 230, 50, PAPER)
    canvas.box(718, 290, 194, 20, CLAY, round=6)
    _plane(canvas, 815, 236, degrees=-12, size=0.5)
    canvas.arc(815, 300, 82, 30, 150, TEAL, width=8)


def skyline(canvas: Canvas) -> None:
    canvas.disc(760, 300, 190, OCHRE)
    heights = (150, 230, 190, 330, 260, 400, 300, 210, 350, 240, 180)
    for place, tall in enumerate(heights):
        x = 60 + place * 98
        canvas.box(x, 560 - tall, 84, tall, TEAL if place % 2 else DEEP, round=4)
        for row in range(int(tall // 60)):
            for column in (18, 50):
                canvas.box(x + column, 580 - tall + row * 56, 16, 24, MIST)
    canvas.box(0, 556, 1200, 74, MIST)


def family(canvas: Canvas) -> None:
    canvas.box(0, 500, 1200, 130, MIST)
    for x, top, low in ((330, CLAY, PAPER), (870, TEAL, OCHRE)):
        canvas.line([(x, 110), (x, 330)], INK, width=6)
        canvas.box(x, 112, 130, 42, top)
        canvas.box(x, 154, 130, 42, low)
    _person(canvas, 480, 540, tall=350, fill=TEAL)
    _person(canvas, 720, 540, tall=330, fill=CLAY, skin="#E3B68F")
    _person(canvas, 600, 540, tall=210, fill=OCHRE, skin="#D7A47F")
    canvas.line([(526, 430), (572, 470)], "#C98F6B", width=14)
    canvas.line([(674, 430), (628, 470)], "#E3B68F", width=14)


def phone(canvas: Canvas) -> None:
    canvas.disc(600, 330, 270, SKY)
    canvas.box(450, 60, 300, 520, INK, round=44)
    canvas.box(468, 92, 264, 456, PAPER, round=20)
    canvas.box(500, 126, 150, 18, TEAL, round=9)
    for row in range(4):
        for column in range(4):
            picked = (row, column) == (2, 1)
            canvas.box(500 + column * 54, 176 + row * 74, 42, 56, TEAL if picked else RULE, round=8)
    canvas.line([(562, 352), (572, 364), (588, 340)], PAPER, width=7)
    canvas.box(500, 486, 204, 36, OCHRE, round=18)


def envelope(canvas: Canvas) -> None:
    canvas.box(300, 200, 520, 320, PAPER, round=18)
    canvas.line([(310, 214), (560, 400), (810, 214)], RULE, width=12)
    canvas.line([(880, 40), (880, 330)], INK, width=8)
    canvas.arc(826, 330, 54, 0, 190, INK, width=12)
    canvas.shape([(760, 310), (784, 344), (796, 300)], INK)
    canvas.shape([(360, 560), (470, 370), (580, 560)], CLAY)
    canvas.box(461, 430, 18, 66, PAPER, round=9)
    canvas.disc(470, 524, 12, PAPER)


def office(canvas: Canvas) -> None:
    canvas.box(0, 510, 1200, 120, MIST)
    canvas.shape([(270, 220), (600, 70), (930, 220)], DEEP)
    canvas.box(300, 220, 600, 300, PAPER)
    for x in (340, 430, 720, 810):
        canvas.box(x, 270, 50, 250, TEAL, round=6)
    canvas.box(520, 370, 160, 150, DEEP, round=8)
    canvas.disc(600, 290, 66, OCHRE)
    canvas.disc(600, 290, 52, PAPER)
    canvas.line([(600, 290), (600, 254)], INK, width=8)
    canvas.line([(600, 290), (626, 304)], INK, width=8)


def search(canvas: Canvas) -> None:
    for side in range(22):
        canvas.box(360 + side % 2 * 280, 90 + side // 2 * 42, 12, 24, RULE, round=6)
    for side in range(7):
        canvas.box(378 + side * 40, 84, 22, 12, RULE, round=6)
        canvas.box(378 + side * 40, 532, 22, 12, RULE, round=6)
    _globe(canvas, 506, 270, 70, RULE)
    canvas.line([(806, 456), (930, 566)], DEEP, width=44)
    canvas.disc(710, 364, 150, TEAL)
    canvas.disc(710, 364, 120, SKY)
    canvas.arc(710, 364, 88, 190, 250, PAPER, width=16)


def priority(canvas: Canvas) -> None:
    canvas.box(0, 500, 1200, 130, MIST)
    canvas.box(700, 250, 320, 260, TEAL, round=12)
    canvas.box(680, 230, 360, 40, DEEP, round=10)
    canvas.line([(860, 230), (860, 110)], INK, width=6)
    canvas.shape([(863, 112), (960, 140), (863, 168)], OCHRE)
    canvas.ring(390, 440, 96, INK, width=14)
    canvas.disc(370, 176, 40, "#C98F6B")
    canvas.line([(372, 240), (384, 350), (480, 350), (520, 470), (566, 470)], CLAY, width=40)
    canvas.line([(374, 270), (470, 290)], CLAY, width=26)
    canvas.box(130, 420, 150, 22, DEEP, round=8)
    canvas.box(144, 440, 18, 90, DEEP)
    canvas.box(248, 440, 18, 90, DEEP)


def journey(canvas: Canvas) -> None:
    canvas.box(0, 0, 1200, 630, ROSE)
    canvas.disc(860, 330, 120, OCHRE)
    canvas.shape([(0, 420), (260, 310), (520, 400), (840, 330), (1200, 410), (1200, 630), (0, 630)], MIST)
    canvas.shape([(0, 500), (400, 410), (760, 460), (1200, 400), (1200, 630), (0, 630)], TEAL)
    canvas.shape([(470, 630), (690, 630), (640, 540), (700, 480), (672, 440), (656, 440), (660, 480), (560, 540)], SAND)
    _plane(canvas, 420, 170, degrees=-14, size=0.9, fill=DEEP)
    canvas.line([(120, 250), (300, 204)], PAPER, width=6)


SCENES: dict[str, Callable[[Canvas], None]] = {
    scene.__name__: scene
    for scene in (
        *(passport, gate, card, stamp, skyline, family),
        *(phone, envelope, office, search, priority, journey),
    )
}


@lru_cache(maxsize=1)
def draw_logo() -> bytes:
    """The letters K and L on nothing, as a publication's logo."""
    size, unit = (320, 176), 8 * SCALE
    image = Image.new("RGBA", (size[0] * SCALE, size[1] * SCALE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 4 * unit, 22 * unit), fill=LEGIBLE)
    k = [(5, 11), (15, 0), (20.5, 0), (10.5, 11), (21, 22), (15.5, 22)]
    draw.polygon([(x * unit, y * unit) for x, y in k], fill=LEGIBLE)
    draw.polygon(
        [(x * unit, y * unit) for x, y in [(27, 0), (31, 0), (31, 18), (40, 18), (40, 22), (27, 22)]], fill=OCHRE
    )
    out = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


@lru_cache(maxsize=len(SCENES))
def draw_png(name: str) -> bytes:
    """The picture of that name. Raises KeyError."""
    scene = SCENES[name]
    canvas = Canvas(SAND)
    scene(canvas)
    return canvas.png()
