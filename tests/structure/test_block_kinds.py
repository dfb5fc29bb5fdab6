"""A kind of block is named in its own folder and templates only; all other code asks `newsletter.blocks.registry`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.blocks import forms, registry, rules

ROOT = Path(__file__).parents[2]
FOLDERS = ("newsletter", "subscribers", "workers", "benchmarks")
TAG = re.compile(r"\{%\s*(?:el)?if\s(.*?)%\}", re.DOTALL)
STRING = re.compile(r"\"([^\"]*)\"|'([^']*)'")
KINDS = frozenset(registry.KINDS)
CLASSES = frozenset(
    model.__name__ for kind in registry.KINDS.values() for model in (kind.model, type(kind.new_words()))
)
OTHER_MEANINGS = {
    ("newsletter/articles/feed_parser.py", "image"),  # MIME types of enclosures, elements of sitemaps
    ("newsletter/studio/composer/views.py", "text"),  # the preview's view of the text part
}
"""(file, word): the same word with another meaning."""
MOST_FILES = 4
FIGURES = re.compile(r"\bblocks\.figures\b|\bfigures\.Figures\b|\"figures\"|'figures'|^\.figures\b", re.MULTILINE)
"""The module, the class, the stored kind and the rule of the style sheet; not the word, which also means statistics."""


def python_files() -> Iterator[Path]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if not file.is_relative_to(ROOT / "newsletter" / "blocks") and "migrations" not in file.parts:
                yield file


def kinds_in_conditions(source: str) -> Iterator[tuple[int, str]]:
    """(line, kind or class): in comparisons, memberships, `match`, dicts keyed by kinds, and `isinstance`."""
    for node in ast.walk(ast.parse(source)):
        for found in _named_by(node):
            yield getattr(node, "lineno", 0), found


def _named_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare):
        for part in (node.left, *node.comparators):
            yield from _kinds_of(part)
    elif isinstance(node, ast.MatchValue):
        yield from _kinds_of(node.value)
    elif isinstance(node, ast.MatchClass):
        yield from _classes_of(node.cls)
    elif isinstance(node, ast.Dict):
        yield from _kinds_as_keys(node)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
        yield from _classes_of(node.args[1])
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("set", "frozenset") and node.args:
        yield from _kinds_in_collection(node.args[0])
    elif isinstance(node, ast.Set):
        yield from _kinds_in_collection(node)


def _kinds_of(node: ast.AST) -> Iterator[str]:
    """The kind that a literal names, also as one of a literal collection."""
    parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
    yield from (part.value for part in parts if isinstance(part, ast.Constant) and part.value in KINDS)


def _kinds_as_keys(node: ast.Dict) -> Iterator[str]:
    """Dicts with two kinds or more as keys, if other strings are no keys beside them."""
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    kinds = [key for key in keys if key in KINDS]
    if len(kinds) >= 2 and len(kinds) == len(node.keys):
        yield from kinds


def _kinds_in_collection(node: ast.AST) -> Iterator[str]:
    """Sets of which most members are kinds, such as PICTURE_KINDS."""
    members = [part.value for part in getattr(node, "elts", ()) if isinstance(part, ast.Constant)]
    kinds = [member for member in members if member in KINDS]
    if len(kinds) >= 2 and len(kinds) == len(members):
        yield from kinds


def _classes_of(node: ast.AST) -> Iterator[str]:
    names = (part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in ast.walk(node))
    yield from (name for name in names if name in CLASSES)


def kinds_in_tags(source: str) -> Iterator[str]:
    for tag in TAG.findall(source):
        for double, single in STRING.findall(tag):
            yield from (word for word in (double or single).split() if word in KINDS)


def test_no_condition_in_python_names_a_kind_outside_its_folder():
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in python_files()
        for line, name in kinds_in_conditions(file.read_text())
        if (str(file.relative_to(ROOT)), name) not in OTHER_MEANINGS
    ]

    assert found == []


def test_no_condition_in_a_template_names_a_kind_outside_its_templates():
    found = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "templates").rglob("*"))
        if file.is_file() and file.parent.name != "blocks"
        for name in kinds_in_tags(file.read_text())
        if (str(file.relative_to(ROOT)), name) not in OTHER_MEANINGS
    ]

    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "if block.kind == 'lead': pass",
        "if block.kind in ('lead', 'story'): pass",
        "if kind not in {'quote', 'text'}: pass",
        "KINDS = frozenset({'lead', 'story'})",
        "LABELS = {'lead': 1, 'story': 2}",
        "isinstance(block, content.Lead | content.Story)",
        "isinstance(words, (FaqWords, int))",
        "match block.kind:\n    case 'faq': pass",
        "match words:\n    case content.StoryWords(): pass",
    ],
)
def test_such_conditions_are_found(source):
    assert list(kinds_in_conditions(source))


@pytest.mark.parametrize("tag", ['{% if kind == "brief" %}', "{% elif card.kind in 'lead story' %}"])
def test_such_tags_are_found(tag):
    assert list(kinds_in_tags(tag))


def test_few_files_outside_its_folder_name_the_newest_kind():
    """Of the kinds only `figures` has a name with no other meaning. Templates, tests, docs and locale do not count."""
    files = [
        file
        for file in sorted((ROOT / "newsletter").rglob("*"))
        if file.suffix in {".py", ".css", ".js"} and not file.is_relative_to(ROOT / "newsletter" / "blocks" / "figures")
    ]
    naming = [str(file.relative_to(ROOT)) for file in files if FIGURES.search(file.read_text())]

    assert len(naming) <= MOST_FILES, naming


def test_other_meanings_are_still_there():
    """So that the list does not outlive what it excuses."""
    gone = []
    for name, word in sorted(OTHER_MEANINGS):
        source = (ROOT / name).read_text()
        found = [kind for _line, kind in kinds_in_conditions(source)] if name.endswith(".py") else kinds_in_tags(source)
        if word not in found:
            gone.append((name, word))
    assert gone == []


def test_every_kind_has_its_folder_form_checks_and_templates():
    assert list(forms.FORMS) == list(registry.KINDS) == list(rules.CHECKS)
    for kind in registry.KINDS:
        assert (ROOT / "newsletter" / "blocks" / kind / "document.py").is_file()
        for template in (f"mail/blocks/{kind}.mjml", f"mail/blocks/{kind}.txt", f"archive/blocks/{kind}.html"):
            assert (ROOT / "templates" / template).is_file()


def test_the_document_and_its_rendering_import_no_django():
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for name in ("document", "rendering", "plaintext")
        for file in (ROOT / "newsletter" / "blocks").glob(f"*/{name}.py")
    ]
    code = f"import sys, {', '.join(['newsletter.content', 'newsletter.blocks.composing', *modules])}\n"
    code += "sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
