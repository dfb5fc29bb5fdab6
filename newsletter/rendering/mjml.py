"""MJML to HTML, without ever trusting the compiler: it dies of deep nesting and passes through whatever it does not know.

A source is parsed here first (iteratively, by expat), measured, held against a list of allowed tags and attributes, and written
again in one canonical form: double quotes, escaped values, no comments. Only that reaches the compiler. Frozen editions are
compiled in a process of their own: `python -m newsletter.rendering.mjml` reads and writes JSON.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal, NamedTuple
from xml.parsers import expat

from mjml import mjml2html

from newsletter.languages.tags import text_direction as text_direction
from newsletter.rendering import links, slots

MAX_BYTES = 512 * 1024
MAX_DEPTH = 100
MAX_ELEMENTS = 5_000
MAX_LINE_BYTES = 900
"""Bytes; 998 is the limit on the wire (RFC 5322), and slots have yet to be filled."""
TIMEOUT_S = 20
MAX_UNFILLED_LINE_BYTES = MAX_LINE_BYTES - 300
"""Bytes of a line before slots are filled."""
MAX_FIELD_BYTES = 360
"""Bytes that a reader's name takes at most (`workers.message.builder`)."""
MAX_MEMORY_BYTES = 1024**3
MODULE = "newsletter.rendering.mjml"

Reason = Literal["too long", "too deep", "too many", "not allowed", "malformed", "leftover", "crashed", "timeout"]

_HEAD_TAGS = {"mj-head", "mj-title", "mj-breakpoint", "mj-attributes", "mj-all", "mj-class", "mj-style"}
_FRAME_ONLY = {"mjml", "mj-body", "mj-raw", *_HEAD_TAGS}
_BODY_TAGS = {"mj-section", "mj-column", "mj-text", "mj-image", "mj-button", "mj-divider", "mj-spacer"}
_HTML_TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li", "h1", "h2", "h3", "span", "div", "img", "meta"}
_VOID = {"br", "img", "meta"}
# fmt: off
_ATTRIBUTES = {
    "align", "alt", "background-color", "border", "border-color", "border-left", "border-radius", "border-right", "border-width",
    "class", "color", "content", "css-class", "dir", "direction", "fluid-on-mobile", "font-family", "font-size",
    "font-style", "font-weight", "height", "href", "inner-padding", "lang", "letter-spacing", "line-height",
    "mj-class", "name", "padding", "padding-bottom", "padding-left", "padding-top", "src", "style", "text-align",
    "vertical-align", "width",
}
# fmt: on
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_REFERENCE = re.compile(r"&#(?!160;)(\d{3,7});")
"""Those that `_ascii` wrote, but for the no-break space, which is better seen."""
_SLOT_FREE = str.maketrans(slots.OPEN + slots.CLOSE, "xx")


class MjmlError(ValueError):
    """The source cannot become a mail; `block` names the part at fault where one is."""

    def __init__(self, reason: Reason, detail: str, block: str = "") -> None:
        super().__init__(f"{reason}: {detail}" + (f" (block {block})" if block else ""))
        self.reason: Reason = reason
        self.detail = detail
        self.block = block


class MjmlPart(NamedTuple):
    """The MJML of one block, or of several that share a box (`block` is then the first)."""

    block: str
    mjml: str


@dataclass(frozen=True)
class MjmlSource:
    before: str
    parts: tuple[MjmlPart, ...]
    after: str

    def whole(self) -> str:
        return self.before + "".join(part.mjml for part in self.parts) + self.after


# --- the guard -------------------------------------------------------------------------------------------------------


def validate(source: str, *, is_part: bool = False) -> str:
    """`source` in canonical form. Raises Refused where it is too big, too deep, malformed or uses what we do not."""
    if len(source.encode()) > MAX_BYTES:
        raise MjmlError("too long", f"more than {MAX_BYTES} bytes")
    writer = _Writer(_BODY_TAGS | _HTML_TAGS if is_part else _FRAME_ONLY | _BODY_TAGS | _HTML_TAGS)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.StartDoctypeDeclHandler = writer.doctype
    parser.ProcessingInstructionHandler = writer.instruction
    try:
        parser.Parse((f"<part>{source}</part>" if is_part else source).encode(), True)
    except expat.ExpatError as error:
        raise MjmlError("malformed", f"line {error.lineno}, column {error.offset}") from None
    return "".join(writer.pieces)


