"""The text part of a mail: composed from the blocks, never from the HTML, and equal to it in facts and links."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from newsletter.rendering import blocks, richtext, slots
from newsletter.rendering.links import LinkBook

LINE_WIDTH = 76
_LONG_WORD = re.compile(rf"{slots.OPEN}\S*?{slots.CLOSE}|[^\s{slots.OPEN}{slots.CLOSE}]{{200,}}")
"""Nobody writes these, but a line on the wire must not grow with them. Slots stay whole."""


def compose(
    ready: tuple[blocks.BlockView, ...], *, frame: blocks.Frame, book: LinkBook, render: blocks.RenderTemplate
) -> str:
    """The whole text part, wrapped. Links get the numbers they have in the HTML."""
    pieces = [
        render(f"mail/blocks/{kind}.txt", {**frame.values, "frame": frame, "items": items, **items[0]})
        for kind, items in ((kind, _items(together, frame, book)) for kind, together in blocks.group_views(ready))
    ]
    body = "\n\n".join(piece.strip("\n") for piece in pieces)
    before, _, after = render("mail/issue.txt", {**frame.values, "frame": frame}).partition(blocks.BLOCKS_PLACEHOLDER)
    return tidy(f"{before}{body}{after}")


def _items(together: tuple[blocks.BlockView, ...], frame: blocks.Frame, book: LinkBook) -> list[dict[str, object]]:
    def write(view: blocks.BlockView) -> Callable[[richtext.RichText], str]:
        return lambda body: richtext.to_text(body, blocks._hrefs(view, book), slots.format_field)

    return [
        {
            "view": view,
            "body": write(view)(view.body),
            "answers": blocks.render_answers(view, write(view)),
            "underline": "-" * min(len(view.headline), LINE_WIDTH),
            "note": frame.values["note_on"](view.language) if view.is_foreign else "",
        }
        for view in together
    ]


def tidy(text: str) -> str:
    """No blanks at line ends, at most one empty line in a row, long paragraphs wrapped; an address is never broken."""
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
