"""A provider is named in `workers/providers.py` only: no other module decides by a provider's kind or lists kinds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from workers.providers import PROVIDERS, UNFIT_PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "workers" / "providers.py"
KINDS = {*PROVIDERS, *UNFIT_PROVIDERS}


NAMING = re.compile(rf"({'|'.join(sorted(KINDS))})(-\d+|://\S*|:)?")


def named_kinds(source: str) -> list[tuple[int, str]]:
    """(line, literal) of each string that is a provider's kind, or the name or URL of a route of that kind."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMING.fullmatch(node.value)
    ]


def test_only_the_table_names_providers():
    modules = [file for package in ("newsletter", "subscribers", "workers") for file in (ROOT / package).rglob("*.py")]
    # A crash test imitates the API of one provider; it is no table.
    modules = [file for file in modules if file != TABLE and "crash_test" not in str(file)]

    found = {str(file.relative_to(ROOT)): hits for file in modules if (hits := named_kinds(file.read_text()))}

    assert found == {}


def test_a_kind_in_a_condition_is_found():
    assert named_kinds('if kind == "mailgun": pass') == [(1, "mailgun")]
    assert named_kinds('TABLE = {"postmark": 1}') == [(1, "postmark")]
    assert named_kinds('x = "a mailgun route"') == []
