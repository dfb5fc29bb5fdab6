"""Language tags (BCP 47, RFC 5646): canonical form, script, direction, names, and matching (RFC 4647, section 3.4).

Pure: no Django, no database. CLDR data comes from Babel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

MAX_LENGTH = 35
"""Characters that a tag may have: the buffer size that RFC 5646, section 4.4.1, recommends."""
UNDETERMINED = "und"
"""The tag of text whose language nobody named (RFC 5646, section 4.1)."""
RIGHT_TO_LEFT_SCRIPTS = frozenset({"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"})
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)"
    r"(?P<private>-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)


class InvalidTag(ValueError):
    """The text is not a well-formed language tag, or it is longer than MAX_LENGTH."""


@lru_cache(maxsize=1024)
def parse_tag(text: str) -> str:
    """Return the tag in canonical case: "zh-hans" -> "zh-Hans", "pt_br" -> "pt-BR". Raises InvalidTag."""
    tag = text.strip().replace("_", "-")
    found = _TAG.fullmatch(tag)
    if found is None or len(tag) > MAX_LENGTH:
        raise InvalidTag(text)
    parts = [found["language"].lower()]
    parts += [found["script"].title()] if found["script"] else []
    parts += [found["region"].upper()] if found["region"] else []
    return "-".join(parts) + (found["variants"] + found["extensions"] + (found["private"] or "")).lower()


def is_valid_tag(text: str) -> bool:
    try:
        parse_tag(text)
    except InvalidTag:
        return False
    return True


def _subtags(tag: str) -> tuple[str, str, str]:
    """Language, script and region; "" for each that the tag does not have."""
    found = _TAG.fullmatch(tag.replace("_", "-"))
    if found is None:
        return tag.partition("-")[0].lower(), "", ""
    return found["language"].lower(), (found["script"] or "").title(), (found["region"] or "").upper()


@lru_cache(maxsize=1024)
def script_of(tag: str) -> str:
    """The script the tag names, else the one CLDR expects (likely subtags); "" if CLDR does not know the language."""
    language, script, region = _subtags(tag)
    if script:
        return script
    likely = get_global("likely_subtags")
    for key in (f"{language}_{region}", language) if region else (language,):
        if key in likely:
            return _subtags(likely[key])[1]
    return ""


def with_territory(tag: str) -> str:
    """Language and territory, such as "id_ID", with the territory CLDR expects where the tag names none."""
    language, _script, region = _subtags(tag)
    likely = get_global("likely_subtags").get("_".join(filter(None, (language, _script)))) or get_global(
        "likely_subtags"
    ).get(language, "")
    region = region or likely.rpartition("_")[2]
    return f"{language}_{region}" if region else tag


def text_direction(tag: str) -> str:
    """Return "rtl" or "ltr", as HTML's `dir` wants it."""
    return "rtl" if script_of(tag) in RIGHT_TO_LEFT_SCRIPTS else "ltr"


def lookup_range(tag: str) -> Iterator[str]:
    """The tag, then less specific ones in the same script: "zh-CN" -> zh-CN, zh-Hans-CN, zh-Hans, zh."""
    language, script, region = _subtags(tag)
    script, own = script or script_of(tag), script_of(language)
    wider = [tag]
    if region and script:
        wider.append(f"{language}-{script}-{region}")
    if region and script == own:
        wider.append(f"{language}-{region}")
    if script:
        wider.append(f"{language}-{script}")
    if script == own:
        wider.append(language)
    yield from dict.fromkeys(wider)


def find_match(tag: str, offered: Iterable[str]) -> str:
    """The offered tag that a reader of `tag` can read: the same, a wider one, or a narrower one; "" if none is."""
    by_key = {one.lower(): one for one in reversed(list(offered))}
    for wider in lookup_range(tag) if tag else ():
        if wider.lower() in by_key:
            return by_key[wider.lower()]
    language, script = _subtags(tag)[0], script_of(tag)
    near = [one for one in reversed(by_key.values()) if (_subtags(one)[0], script_of(one)) == (language, script)]
    return near[0] if near and tag else ""


@lru_cache(maxsize=256)
def cldr_locale(tag: str) -> Locale | None:
    """Babel's data for the tag or a wider one in the same script; None if CLDR has none."""
    for wider in lookup_range(tag):
        try:
            return Locale.parse(wider, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None


@lru_cache(maxsize=1024)
def display_name(tag: str, spoken: str = "") -> str:
    """The language's name in the language `spoken`, or in itself; the tag where CLDR has no name."""
    locale = cldr_locale(spoken or tag)
    if locale is None:
        return tag
    language, script, region = _subtags(tag)
    name = locale.languages.get(language)
    whole = locale.languages.get("_".join(filter(None, (language, script, region))))
    if name is None:
        return tag
    details = [locale.scripts.get(script, script), locale.territories.get(region, region)]
    rest = ", ".join(detail for detail in details if detail)
    return whole or (f"{name} ({rest})" if rest else name)
