"""docs/requirements.md lists every requirement id of the code and the tests, and names an existing test for each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "requirements.md"
SOURCES = ("newsletter", "subscribers", "workers", "templates", "tests", "benchmarks")
KINDS = (".py", ".html", ".mjml", ".txt", ".js", ".css")
DATA = ROOT / "tests" / "data"

ROW = re.compile(r"^\| ([ESCT]-?\d\d) \| (.+) \| `(tests/[\w/]+\.py)::(test_\w+)` \|$", re.MULTILINE)
CHECK = re.compile(r"(?<![\w.-])E(0[1-9]|[12]\d|30)(?![\w-])")
"""E01 to E30. Not a system check (`workers.E001`) and not a linter code (`E501`): those have three digits."""
RULE = re.compile(r"(?<![\w-])([SCT])-(\d\d)(?!\w)")
"""S-12. Not a linter code (`S308`): it has no hyphen."""
NAME_OF_A_TEST = re.compile(r"\btest_\w+")
ID_IN_A_NAME = re.compile(r"(?<=_)([esct])(\d\d)(?=_)")


def sources() -> Iterator[Path]:
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in KINDS and not file.is_relative_to(DATA) and file != Path(__file__).resolve():
                yield file


def ids_in(text: str) -> set[str]:
    found = {f"E{number}" for number in CHECK.findall(text)}
    found |= {f"{letter}-{number}" for letter, number in RULE.findall(text)}
    for name in NAME_OF_A_TEST.findall(text):
        for letter, number in ID_IN_A_NAME.findall(name):
            found.add(f"E{number}" if letter == "e" else f"{letter.upper()}-{number}")
    return found


def used_ids() -> dict[str, str]:
    """Each id, and one file that uses it."""
    return {one: str(file.relative_to(ROOT)) for file in sources() for one in ids_in(file.read_text())}


def functions_of(file: Path) -> dict[str, str]:
    """The functions of a file by name, each with its source and decorators."""
    source = file.read_text()
    lines = source.splitlines()
    return {
        node.name: "\n".join(
            lines[min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1 : node.end_lineno]
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }


ROWS = ROW.findall(PAGE.read_text())


def test_every_row_of_the_page_is_read_and_no_id_is_listed_twice():
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [A-Z]-?\d", line)]
    listed = [row[0] for row in ROWS]

    assert len(ROWS) == len(lines) > 100
    assert len(set(listed)) == len(listed)


def test_every_id_in_code_and_tests_is_listed():
    used = used_ids()

    assert {one: file for one, file in used.items() if one not in {row[0] for row in ROWS}} == {}


def test_every_listed_id_is_used():
    assert {row[0] for row in ROWS} - used_ids().keys() == set()


def test_every_listed_test_exists_and_mentions_its_id():
    files = {path: functions_of(ROOT / path) for _id, _requirement, path, _name in ROWS if (ROOT / path).exists()}

    wrong = [
        f"{one}: {path}::{name}"
        for one, _requirement, path, name in ROWS
        if one not in ids_in(files.get(path, {}).get(name, ""))
    ]

    assert wrong == [], "docs/requirements.md names a test that was renamed or moved, or that does not cover its id"


def test_linter_codes_and_system_checks_are_no_requirement():
    assert ids_in('# noqa: S308, E501, C901, T201  "workers.E001" 2026-11-08T07:00:00 utf-8 S-1 T-1000') == set()
    assert ids_in("def test_e06_and_e07_x(): S-21, T-40 to T-45") == {"E06", "E07", "S-21", "T-40", "T-45"}
