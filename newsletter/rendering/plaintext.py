"""Lines of the text part of a mail: wrapped, without trailing blanks. `newsletter.blocks.composing` composes the text."""

from __future__ import annotations

import re
import textwrap

from newsletter.rendering import slots

LINE_WIDTH = 76
_LONG_WORD = re.compile(rf"{slots.OPEN}\S*?{slots.CLOSE}|[^\s{slots.OPEN}{slots.CLOSE}]{{200,}}")
"""Words of 200 characters and more are cut, because a line on the wire must not grow with them. Slots stay whole."""


def tidy(text: str) -> str:
    """Strip lines, keep at most one empty line in a row, and wrap long paragraphs. URLs are not broken."""
    lines = [wrapped for line in text.splitlines() for wrapped in _wrapped(line.strip())]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _wrapped(line: str) -> list[str]:
    if len(line) <= LINE_WIDTH:
        return [line]
    indent = re.match(r"(?:- |\d+\. )?", line)
    return textwrap.wrap(
        _LONG_WORD.sub(_cut, line),
        LINE_WIDTH,
        subsequent_indent=" " * len(indent[0] if indent else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(word: re.Match[str]) -> str:
    return word[0] if "://" in word[0] or word[0].startswith(slots.OPEN) else " ".join(textwrap.wrap(word[0], 200))
