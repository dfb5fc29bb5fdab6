"""The map of the code names only places that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = [ROOT, *(ROOT / folder for folder in ("newsletter", "newsletter/studio", "newsletter/static/newsletter"))]
PLACES += [ROOT / folder for folder in ("subscribers", "subscribers/views", "workers", "workers/studio", "tests")]


def test_every_file_on_the_map_is_there():
    text = (ROOT / "docs" / "where-things-live.md").read_text()

    named = re.findall(r"`([\w/-]+(?:\.py|\.js|/))`", text)

    assert len(named) > 50
    assert [name for name in named if not any((place / name).exists() for place in PLACES)] == []
