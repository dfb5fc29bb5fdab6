"""Colours of a mail, worked out from a newsletter's accent so that everything is readable in light, in dark and inverted.

Contrast as in WCAG 2.2 (relative luminance, 1.4.3). Colours are `#RRGGBB`.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

MIN_CONTRAST = 4.5
GROUND, PAPER, INK, MUTED, RULE, EDGE = "#F4F1EA", "#FFFFFF", "#1D1B17", "#5E594F", "#DDD6C8", "#857D6E"
GROUND_DARK, PAPER_DARK, INK_DARK, MUTED_DARK = "#14130F", "#1E1C18", "#F2EDE3", "#B5AD9E"
RULE_DARK, EDGE_DARK = "#3A362F", "#8D8576"
WARNING, WARNING_GROUND, WARNING_DARK, WARNING_GROUND_DARK = "#764B00", "#FAF0D9", "#E8BF6A", "#33270D"
SCAM, SCAM_GROUND, SCAM_DARK, SCAM_GROUND_DARK = "#A3261F", "#FBEAE7", "#F2A49C", "#3A1A17"
LIGHT_TEXT, DARK_TEXT = "#FDFCF9", "#161512"
"""Words on a button: never pure white or black."""


@dataclass(frozen=True)
class Palette:
    """What the accent becomes: as words on paper, as a button, as a tinted box; each with its partner in the dark."""

    accent: str
    on_accent: str
    tint: str
    accent_dark: str
    on_accent_dark: str
    tint_dark: str


def parse_rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def to_hex(red: float, green: float, blue: float) -> str:
    return "#" + "".join(f"{round(max(0.0, min(1.0, part)) * 255):02X}" for part in (red, green, blue))


def luminance(colour: str) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parse_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    """From 1 (same) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(colour: str, ground: str, share: float) -> str:
    return to_hex(*(a * share + b * (1 - share) for a, b in zip(parse_rgb(colour), parse_rgb(ground), strict=True)))


def with_lightness(colour: str, lightness: float, saturation: float | None = None) -> str:
    hue, _, own = colorsys.rgb_to_hls(*parse_rgb(colour))
    return to_hex(*colorsys.hls_to_rgb(hue, lightness, own if saturation is None else saturation))


def lightness(colour: str) -> float:
    return colorsys.rgb_to_hls(*parse_rgb(colour))[1]


def invert(colour: str) -> str:
    """What a mail program that forces a dark look makes of `colour`: same hue, opposite lightness."""
    return with_lightness(colour, 1 - lightness(colour))


@lru_cache(maxsize=256)
def readable_accent(accent: str) -> str:
    """`accent`, darkened only as far as words in it are readable on paper and tint, also when a program inverts them."""
    for step in range(round(lightness(accent) * 100), 0, -1):
        darker = accent.upper() if step == round(lightness(accent) * 100) else with_lightness(accent, step / 100)
        grounds = (PAPER, GROUND, WARNING_GROUND, SCAM_GROUND, _tint(darker))
        if all(contrast(darker, ground) >= MIN_CONTRAST for ground in grounds) and all(
            contrast(invert(darker), invert(ground)) >= MIN_CONTRAST for ground in grounds
        ):
            return darker
    return INK


@lru_cache(maxsize=256)
def dark_accent(accent: str) -> str:
    """The accent for words and buttons on dark paper: same hue, calmer, as light as it takes to read at ease."""
    saturation = colorsys.rgb_to_hls(*parse_rgb(accent))[2] * 0.54
    for step in range(50, 96):
        lighter = with_lightness(accent, step / 100, saturation)
        if contrast(lighter, PAPER_DARK) >= 8.5:
            return lighter
    return INK_DARK


def button_text_colour(colour: str) -> str:
    """Words that can be read on a button of `colour`."""
    return max((LIGHT_TEXT, DARK_TEXT), key=lambda words: contrast(words, colour))


def _tint(accent: str) -> str:
    return mix(accent, PAPER, 0.095)


def _tint_dark(accent: str) -> str:
    """A box on dark paper: barely lighter than it, in the accent's hue."""
    return with_lightness(accent, 0.135, min(0.22, colorsys.rgb_to_hls(*parse_rgb(accent))[2] * 0.56))


@lru_cache(maxsize=256)
def build_palette(accent: str) -> Palette:
    words = readable_accent(accent)
    dark = dark_accent(words)
    return Palette(
        accent=words,
        on_accent=button_text_colour(words),
        tint=_tint(words),
        accent_dark=dark,
        on_accent_dark=button_text_colour(dark),
        tint_dark=_tint_dark(dark),
    )
