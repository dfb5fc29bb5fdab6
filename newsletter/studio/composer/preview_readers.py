"""The readers that a preview can be shown for: two samples, and real subscribers from registered sources.

`newsletter` does not import `subscribers`. `subscribers` registers its source with `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from newsletter.models import Editor, Issue

LONG_NAME = "Raden Ajeng Maximiliana Kusumawardhani Sastroamidjojo"
"""A very long name, to find layouts that long names break."""


@dataclass(frozen=True)
class PreviewReader:
    key: str
    label: str
    name: str
    """The name used in mails; "" if unknown."""


ReaderSource = Callable[[Issue, str, Editor], Iterable[PreviewReader]]
"""(issue, language, editor) -> readers that this editor may see."""
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
    """The name of the reader `key`; "" if the editor may not see that reader."""
    if not key:
        return ""
    return next((reader.name for reader in choices(issue, language, editor) if reader.key == key), "")