class _Writer:
    """Takes what expat finds and writes it again, counting as it goes."""

    def __init__(self, allowed: set[str]) -> None:
        self.pieces: list[str] = []
        self._allowed = allowed
        self._open: list[str] = []
        self._elements = 0

    def start(self, tag: str, attributes: Sequence[str]) -> None:
        self._elements += 1
        self._open.append(tag)
        if tag == "part" and len(self._open) == 1:
            return
        if len(self._open) > MAX_DEPTH:
            raise MjmlError("too deep", f"more than {MAX_DEPTH} levels")
        if self._elements > MAX_ELEMENTS:
            raise MjmlError("too many", f"more than {MAX_ELEMENTS} elements")
        if tag not in self._allowed:
            raise MjmlError("not allowed", f"<{tag}>")
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        written = "".join(f' {name}="{self._value(tag, name, value)}"' for name, value in pairs)
        self.pieces.append(f"<{tag}{written} />" if tag in _VOID else f"<{tag}{written}>")

    def _value(self, tag: str, name: str, value: str) -> str:
        if name not in _ATTRIBUTES:
            raise MjmlError("not allowed", f"{name} on <{tag}>")
        if name in ("href", "src") and not links.is_safe_url(value.translate(_SLOT_FREE)):
            raise MjmlError("not allowed", f"an unsafe address in {name} on <{tag}>")
        return _ascii(escape(value))

    def end(self, tag: str) -> None:
        self._open.pop()
        if tag not in _VOID and not (tag == "part" and not self._open):
            self.pieces.append(f"</{tag}>")

    def text(self, text: str) -> None:
        if self._open[-1] == "mj-style":
            self.pieces.append(text.replace("<", ""))
        else:  # quotes too: the compiler copies the title into an attribute as it stands
            self.pieces.append(_ascii(escape(text)))

    def doctype(self, *_: object) -> None:
        raise MjmlError("not allowed", "a document type")

    def instruction(self, *_: object) -> None:
        raise MjmlError("not allowed", "a processing instruction")


def _ascii(escaped: str) -> str:
    """Everything beyond ASCII as references: the compiler's parser counts bytes where it should count characters."""
    return _BEYOND_ASCII.sub(lambda found: f"&#{ord(found[0])};", escaped)


def _as_characters(html: str) -> str:
    """Back from references. Apostrophes too: the compiler writes double quotes around every value."""
    return _REFERENCE.sub(lambda found: chr(int(found[1])), html).replace("&#x27;", "'")


# --- compiling -------------------------------------------------------------------------------------------------------


def to_html(source: MjmlSource) -> str:
    """Compile in this process, behind the guard. Raises Refused, naming the block at fault where one is."""
    try:
        for part in source.parts:
            validate(part.mjml, is_part=True)
        return _finished(_compiled(source.whole()))
    except MjmlError as refused:
        raise MjmlError(refused.reason, refused.detail, refused.block or _guilty(source)) from None


def _compiled(whole: str) -> str:
    canonical = validate(whole)
    try:
        # No fonts: a known font name would add a link to a font host. No include loader: nothing can be read.
        html = str(mjml2html(canonical, fonts={}))
    except ValueError as error:
        raise MjmlError("malformed", str(error)) from None
    except BaseException as error:
        # A panic inside the compiler arrives as an exception that no `except Exception` catches; it has no importable type.
        if type(error).__name__ != "PanicException":
            raise
        raise MjmlError("crashed", str(error)) from None
    if "<mj-" in html:
        raise MjmlError("leftover", "an element that the compiler does not know")
    return _as_characters(html)


def _guilty(source: MjmlSource) -> str:
    """The first block that cannot be compiled on its own; "" if each one can."""
    for part in source.parts:
        try:
            validate(part.mjml, is_part=True)
            _compiled(f"<mjml><mj-body>{part.mjml}</mj-body></mjml>")
        except MjmlError:
            return part.block
    return ""


def to_html_in_subprocess(source: MjmlSource, *, timeout_s: float = TIMEOUT_S) -> str:
    """Compile in a process of its own, so that whatever happens there, the caller lives. Raises Refused."""
    payload = json.dumps({"before": source.before, "parts": source.parts, "after": source.after})
    answer = json.loads(run_subprocess([sys.executable, "-m", MODULE], payload, timeout_s=timeout_s))
    if "html" in answer:
        return str(answer["html"])
    raise MjmlError(answer["reason"], answer["detail"], answer["block"])


def run_subprocess(command: Sequence[str], payload: str, *, timeout_s: float) -> str:
    """What `command` writes when it reads `payload`. Raises Refused if it dies or takes too long."""
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            command,
            input=payload.encode(),
            capture_output=True,
            cwd=root,
            env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MjmlError("timeout", f"no answer within {timeout_s:g} s") from None
    if done.returncode:
        raise MjmlError("crashed", f"the compiler ended with {done.returncode}")
    return done.stdout.decode()


# --- after compiling -------------------------------------------------------------------------------------------------

