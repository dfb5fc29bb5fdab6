"""No page carries inline style or script, trusts markup, or names another host: the policy would refuse it anyway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    file
    for file in (ROOT / "templates").rglob("*.html")
    if "mail" not in file.relative_to(ROOT / "templates").parts[:1]
)

FORBIDDEN = {
    "inline style": re.compile(r"<[^>]+\sstyle=|<style"),
    "inline script": re.compile(r"<script(?![^>]*(?:\bsrc=|\bnonce=|application/ld\+json))[^>]*>", re.IGNORECASE),
    "event attribute": re.compile(r"<[^>]+\son[a-z]+="),
    "trusted markup": re.compile(r"\|\s*safe\b|\{%\s*autoescape off"),
    "another host": re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']https?://"),
}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_page_keeps_to_the_policy(file):
    source = file.read_text()

    found = [name for name, pattern in FORBIDDEN.items() if pattern.search(source)]

    assert not found


def test_there_are_pages_to_look_at():
    assert len(PAGES) > 20


def test_every_page_says_its_language():
    whole_pages = [file for file in PAGES if "<html" in file.read_text()]

    assert whole_pages
    assert all("<html lang=" in file.read_text() for file in whole_pages)
