"""As whom a preview is seen: a made-up reader, or real ones, which a package that knows readers offers.

No package below knows readers: `subscribers` registers its own with `add`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from newsletter.models import Editor, Issue

LONG_NAME = "Raden Ajeng Maximiliana Kusumawardhani Sastroamidjojo"
"""Longer than most: what it breaks, a real name would break one day."""


@dataclass(frozen=True)
class PreviewReader:
    key: str
    label: str
    name: str
    """What mails call them; "" if they never said."""


ReaderSource = Callable[[Issue, str, Editor], Iterable[PreviewReader]]
"""(issue, language, who asks) -> readers that this editor may see."""
_sources: list[ReaderSource] = []


def register(source: ReaderSource) -> None:
    if source not in _sources:
        _sources.append(source)


def choices(issue: Issue, language: str, editor: Editor) -> list[PreviewReader]:
    samples = [
        PreviewReader("", _("A reader without a name"), ""),
        PreviewReader("long", _("A reader with a long name"), LONG_NAME),
    ]
    return [*samples, *(reader for source in _sources for reader in source(issue, language, editor))]


def get_name(issue: Issue, language: str, editor: Editor, key: str) -> str:
    """What the reader `key` is called; "" for anybody who is not offered."""
    if not key:
        return ""
    return next((reader.name for reader in choices(issue, language, editor) if reader.key == key), "")
