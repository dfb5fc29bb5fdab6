"""Each catalogue for readers is complete, keeps every placeholder and tag, and counts as its language does (CLDR)."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")
django.setup()

from babel import Locale  # noqa: E402
from babel.messages import Catalog  # noqa: E402

from newsletter.languages import tags  # noqa: E402
from newsletter.languages.reader_words import catalogue_paths  # noqa: E402
from newsletter.management.commands import reader_messages  # noqa: E402

SHIPPED = ("ar", "de", "es", "fr", "ja", "ms", "nl", "zh-Hans")
"""Beside Bahasa Indonesia and English, which are the languages of the interface."""
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
TAG = re.compile(r"</?\w+>")
COUNTS = range(1201)


def forms(words: Any) -> tuple[str, ...]:
    return tuple(words) if isinstance(words, list | tuple) else (words,)


def faults(tag: str, catalogue: Catalog, template: Catalog) -> list[str]:
    found = [f"{tag}: no translation of {one.id!r}" for one in template if one.id and not _translation(catalogue, one)]
    found += [
        f"{tag}: not in the sources any more: {one.id!r}" for one in catalogue if one.id and one.id not in template
    ]
    found += [f"{tag}: {fault}" for one in catalogue if one.id for fault in _sentence_faults(one)]
    locale = tags.cldr_locale(tag)
    if locale is not None and not counts_like(catalogue, locale):
        found.append(f"{tag}: Plural-Forms differs from CLDR")
    return found


def _translation(catalogue: Catalog, wanted: Any) -> bool:
    one = catalogue.get(wanted.id if isinstance(wanted.id, str) else wanted.id[0])
    return one is not None and not one.fuzzy and all(forms(one.string))


def _sentence_faults(message: Any) -> list[str]:
    """A form may leave out a number that its words say, never any other value."""
    source, is_plural = forms(message.id)[-1], len(forms(message.id)) > 1
    wanted = sorted(PLACEHOLDER.findall(source))
    found = []
    for words in filter(None, forms(message.string)):
        given = sorted(PLACEHOLDER.findall(words))
        if given != wanted and not (is_plural and set(given) <= set(wanted)):
            found.append(f"placeholders differ: {words!r}")
        if sorted(TAG.findall(words)) != sorted(TAG.findall(source)):
            found.append(f"tags differ: {words!r}")
        if re.search(r"%(?!\(\w+\)[sd]|%)", words):
            found.append(f"a lone per cent sign: {words!r}")
    return found


def counts_like(catalogue: Catalog, locale: Locale) -> bool:
    """Whether the catalogue's rule tells numbers apart exactly as CLDR does."""
    rule = reader_messages.plural_function(catalogue)
    pairs = {(rule(number), locale.plural_form(number)) for number in COUNTS}
    return len(pairs) == len({one for one, _other in pairs}) == len({other for _one, other in pairs})


def main() -> int:
    template, paths = reader_messages.collect(), catalogue_paths()
    found = [f"{tag}: there is no catalogue" for tag in SHIPPED if tag not in paths]
    for tag, path in paths.items():
        found += faults(tag, reader_messages.read(path), template)
    print(
        "\n".join(found) or f"words for readers: {len(template)} sentences in {len(paths)} languages beside id and en"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
