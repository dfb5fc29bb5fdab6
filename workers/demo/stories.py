"""The articles of the demo site: one text file each, with a twin in English where there is one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from newsletter.models import Newsletter

TEXTS_DIR = Path(__file__).parent / "texts"
BRAND = "Kabar Lintas"
LANGUAGES = ("id", "en")
ZONE = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True)
class DemoStory:
    slug: str
    language: str
    title: str
    summary: str
    section: str
    author: str
    picture: str
    alt: str
    days: int
    """Days between this article and the first day of the demo."""
    body: str
    """Paragraphs, "## " headings and **strong words**."""
    twins: dict[str, str] = field(default_factory=dict)
    """Language to slug, of the versions in other languages."""

    @property
    def path(self) -> str:
        return f"/demo/{self.slug}/" if self.language == "id" else f"/demo/{self.language}/{self.slug}/"

    @property
    def html(self) -> SafeString:
        return format_html_join("\n", "{}", ((_paragraph(part),) for part in self.body.split("\n\n")))

    @property
    def words(self) -> int:
        return len(self.body.split())

    def published_at(self, start: datetime) -> datetime:
        """In the morning, some days before `start`; each article at its own minute, so that their order is fixed."""
        day = timezone.localtime(start, ZONE).date() - timedelta(days=self.days)
        return datetime.combine(day, time(7, 5 + len(self.slug) % 50), tzinfo=ZONE)


def _paragraph(text: str) -> SafeString:
    """A paragraph, or a heading where it begins with ##; **words** between stars are strong."""
    text = text.strip()
    parts = re.split(r"\*\*(.+?)\*\*", text.removeprefix("## "))
    words = ((format_html("<strong>{}</strong>", part) if place % 2 else part,) for place, part in enumerate(parts))
    return format_html("<h2>{}</h2>" if text.startswith("## ") else "<p>{}</p>", format_html_join("", "{}", words))


@cache
def all_stories() -> tuple[DemoStory, ...]:
    """All stories, the newest first."""
    originals = {name: _read_text(name, "id") for name in _list_slugs("id")}
    twins = {name: _read_text(name, "en") for name in _list_slugs("en")}
    english = {parts["twin"]: slug for slug, parts in twins.items()}
    found = [
        _build_story(slug, "id", parts, {"en": english[slug]} if slug in english else {})
        for slug, parts in originals.items()
    ]
    for slug, parts in twins.items():
        shared = {name: originals[parts["twin"]][name] for name in ("picture", "days")}
        found.append(_build_story(slug, "en", {**shared, **parts}, {"id": parts["twin"]}))
    return tuple(sorted(found, key=lambda story: (story.days, story.slug)))


def _list_slugs(language: str) -> list[str]:
    return sorted(file.name.partition(".")[0] for file in TEXTS_DIR.glob(f"*.{language}.txt"))


def _read_text(slug: str, language: str) -> dict[str, str]:
    head, _, body = (TEXTS_DIR / f"{slug}.{language}.txt").read_text(encoding="utf-8").partition("\n\n")
    return {**dict(line.split(": ", 1) for line in head.splitlines()), "body": body.strip()}


def _build_story(slug: str, language: str, parts: dict[str, str], twins: dict[str, str]) -> DemoStory:
    names = ("title", "summary", "section", "author", "picture", "alt", "body")
    return DemoStory(slug=slug, language=language, days=int(parts["days"]), twins=twins, **{n: parts[n] for n in names})


def in_language(language: str) -> list[DemoStory]:
    return [story for story in all_stories() if story.language == language]


def find(slug: str, language: str) -> DemoStory | None:
    return next((story for story in in_language(language) if story.slug == slug), None)


def first_day(*, now: datetime) -> datetime:
    """The first day of the demo, kept with its newsletters; before there are any, today."""
    first = Newsletter.objects.filter(is_demo=True).order_by("pk").first()
    return first.created_at if first else now
