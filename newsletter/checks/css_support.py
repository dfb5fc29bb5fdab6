"""CSS that a layout must not lean on, from the curated list beside this file (`weak_css.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

WEAK_CSS_FILE = Path(__file__).with_name("weak_css.toml")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BODY = re.compile(r"\{([^{}]*)\}")


class CssFeature(NamedTuple):
    name: str
    pattern: re.Pattern[str] | None
    """Over declarations."""
    selector: re.Pattern[str] | None
    """Over what stands before the braces of a style sheet."""


@cache
def load_features() -> tuple[CssFeature, ...]:
    return tuple(
        CssFeature(one["name"], _compiled(one.get("pattern")), _compiled(one.get("selector")))
        for one in tomllib.loads(WEAK_CSS_FILE.read_text())["feature"]
    )


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern, re.IGNORECASE) if pattern else None


def find_weak_features(*, sheets: Iterable[str], attributes: Iterable[str]) -> Iterator[str]:
    """Names of the features that style sheets and style attributes use, each once."""
    whole = [_COMMENT.sub("", sheet) for sheet in sheets]
    declared = ";\n".join(dict.fromkeys([*(body for sheet in whole for body in _BODY.findall(sheet)), *attributes]))
    selected = "\n".join(_BODY.sub("{}", sheet) for sheet in whole)
    for feature in load_features():
        if (feature.pattern and feature.pattern.search(declared)) or (
            feature.selector and feature.selector.search(selected)
        ):
            yield feature.name
