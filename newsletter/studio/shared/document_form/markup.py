"""What a textarea shows for the little HTML of a document, and back."""

from __future__ import annotations

import html as entities
import re

from newsletter.rendering import richtext

_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_LIST = re.compile(r"<(ul|ol)>(.*?)</\1>", re.DOTALL)
_ITEM = re.compile(r"<li>(.*?)</li>", re.DOTALL)
_DASH, _NUMBER = re.compile(r"^\s*[-•]\s+"), re.compile(r"^\s*\d+[.)]\s+")
_TAG = re.compile(r"<[^>]*>")


def typed_to_html(text: str) -> str:
    """What a person typed as clean HTML: an empty line parts paragraphs, a line with a dash or number is a list item.

    Raises richtext.TooComplex for what could not be read again.
    """
    pieces = [_chunk_to_html(chunk.strip("\n")) for chunk in re.split(r"\n[ \t]*\n", text.strip()) if chunk.strip()]
    made = richtext.to_html(richtext.parse("".join(pieces)), lambda url, _words: url)
    richtext.parse(made)
    return made


def typed_to_plain_html(text: str) -> str:
    """What a person typed as one paragraph of plain words, whatever tags are in it."""
    return f"<p>{entities.escape(text, quote=False)}</p>" if text.strip() else ""


def _chunk_to_html(chunk: str) -> str:
    lines = [line for line in chunk.split("\n") if line.strip()]
    for mark, tag in ((_DASH, "ul"), (_NUMBER, "ol")):
        if all(mark.match(line) for line in lines):
            return f"<{tag}>" + "".join(f"<li>{mark.sub('', line)}</li>" for line in lines) + f"</{tag}>"
    if chunk.lstrip().startswith(("<p", "<ul", "<ol")):
        return chunk
    return "<p>" + "<br>".join(lines) + "</p>"


def html_to_typed(html: str) -> str:
    """The other way round: what a textarea shows for stored HTML."""
    text = _LIST.sub(_typed_list, html)
    text = _PARAGRAPH.sub(lambda found: found[1].replace("<br />", "\n").replace("<br>", "\n") + "\n\n", text)
    return text.replace("&amp;", "&").replace("&#160;", "\xa0").strip()


def _typed_list(found: re.Match[str]) -> str:
    items = _ITEM.findall(found[2])
    marks = (f"{number}. " if found[1] == "ol" else "- " for number in range(1, len(items) + 1))
    return "\n".join(mark + item for mark, item in zip(marks, items, strict=True)) + "\n\n"


def html_to_plain_text(html: str) -> str:
    """Stored HTML as plain lines, to be read only."""
    return entities.unescape(_TAG.sub("", html_to_typed(html)))
