"""The layout of the code: few modules at each root, short files, unique class names, and dotted paths that import."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("newsletter", "subscribers", "workers")
MAX_FLAT_MODULES = 12
MAX_LINES = 450
DOTTED = re.compile(r"\b(?:newsletter|subscribers|workers)(?:\.[A-Za-z_]\w*)+")
KEYS = {"newsletter.editions.calendar", "newsletter.Editor.session", "workers.routes.account"}
"""Purposes of keys. They look like modules, but they are stored values and never change."""
SOURCES = [
    *[ROOT / "newsletter" / name for name in ("settings.py", "urls.py", "wsgi.py")],
    *sorted((ROOT / "deploy").glob("*")),
    *sorted((ROOT / "docs").glob("**/*.md")),
    *[ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")],
]


def modules() -> list[Path]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in files if "migrations" not in path.parts]


def resolves(dotted: str) -> bool:
    """Whether `dotted` names a module, an attribute of one, or a model as Django's settings write it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        if not is_module(".".join(parts[:length])):
            continue
        if length == len(parts):
            return True
        thing = importlib.import_module(".".join(parts[:length]))
        return hasattr(thing, parts[length]) or is_model(dotted)
    return False


def is_module(dotted: str) -> bool:
    """Found, not executed: importing `workers.celery` would bring Celery into this process."""
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False


def is_model(label: str) -> bool:
    try:
        return apps.get_model(label) is not None
    except (LookupError, ValueError):
        return False


@pytest.mark.parametrize("package", PACKAGES)
def test_few_modules_lie_flat_at_each_root(package):
    flat = [path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]

    assert len(flat) <= MAX_FLAT_MODULES, sorted(flat)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_init_file_of_each_root_holds_no_code(package):
    tree = ast.parse((ROOT / package / "__init__.py").read_text())

    assert [
        type(node).__name__ for node in tree.body if not isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign)
    ] == []


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}

    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_two_public_classes_have_one_name():
    places = defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name != "Command":
                places[node.name].append(str(path.relative_to(ROOT)))

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_every_dotted_path_in_settings_units_and_docs_can_be_imported():
    # The list of old module names in CHANGELOG.md is left out: it names what is gone.
    named = {
        match
        for path in SOURCES
        if path.is_file()
        for match in DOTTED.findall(path.read_text(errors="ignore"))
        if not match.endswith((".py", ".css", ".js", ".service")) and match not in KEYS
    }

    assert len(named) > 40
    assert sorted(name for name in named if not resolves(name)) == []
