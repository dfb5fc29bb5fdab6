"""How the words of a mail would look: colour, ground, size and underline of each, in light and in the dark.

A small cascade over what our own templates use: flat rules with tags, classes, descendant and child selectors, inline styles
and bgcolor. Rules for other widths are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

from lxml import etree, html
from lxml.html import HtmlElement

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BROKEN_STRING = re.compile(r"'[^'\n]*\n|\"[^\"\n]*\n")
"""A line break within quotes: browsers drop what follows."""
_HEX = re.compile(r"#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})\b")
_NAMED = {"white": "#FFFFFF", "black": "#000000"}
_PROPERTIES = {"color", "background-color", "font-size", "text-decoration", "display", "padding", "line-height"}
_UNSEEN = {"head", "style", "script", "title", "meta"}
BROWSER_LINK, BROWSER_WORDS, BROWSER_PAPER = "#0000EE", "#000000", "#FFFFFF"


class CssRule(NamedTuple):
    selector: str
    declarations: Mapping[str, str]
    is_dark: bool


@dataclass(frozen=True)
class VisibleText:
    """A stretch of text somebody can see."""

    element: HtmlElement
    text: str
    colour: str
    ground: str
    size: float
    """In CSS pixels."""
    link: HtmlElement | None
    is_underlined: bool


def parse_html(source: str) -> HtmlElement:
    return html.document_fromstring(source, parser=html.HTMLParser(encoding="utf-8"))


def css_rules(tree: HtmlElement) -> list[CssRule]:
    """The rules of the style sheets, for all widths, in order; those for the dark are marked."""
    found: list[CssRule] = []
    for style in tree.iter("style"):
        if "width" not in style.get("media", ""):
            found.extend(_rules(_COMMENT.sub("", style.text or "")))
    return found


def _rules(sheet: str) -> Iterator[CssRule]:
    for media, inner, selectors, body in re.findall(
        r"(@media[^{]*)\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}|([^{}@]+)\{([^{}]*)\}", sheet
    ):
        if not media:
            yield from _each(selectors, body, is_dark=False)
        elif "prefers-color-scheme: dark" in media or media.strip() == "@media all":
            for selectors_inside, body_inside in re.findall(r"([^{}]+)\{([^{}]*)\}", inner):
                yield from _each(selectors_inside, body_inside, is_dark=True)


def _each(selectors: str, body: str, *, is_dark: bool) -> Iterator[CssRule]:
    known = parse_declarations(body)
    if known:
        yield from (CssRule(selector.strip(), known, is_dark) for selector in selectors.split(","))


@lru_cache(maxsize=2048)
def parse_declarations(body: str) -> Mapping[str, str]:
    """The properties that matter here; `background` counts as its colour."""
    whole = _BROKEN_STRING.split(body)[0]
    pairs = (part.partition(":")[::2] for part in whole.split(";") if ":" in part)
    known = {name.strip().lower(): value.strip() for name, value in pairs}
    if "background" in known:
        known.setdefault("background-color", known["background"])
    return {name: value for name, value in known.items() if name in _PROPERTIES}


@lru_cache(maxsize=512)
def _xpath(selector: str) -> etree.XPath | None:
    """None for a selector outside what our templates use."""
    steps, axis = "", "descendant-or-self::"
    for step in selector.replace(">", " > ").split():
        if step == ">":
            axis = "child::"
            continue
        plain = re.fullmatch(r"([a-z][a-z0-9]*)?((?:\.[\w-]+)*)", step)
        if plain is None:
            return None
        classes = "".join(
            f"[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]" for name in plain[2].split(".")[1:]
        )
        steps += ("/" if steps else "") + axis + (plain[1] or "*") + classes
        axis = "descendant::"
    return etree.XPath(steps)


class Cascade:
    """What each element of a mail gets, with or without the rules for the dark."""

    def __init__(self, tree: HtmlElement, *, dark: bool) -> None:
        self._strongest: dict[HtmlElement, dict[str, tuple[tuple[bool, int, int], str]]] = {}
        self._grounds: dict[HtmlElement, str] = {}
        for order, rule in enumerate(css_rules(tree)):
            path = _xpath(rule.selector)
            if path is None or (rule.is_dark and not dark):
                continue
            weight = rule.selector.count(".") * 10 + len(re.findall(r"(?:^|[ >])[a-z]", rule.selector))
            for element in cast("list[HtmlElement]", path(tree)):
                mine = self._strongest.setdefault(element, {})
                for name, value in rule.declarations.items():
                    rank = ("!important" in value, weight, order)
                    if name not in mine or mine[name][0] < rank:
                        mine[name] = (rank, value)

    def own(self, element: HtmlElement, name: str) -> str:
        """The value set on `element` itself; "" if nothing sets it."""
        strongest = self._strongest.get(element, {}).get(name, ((False, 0, 0), ""))
        inline = parse_declarations(element.get("style", "")).get(name, "")
        value = strongest[1] if strongest[0][0] or not inline else inline
        if not value and name == "background-color":
            value = element.get("bgcolor", "")
        return value.replace("!important", "").strip()

    def colour(self, element: HtmlElement) -> str:
        for one in (element, *element.iterancestors()):
            found = parse_colour(self.own(one, "color"))
            if found:
                return found
            if one.tag == "a":
                return BROWSER_LINK
        return BROWSER_WORDS

    def ground(self, element: HtmlElement) -> str:
        known = self._grounds.get(element)
        if known is None:
            parent = element.getparent()
            own = parse_colour(self.own(element, "background-color"))
            known = own or (self.ground(parent) if parent is not None else BROWSER_PAPER)
            self._grounds[element] = known
        return known

    def size(self, element: HtmlElement) -> float:
        factor = 1.0
        for one in (element, *element.iterancestors()):
            found = re.fullmatch(r"([\d.]+)(px|em|%)", self.own(one, "font-size"))
            if found and found[2] == "px":
                return float(found[1]) * factor
            if found:
                factor *= float(found[1]) / (100 if found[2] == "%" else 1)
        return 16.0 * factor

    def is_underlined(self, element: HtmlElement) -> bool:
        return any("underline" in self.own(one, "text-decoration") for one in (element, *element.iterancestors()))

    def is_hidden(self, element: HtmlElement) -> bool:
        return any(
            one.tag in _UNSEEN or self.own(one, "display") == "none" for one in (element, *element.iterancestors())
        )

    def words(self, tree: HtmlElement) -> Iterator[VisibleText]:
        """Every visible stretch of text in reading order."""
        for element in tree.iter(etree.Element):
            texts = [element.text, *(child.tail for child in element)]
            text = " ".join(part.strip() for part in texts if part and part.strip())
            if text and not self.is_hidden(element):
                link = next((one for one in (element, *element.iterancestors()) if one.tag == "a"), None)
                yield VisibleText(
                    element=element,
                    text=text,
                    colour=self.colour(element),
                    ground=self.ground(element),
                    size=self.size(element),
                    link=link,
                    is_underlined=self.is_underlined(element),
                )

    def is_button(self, link: HtmlElement) -> bool:
        """A link with a ground of its own."""
        return bool(parse_colour(self.own(link, "background-color")))

    def height(self, link: HtmlElement) -> float:
        """Of a button of one line: its line and the padding above and below."""
        padding = [float(part) for part in re.findall(r"([\d.]+)px", self.own(link, "padding"))] or [0.0]
        line = re.fullmatch(r"([\d.]+)px", self.own(link, "line-height"))
        above, below = padding[0], padding[2] if len(padding) > 2 else padding[0]
        return (float(line[1]) if line else self.size(link) * 1.2) + above + below


def parse_colour(value: str) -> str:
    """#RRGGBB, or "" for what is no colour of its own (transparent, inherit, none)."""
    found = _HEX.search(value)
    if found:
        digits = found[0][1:]
        return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)).upper()
    return _NAMED.get(value.strip().lower(), "")
