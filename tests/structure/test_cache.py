"""Code of this project caches JSON: strings, numbers, lists. A pickled class would break with the next release."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KNOWN = {
    ("newsletter/studio/composer/save_tokens.py", "set"): "a list of a string and two numbers",
    ("newsletter/studio/start/first_run.py", "set"): "text: SiteReading.to_json",
    ("workers/health.py", "set"): "a number",
    ("workers/reporting/issue_figures.py", "add"): "a string",
    ("workers/sending/lifecycle.py", "add"): "a number",
    ("workers/sending/slow_checks.py", "add"): "a number",
}
"""Every place that writes to the cache, and what it writes."""


def cache_writes():
    for folder in ("newsletter", "subscribers", "workers"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                target = node.func.value
                if isinstance(target, ast.Name) and target.id == "cache" and node.func.attr in {
                    "set", "add", "set_many", "get_or_set",
                }:  # fmt: skip
                    yield file.relative_to(ROOT).as_posix(), node.func.attr


def test_every_write_to_the_cache_is_listed_with_what_it_stores():
    assert set(cache_writes()) == set(KNOWN)


@pytest.mark.parametrize("word", ["pickle", "cloudpickle", "shelve"])
def test_no_module_imports_pickle(word):
    files = [file for folder in ("newsletter", "subscribers", "workers") for file in (ROOT / folder).rglob("*.py")]

    found = [file.name for file in files if f"import {word}" in file.read_text()]

    assert found == []
