"""Random issues: blocks of any kind in any order with hostile texts. The same seed gives the same issue."""

from __future__ import annotations

from random import Random
from typing import Any

from newsletter import content
from newsletter.models import Issue, Newsletter
from tests.factories import NOW

HOSTILE = (
    "<script>alert(1)</script>",
    '" onerror="alert(1)" x="',
    "' onmouseover='alert(1)",
    "<mj-raw><script>alert(1)</script></mj-raw>",
    "</mj-text></mj-column></mj-section>",
    "<!-- --> ]]> <![CDATA[x",
    "<![endif]--><p>x</p><!--[if mso]>",
    "{{7*7}} {% load x %} ${x} #{x}",
    "⟦u⟧⟦hit⟧⟦name:YQ⟧",
    "&amp;&lt;&#x3c;&zwj;&nbsp;&bogus;",
    "\u202eterbalik\u202c \u200b\u200d\ufeff",
    "x" * 700,
    "https://kabarlintas.example/" + "a" * 300,
    "عربي English 中文 हिन्दी ไทย 🙂🏽‍♀️",
    "é̀́̂̃" * 20,
    "a < b > c & d \"e\" 'f'",
    "\x00\x08\x1b[31m\x7f",
    "{color:red}</style>",
    "%s %(x)s {0} \\n \\u003c",
    "javascript:alert(1)",
    "class=lang-en lang-xx blk-b1",
    "= = = -- .",
)
PLAIN = ("Kabar", "imigrasi", "pekan", "ini", "New", "permits", "تصاريح", "护照", "Rp500.000", "12.00", "“tanya”", "–")
INLINE = ("strong", "em", "p", "ul", "li", "span", "table", "svg", "a")
ADDRESSES = (
    "https://kabarlintas.example/a?b=c&d=e#f",
    "https://kabarlintas.example/" + "panjang/" * 40,
    "https://xn--e1afmkfd.example/%E2%9C%93",
    "mailto:redaksi@kabarlintas.example?subject=Hai",
)
ACCENTS = ("#0E5A55", "#FFCC00", "#E10600", "#000000", "#FFFFFF", "#00A651")
LANGUAGES = ("id", "en", "ar", "zh")


def make_issue(chance: Random, newsletter: Newsletter, pictures: list[content.Picture]) -> tuple[Issue, str]:
    """An unsaved issue, and the language to render."""
    newsletter.accent, newsletter.languages = chance.choice(ACCENTS), chance.sample(LANGUAGES, chance.randint(1, 4))
    newsletter.brand = _line(chance)[:80]
    blocks = [_block(chance, number, newsletter.languages, pictures) for number in range(chance.randint(1, 14))]
    document = content.Document(
        envelopes={
            language: content.Envelope(subject=_line(chance)[:200], preheader=_line(chance)[:200])
            for language in newsletter.languages
        },
        blocks=blocks,
    )
    issue = Issue(newsletter=newsletter, number=7, slug="acak-7", content=content.dump(document), edited_at=NOW)
    return issue, chance.choice(newsletter.languages)


def _line(chance: Random) -> str:
    words = [
        chance.choice(HOSTILE) if chance.random() < 0.25 else chance.choice(PLAIN) for _ in range(chance.randint(1, 9))
    ]
    return " ".join(words) + f" {chance.choice(PLAIN)}"


def _rich(chance: Random) -> str:
    pieces = []
    for _ in range(chance.randint(0, 6)):
        tag, words = chance.choice(INLINE), _line(chance)
        attributes = {
            "a": f' href="{chance.choice((*ADDRESSES, *HOSTILE))}"',
            "span": ' data-merge="name"',
        }.get(tag, "")
        pieces.append(f"<{tag}{attributes}>{words}" + (f"</{tag}>" if chance.random() < 0.8 else ""))
    return "".join(pieces)


def _address(chance: Random) -> str:
    return chance.choice(HOSTILE) if chance.random() < 0.1 else chance.choice(ADDRESSES)


def _block(chance: Random, number: int, languages: list[str], pictures: list[content.Picture]) -> Any:
    kind = chance.choice(list(content.BLOCK_TYPES))
    fields: dict[str, Any] = {"id": f"b{number:03d}"}
    if "picture" in content.BLOCK_TYPES[kind].model_fields:
        fields["picture"] = chance.choice([None, *pictures])
    if kind == "notice":
        fields["tone"] = chance.choice(("info", "warning", "scam"))
    if kind == "image":
        fields["is_decorative"] = chance.random() < 0.2
    if kind == "event":
        fields["starts_at"] = chance.choice(("", "2026-12-01T09:00", "2026-03-29T02:30"))
        fields["ends_at"] = chance.choice(("", "2026-12-01T11:00", "2026-12-03T09:00"))
    if kind != "divider":
        spoken = chance.sample(languages, chance.randint(1, len(languages)))
        fields["words"] = {language: _words(chance, kind) for language in spoken}
    return content.BLOCK_TYPES[kind](**fields)


def _words(chance: Random, kind: str) -> dict[str, Any]:
    if kind == "faq":
        pairs = [{"question": _line(chance), "answer": _rich(chance)} for _ in range(chance.randint(0, 4))]
        return {"heading": chance.choice(("", _line(chance))), "questions": pairs}
    if kind == "figures":
        rows = [{"value": _line(chance)[:24], "label": _line(chance)} for _ in range(chance.randint(0, 4))]
        return {"heading": chance.choice(("", _line(chance))), "figures": rows, "source": _line(chance)}
    fields = {
        **dict.fromkeys(("lead", "story", "brief"), ("headline", "summary", "url", "link_text", "image_alt", "update")),
        "text": ("heading", "body"),
        "notice": ("heading", "body"),
        "quote": ("quote", "source"),
        "button": ("label", "url"),
        "image": ("image_alt", "caption", "facts", "url"),
        "video": ("headline", "summary", "url", "duration", "transcript_url", "image_alt"),
        "event": ("headline", "summary", "place", "url"),
    }[kind]
    return {name: _value(chance, name) for name in fields if chance.random() < 0.9}


def _value(chance: Random, name: str) -> str:
    if name in ("summary", "body", "facts"):
        return _rich(chance)
    return _address(chance) if name.endswith("url") else _line(chance)
