"""What the studio's scripts keep to, so that they stay few, small and without a build step."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "newsletter" / "static" / "newsletter"
SCRIPTS = sorted(FOLDER.glob("*.js"))


def lines(script):
    return script.read_text().splitlines()


def test_all_scripts_together_stay_small():
    assert sum(len(lines(script)) for script in SCRIPTS) <= 900


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short_and_imports_by_bare_name_alone(script):
    text = script.read_text()

    # Hashed file names know nothing of relative imports; bare names go through the import map of the page.
    assert re.findall(r"""(?:from|import)\s*\(?\s*["']([./][^"']*)""", text) == []
    assert len(lines(script)) <= 120


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_says_nothing_of_its_own(script):
    """Words for people come from data- attributes: no text is set from a quoted sentence."""
    assert re.findall(r"""(?:textContent|innerHTML|ariaLabel)\s*=\s*["'`]\w""", script.read_text()) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_needs_what_the_policy_forbids(script):
    assert (
        re.findall(r"\beval\(|new Function|setAttribute\(\"style\"|window\.prompt|\bprompt\(", script.read_text()) == []
    )
