"""Collect the sentences that readers see, and bring every catalogue of `newsletter/reader_locale` up to date."""

from __future__ import annotations

import ast
import gettext
import io
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages import Catalog
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po
from babel.plural import to_gettext
from django.conf import settings
from django.core.management.base import BaseCommand
from django.template import engines
from django.template.base import FilterExpression, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from newsletter.languages import tags
from newsletter.languages.reader_words import catalogue_paths

TEMPLATES = (
    *("public/*.html", "archive/*.html", "archive/blocks/*", "mail/issue.*", "mail/blocks/*"),
    *(f"mail/notices/{name}.*" for name in ("_frame", "confirmation", "welcome", "already_subscribed")),
)
"""Templates that readers see, below `templates/`."""
MODULES: dict[str, tuple[str, ...]] = {
    "newsletter/archive/feeds.py": (),
    "newsletter/checks/fixes.py": ("_named", "_fallback"),
    "newsletter/drafts/document.py": (),
    "newsletter/archive/sharing.py": (),
    "newsletter/corrections/errata.py": ("erratum_heading",),
    "newsletter/corrections/mail.py": (),
    "newsletter/corrections/notes.py": ("propose_note",),
    "newsletter/editions.py": ("edition_line", "language_note", "event_time", "_sample_values"),
    "newsletter/formatting.py": ("join_names",),
    "subscribers/addresses.py": (),
    "subscribers/consent/texts.py": ("default_button", "default_text"),
    "subscribers/signup/requests.py": ("confirmation_subject",),
    "subscribers/views/*.py": (),
    "workers/message/builder.py": ("_sentence",),
    "workers/notifications/outbox.py": ("_welcome", "_already_subscribed"),
}
"""Modules with sentences that readers see; with names, only these functions of the module."""
MARKERS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "ngettext": 2, "ngettext_lazy": 2}
"""Functions that mark a sentence, and how many forms of it they take."""
_MARKED = re.compile(r'_\("([^"\\]*)"\).*')
HEADER = "# Words for readers of newsletters. Not yet read by a native speaker."
LEFT_OUT = tuple(
    f'"{name}:'
    for name in (
        *("Project-Id-Version", "Report-Msgid-Bugs-To", "POT-Creation-Date", "PO-Revision-Date"),
        *("Last-Translator", "Language-Team", "Generated-By"),
    )
)
"""Lines of a catalogue's header that are not written."""
Message = str | tuple[str, str]


class Command(BaseCommand):
    help = "Collect the sentences that readers see into newsletter/reader_locale, and merge them into each catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--language", help="also begin a catalogue for this language tag")

    def handle(self, *args: Any, language: str | None = None, **options: Any) -> None:
        template = collect()
        paths = dict(catalogue_paths())
        if language:
            tag = tags.parse_tag(language)
            paths.setdefault(tag, folder() / f"{tag}.po")
        for tag, path in sorted(paths.items()):
            missing = merge(template, tag, path)
            self.stdout.write(f"{tag}: {len(template)} sentences, {missing} to translate")


def collect(root: Path | None = None) -> Catalog:
    """Every sentence that readers see, with the files it stands in."""
    root = root or settings.BASE_DIR
    catalogue = Catalog(charset="utf-8")
    for path in sorted(path for pattern in TEMPLATES for path in (root / "templates").glob(pattern)):
        template = engines["django"].from_string(path.read_text())
        messages = _template_messages(template.template)  # type: ignore[attr-defined]
        _add(catalogue, messages, path.relative_to(root))
    for pattern, functions in MODULES.items():
        for path in sorted(root.glob(pattern)):
            _add(catalogue, _module_messages(ast.parse(path.read_text()), functions), path.relative_to(root))
    return catalogue


def _add(catalogue: Catalog, messages: Iterable[Message], path: Path) -> None:
    for message in messages:
        if message not in {(), ""}:
            catalogue.add(message, locations=[(path.as_posix(), 1)])


def _template_messages(template: Template) -> Iterator[Message]:
    for node in template.nodelist.get_nodes_by_type(object):  # type: ignore[arg-type]
        if isinstance(node, BlockTranslateNode):
            singular, _names = node.render_token_list(node.singular)
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield (singular, plural) if plural else singular
        elif isinstance(node, TranslateNode):
            yield str(node.filter_expression.var.literal)
        else:
            yield from _marked_values(node)


def _marked_values(node: Any) -> Iterator[str]:
    """Sentences written as `_("…")` among the arguments of a tag."""
    values = [one for value in vars(node).values() for one in (value if isinstance(value, list | tuple) else [value])]
    for value in values:
        if isinstance(value, FilterExpression) and (marked := _MARKED.fullmatch(value.token.strip())):
            yield marked[1]


def _module_messages(tree: ast.Module, functions: tuple[str, ...]) -> Iterator[Message]:
    parts: list[ast.AST] = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in functions
    ]
    for part in parts if functions else [tree]:
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
                forms = [one.value for one in node.args[: MARKERS[node.func.id]] if isinstance(one, ast.Constant)]
                yield (str(forms[0]), str(forms[1])) if len(forms) == 2 else str(forms[0])


def merge(template: Catalog, tag: str, path: Path) -> int:
    """Add new sentences to the file of `tag` and take away old ones. Returns how many have no translation."""
    catalogue = read(path) if path.exists() else begin(tag)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    write(catalogue, path)
    return len(untranslated(catalogue))


def read(path: Path) -> Catalog:
    """The catalogue of a file. The plural rule is the one of its header, the language that of its name."""
    with path.open("rb") as file:
        return read_po(file)


def begin(tag: str) -> Catalog:
    """An empty catalogue with the plural rule of the language (CLDR); its forms stand in the order zero, one, two, few, many, other."""
    locale = tags.cldr_locale(tag)
    catalogue = Catalog(locale=locale, project="Warta", charset="utf-8", fuzzy=False, header_comment=HEADER)
    if locale is not None:
        count, rule = plural_rule(locale)
        vars(catalogue).update(_num_plurals=count, _plural_expr=rule)  # Babel has no setter for them
    return catalogue


def plural_rule(locale: Locale) -> tuple[int, str]:
    """How many forms a language has, and the expression that picks one (gettext's Plural-Forms)."""
    expression = to_gettext(locale.plural_form)
    found = re.fullmatch(r"nplurals=(\d+); plural=(.+?);?", expression)
    if found is None or re.search(r"\be\b", found[2]):  # gettext knows no exponents (millions in French and Spanish)
        rule = get_plural(locale)
        return rule.num_plurals, rule.plural_expr
    return int(found[1]), found[2]


def plural_function(catalogue: Catalog) -> Callable[[int], int]:
    """The number of the form that the catalogue's rule picks for a count."""
    return gettext.c2py(catalogue.plural_expr)


def write(catalogue: Catalog, path: Path) -> None:
    """Write the file without dates and names, so that nothing but sentences changes from time to time."""
    written = io.BytesIO()
    write_po(written, catalogue, width=0, no_location=True, sort_output=True, ignore_obsolete=True)
    lines = written.getvalue().decode().lstrip("\n").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(LEFT_OUT)), encoding="utf-8")


def untranslated(catalogue: Catalog) -> list[Any]:
    return [one.id for one in catalogue if one.id and (one.fuzzy or not all(_forms(one.string)))]


def folder() -> Path:
    """The folder of the catalogues that come with the software."""
    return Path(settings.READER_LOCALE_PATHS[0])


def _forms(string: Any) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, list | tuple) else (string,)
