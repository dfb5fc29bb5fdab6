"""Pages stay light: a reader on a slow phone pays for every byte, an editor for every rule."""

from __future__ import annotations

from pathlib import Path

import pytest

STYLES = Path(__file__).parents[2] / "newsletter/static/newsletter"


@pytest.mark.parametrize(
    ("name", "most"), [("public.css", 6 * 1024), ("studio.css", 30 * 1024), ("composer.css", 20 * 1024)]
)
def test_a_style_sheet_keeps_its_measure(name, most):
    assert (STYLES / name).stat().st_size <= most
