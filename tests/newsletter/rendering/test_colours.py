"""The accent of any publisher becomes readable words, buttons and boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import colours

ACCENTS = st.builds(lambda number: f"#{number:06X}", st.integers(0, 0xFFFFFF))


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#FFFFFF", "#000000", 21.0),
        ("#777777", "#FFFFFF", 4.48),
        ("#767676", "#FFFFFF", 4.54),
        ("#123456", "#123456", 1.0),
    ],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert round(colours.contrast(one, other), 2) == ratio


def test_a_readable_accent_stays_as_it_is():
    assert colours.readable_accent("#0E5A55") == "#0E5A55"


@given(ACCENTS)
def test_every_accent_can_be_read_in_light_in_dark_and_inverted(accent):
    palette = colours.build_palette(accent)

    assert colours.contrast(palette.accent, "#FFFFFF") >= 4.5
    assert colours.contrast(palette.accent, palette.tint) >= 4.5
    assert colours.contrast(palette.on_accent, palette.accent) >= 4.5
    assert colours.contrast(palette.accent_dark, "#1E1C18") >= 4.5
    assert colours.contrast(palette.accent_dark, palette.tint_dark) >= 4.5
    assert colours.contrast(palette.on_accent_dark, palette.accent_dark) >= 4.5
    assert colours.contrast(colours.INK_DARK, palette.tint_dark) >= 4.5
    assert colours.contrast(colours.invert(palette.accent), "#000000") >= 4.5
    assert "#FFFFFF" not in (palette.on_accent, palette.on_accent_dark)