_OUTLOOK = "<!--[if mso]><style>h1,h2,h3,p,li,a{mso-line-height-rule:exactly}</style><![endif]-->"
_LANGUAGE_CLASS = re.compile(
    r'(<[a-z0-9]+ (?:[^>]*? )?class="(?:[^"]* )?)lang-([a-z]{2,3}(?:-[A-Za-z0-9]+)*)((?: [^"]*)?")'
)
_BLOCK_END = re.compile(r"(</(?:div|td|tr|table|tbody|p|h[1-6]|ul|ol|li|style|title|head)>|<!\[endif\]-->)")

_PIECE = re.compile(
    r"""
    \ *<!--.*?-->             # a comment
  | \ *<[^\s<>"]+            # the beginning of a tag
  | \ *[\w:-]+="[^"]*"(?:\ */?>)?  # an attribute, with the end of its tag
  | \ */?>                   # the end of a tag
  | \ *⟦[\w:-]+⟧             # a slot
  | \ *[^\s<>"⟦]+            # a word
  | .""",
    re.VERBOSE | re.DOTALL,
)
_DESCRIPTION = re.compile(r'\ *(?:alt|aria-label)="')
"""Attributes with words for people: a line break in them is a blank."""
_WITH_BLANK = re.compile(r" *[^ ]+")
_PART = re.compile(rf"(?:&#?\w+;|.){{1,{MAX_UNFILLED_LINE_BYTES // 4}}}", re.DOTALL)
_SENTENCE = re.compile(f"({slots.format_slot('why')})")


def _finished(html: str) -> str:
    html = html.replace("</head>", f"{_OUTLOOK}</head>", 1)
    return wrap_lines(_LANGUAGE_CLASS.sub(_with_language, html))


def _with_language(found: re.Match[str]) -> str:
    """`class="… lang-en …"` carries a language through the compiler, which would drop a `lang` attribute."""
    language = found[2]
    if language.endswith("-outlook"):
        return found[0]
    before, after = found[1], found[3]
    return f'{before.rstrip() if after == chr(34) else before}{after.lstrip()} lang="{language}" dir="{text_direction(language)}"'


def wrap_lines(html: str) -> str:
    """Break lines so that none reaches LONGEST_LINE bytes: after blocks, then at blanks, at last anywhere in a word.

    Never within the value of an attribute, but for descriptions: a line break in the middle of a font name would undo a
    whole style.
    """
    lines: list[str] = []
    for line in _SENTENCE.sub(r"\n\1\n", _BLOCK_END.sub(r"\1\n", html)).split("\n"):
        lines.extend(_short_lines(line))
    return "\n".join(line for line in lines if line.strip())


def _size(text: str) -> int:
    """Bytes of `text`, with room for what its merge fields may become."""
    return len(text.encode()) + MAX_FIELD_BYTES * text.count(f"{slots.OPEN}name:")


def _short_lines(line: str) -> list[str]:
    if _size(line) <= MAX_UNFILLED_LINE_BYTES:
        return [line]
    short, current = [], ""
    for unit in _units(line):
        if current.strip() and _size(current + unit) > MAX_UNFILLED_LINE_BYTES:
            short.append(current.rstrip(" "))
            current = unit.lstrip(" ")
        else:
            current += unit
    return [*short, current]


def _units(line: str) -> list[str]:
    """What belongs on one line: everything up to the next blank that may become a line break."""
    units = [""]
    for piece in _PIECE.findall(line):
        for part in _cut(piece):
            if part.startswith(" ") or _size(units[-1] + part) > MAX_UNFILLED_LINE_BYTES:
                units.append(part)
            else:
                units[-1] += part
    return units


def _cut(piece: str) -> list[str]:
    """What may stand on lines of its own: the words of a long description, a word beyond all measure in parts that fit."""
    if len(piece.encode()) <= MAX_UNFILLED_LINE_BYTES:
        return [piece]
    if _DESCRIPTION.match(piece):
        return [part for word in _WITH_BLANK.findall(piece) for part in _parts(word)]
    if piece.lstrip(" ").startswith(("<", slots.OPEN)) or "=" in piece:
        return [piece]
    return _parts(piece)


def _parts(word: str) -> list[str]:
    """`word` in parts that fit, no reference to a character torn."""
    return _PART.findall(word) if len(word.encode()) > MAX_UNFILLED_LINE_BYTES else [word]


# --- the process of its own ------------------------------------------------------------------------------------------


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT_S, TIMEOUT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    asked = json.loads(sys.stdin.buffer.read())
    source = MjmlSource(asked["before"], tuple(MjmlPart(*part) for part in asked["parts"]), asked["after"])
    try:
        answer = {"html": to_html(source)}
    except MjmlError as refused:
        answer = {"reason": refused.reason, "detail": refused.detail, "block": refused.block}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
