"""The fixed words that readers see (mail, forms, reader pages, archive) in the reader's language.

They have catalogues of their own, one file a language: `<tag>.po` in a folder of `settings.READER_LOCALE_PATHS`. Files
are read at their first use, without a compile step. English is the text in the sources; the interface languages of
`settings.LANGUAGES` use the interface's catalogue. docs/add-a-language.md describes how a file is made.

A reader's language and the language of the fixed words differ where a language has no file: then whole sentences appear
in the language that the newsletter's administrator chose (`Newsletter.fixed_words_language`), with `lang` and `dir`.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import get_language, trans_real

from newsletter.languages import tags

SOURCE_LANGUAGE = "en"
"""The language of the sentences in the sources."""
INTERFACE_LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)


class ReaderTranslation(trans_real.DjangoTranslation):
    """Django's words of a language (names of months, errors of forms) with the reader catalogue on top."""

    def __init__(self, tag: str, path: Path) -> None:
        super().__init__(tag)
        self._tag = tag
        self.merge(_load(path))

    def to_language(self) -> str:
        """The tag in canonical case, where Django would answer in lower case."""
        return self._tag


def _load(path: Path) -> gettext.GNUTranslations:
    """The catalogue of a .po file; sentences marked fuzzy are left out."""
    with path.open("rb") as file:
        catalogue = read_po(file)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(maxsize=1)
def catalogue_paths() -> dict[str, Path]:
    """The .po file of each language, by tag; a later folder of READER_LOCALE_PATHS replaces files of an earlier one."""
    found = {}
    for folder in settings.READER_LOCALE_PATHS:
        for path in sorted(Path(folder).glob("*.po")):
            if tags.is_valid_tag(path.stem):
                found[tags.parse_tag(path.stem)] = path
    return found


def available_languages() -> list[str]:
    """Tags of the languages that have fixed words: those of the interface, then the others."""
    return [*INTERFACE_LANGUAGES, *(tag for tag in catalogue_paths() if tag not in INTERFACE_LANGUAGES)]


@lru_cache(maxsize=1024)
def _find_catalogue(tag: str) -> str:
    """The tag of the catalogue for a language: its own, or a wider one in the same script; "" without one."""
    by_key = {one.lower(): one for one in available_languages()}
    return next((by_key[wider.lower()] for wider in tags.lookup_range(tag) if wider.lower() in by_key), "")


def has_words(tag: str) -> bool:
    return bool(tag) and bool(_find_catalogue(tag))


def words_language(tag: str, fallback: str = "") -> str:
    """The language of the fixed words beside text in `tag`: `tag` itself, else `fallback`, else English."""
    return next((one for one in (tag, fallback) if has_words(one)), SOURCE_LANGUAGE)


@lru_cache(maxsize=128)
def _translation(tag: str) -> trans_real.DjangoTranslation:
    name = _find_catalogue(tag)
    if name in INTERFACE_LANGUAGES:
        return trans_real.translation(tag if tag in INTERFACE_LANGUAGES else name)
    return ReaderTranslation(tag, catalogue_paths()[name])


@contextmanager
def override(tag: str, fallback: str = "") -> Iterator[str]:
    """Speak the fixed words for text in `tag` (see `words_language`); yields their language.

    `get_language()` then answers with the language of the words, not of the text.
    """
    spoken = words_language(tag, fallback)
    # Django's own activate() knows only catalogues of its folders; its current translation is a thread-local value.
    active: Any = trans_real._active  # type: ignore[attr-defined]
    before = getattr(active, "value", None)
    active.value = _translation(spoken)
    try:
        yield spoken
    finally:
        if before is None:
            del active.value
        else:
            active.value = before


def current_language() -> str:
    """The language of the fixed words now."""
    return get_language() or SOURCE_LANGUAGE


def forget_catalogues() -> None:
    """Read the files again at their next use."""
    for cached in (catalogue_paths, _find_catalogue, _translation):
        cached.cache_clear()
