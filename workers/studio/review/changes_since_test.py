"""What changed in an issue since its last test: links, words, pictures, blocks, order, settings. Reads only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from html import unescape
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import BaseModel

from newsletter import content, formatting, issues
from newsletter.articles.article_data import clean_text
from newsletter.formatting import join_names
from newsletter.models import AuditEntry, Editor, Issue
from newsletter.studio.shared import document_form

URL_FIELDS = frozenset({"url", "transcript_url"})
HREF = re.compile(r'href="([^"]*)"')
MAX_QUOTED_WORDS = 5
"""A change up to this long is shown as it is: "240 became 220"."""
MAX_SHOWN = 6
MAX_TEXT_LENGTH = 10_000
"""More than any field of a block holds."""


@dataclass(frozen=True)
class ContentChange:
    """One thing that is not as it was tested."""

    kind: str
    """link, text, picture, new, gone, order, settings or more."""
    title: str = ""
    """Of the block; "" for what belongs to none."""
    language: str = ""
    """Of the title; "" for the page's own."""
    words: str = ""
    """What became of it, such as "240 became 220"."""


@dataclass(frozen=True)
class ChangesSinceTest:
    tested_at: datetime | None
    is_mine: bool = False
    """Whoever looks at the page sent it."""
    changes: tuple[ContentChange, ...] = ()
    is_current: bool = False
    said: str = ""
    """ "2 links and 1 text changed since your test." """

    @property
    def shown(self) -> tuple[ContentChange, ...]:
        return self.changes[:MAX_SHOWN]

    @property
    def more(self) -> int:
        return max(0, len(self.changes) - MAX_SHOWN)


def compare(issue: Issue, *, editor: Editor | None) -> ChangesSinceTest:
    if issue.tested_at is None:
        return ChangesSinceTest(None, said=_("No test was sent."))
    last = AuditEntry.objects.filter(
        action="issue-tested", subject=f"issue {issue.pk}", occurred_at__lte=issue.tested_at
    ).order_by("-occurred_at", "-pk")
    entry = last.first()
    is_mine = bool(entry and editor and entry.actor_id == editor.pk)
    if _is_unchanged(issue, entry):
        return ChangesSinceTest(issue.tested_at, is_mine, is_current=True, said=_("Tested as it is."))
    changes = tuple(_find_changes(issue, entry))
    return ChangesSinceTest(issue.tested_at, is_mine, changes, said=_describe_changes(changes, is_mine=is_mine))


def _is_unchanged(issue: Issue, entry: AuditEntry | None) -> bool:
    tested = entry.detail.get("digest") if entry else None
    return tested == issues.approval_digest(issue) if tested else issue.tested_version == issue.version


def _describe_changes(changes: Sequence[ContentChange], *, is_mine: bool) -> str:
    things = capfirst(join_names(_describe_counts(changes)) or _("something"))
    if is_mine:
        return _("%(things)s changed since your test.") % {"things": things}
    return _("%(things)s changed since the test.") % {"things": things}


def _describe_counts(changes: Sequence[ContentChange]) -> list[str]:
    found = Counter(change.kind for change in changes)
    phrases: dict[str, Callable[[int], str]] = {
        "link": lambda n: ngettext("%(count)s link", "%(count)s links", n),
        "text": lambda n: ngettext("%(count)s text", "%(count)s texts", n),
        "picture": lambda n: ngettext("%(count)s picture", "%(count)s pictures", n),
        "new": lambda n: ngettext("%(count)s new block", "%(count)s new blocks", n),
        "gone": lambda n: ngettext("%(count)s removed block", "%(count)s removed blocks", n),
        "order": lambda n: _("the order"),
        "settings": lambda n: _("the settings"),
    }
    return [
        phrase(found[kind]) % {"count": formatting.format_number(found[kind])}
        for kind, phrase in phrases.items()
        if found[kind]
    ]


# --- finding them ----------------------------------------------------------------------------------------------------


def _find_changes(issue: Issue, entry: AuditEntry | None) -> Iterator[ContentChange]:
    """Nothing where the tested version is not in the history any more: then nobody can say what changed."""
    tested = issue.revisions.filter(saved_at__lte=issue.tested_at).order_by("-number")
    if entry and "revision" in entry.detail:
        tested = tested.filter(number=entry.detail["revision"])
    revision = tested.first()
    if revision is None:
        return
    default = issue.newsletter.default_language
    yield from differences(content.parse(revision.content), content.parse(issue.content), default=default)
    if entry and _settings_changed(issue, entry, same_words=revision.content == issue.content):
        yield ContentChange("settings", words=_("the settings of the newsletter"))


def _settings_changed(issue: Issue, entry: AuditEntry, *, same_words: bool) -> bool:
    """The digest tells where the words are the same; else the log of settings does."""
    if same_words:
        return bool(entry.detail.get("digest"))
    changed = AuditEntry.objects.filter(
        action="settings-changed", newsletter=issue.newsletter, occurred_at__gt=entry.occurred_at
    )
    return changed.exists()


def differences(old: content.Document, new: content.Document, *, default: str) -> Iterator[ContentChange]:
    """What is not the same in two documents, in the order of the new one."""
    yield from _envelope_changes(old, new)
    before = {block.id: block for block in old.blocks}
    after = {block.id: block for block in new.blocks}
    for block_id, block in after.items():
        if block_id not in before:
            yield ContentChange("new", *document_form.block_title(block, default), _("new"))
        elif block != before[block_id]:
            yield from _block_changes(before[block_id], block, default)
    for block_id, block in before.items():
        if block_id not in after:
            yield ContentChange("gone", *document_form.block_title(block, default), _("taken out"))
    kept = [block_id for block_id in before if block_id in after]
    if kept != [block_id for block_id in after if block_id in before]:
        yield ContentChange("order", words=_("the order of the blocks"))


def _envelope_changes(old: content.Document, new: content.Document) -> Iterator[ContentChange]:
    names = {"subject": _("Subject"), "preheader": _("Preview text")}
    for language in dict.fromkeys([*new.envelopes, *old.envelopes]):
        before = old.envelopes.get(language, content.Envelope())
        after = new.envelopes.get(language, content.Envelope())
        for name, title in names.items():
            if getattr(before, name) != getattr(after, name):
                yield ContentChange("text", title, "", describe_change(getattr(before, name), getattr(after, name)))


def _block_changes(before: content.Block, after: content.Block, default: str) -> Iterator[ContentChange]:
    title, language = document_form.block_title(after, default)
    found = list(_text_changes(before, after))
    if getattr(before, "picture", None) != getattr(after, "picture", None):
        found.append(("picture", _("the picture")))
    if not found and _block_settings(before) != _block_settings(after):
        found.append(("text", ""))
    for kind, words in found:
        yield ContentChange(kind, title, language, words)


def _block_settings(block: content.Block) -> dict[str, Any]:
    """A block without its words, and without what mails do not show."""
    return block.model_dump(exclude={"words", "picture", "seen", "keeps_gone", "article"})


def _text_changes(before: content.Block, after: content.Block) -> Iterator[tuple[str, str]]:
    for language in dict.fromkeys([*after.words, *before.words]):
        old, new = _texts(before.words.get(language)), _texts(after.words.get(language))
        for name in dict.fromkeys([*new, *old]):
            yield from _field_changes(name, old.get(name, ""), new.get(name, ""))


def _field_changes(name: str, old: str, new: str) -> Iterator[tuple[str, str]]:
    if old == new:
        return
    if name in URL_FIELDS:
        yield "link", _describe_link(new)
        return
    links = Counter(HREF.findall(new)) - Counter(HREF.findall(old))
    gone = Counter(HREF.findall(old)) - Counter(HREF.findall(new))
    added = list(links.elements())
    for place in range(max(len(added), gone.total())):
        yield "link", _describe_link(unescape(added[place])) if place < len(added) else _("a link was taken out")
    if (then := clean_text(old, most=MAX_TEXT_LENGTH)) != (now := clean_text(new, most=MAX_TEXT_LENGTH)):
        yield "text", describe_change(then, now)
    elif not links and not gone:
        yield "text", ""


def _texts(words: BaseModel | None) -> dict[str, str]:
    """Every text of a block in one language, by its place."""
    found: dict[str, str] = {}
    for name, value in words.model_dump().items() if words else ():
        if isinstance(value, list):
            found |= {f"{name}.{place}.{part}": text for place, one in enumerate(value) for part, text in one.items()}
        else:
            found[name] = value
    return found


def _describe_link(url: str) -> str:
    if not url:
        return _("a link was taken out")
    short = re.sub(r"^https?://(www\.)?", "", url)
    return _("now leads to %(address)s") % {"address": short if len(short) <= 60 else short[:59] + "…"}


def describe_change(old: str, new: str) -> str:
    """ "240 became 220" where a few words in one place changed; else ""."""
    before, after = old.split(), new.split()
    steps = [step for step in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if step[0] != "equal"]
    if len(steps) != 1:
        return ""
    _kind, i1, i2, j1, j2 = steps[0]
    if max(i2 - i1, j2 - j1) > MAX_QUOTED_WORDS:
        return ""
    words = {"before": " ".join(before[i1:i2]), "after": " ".join(after[j1:j2])}
    if not words["before"]:
        return _("“%(after)s” was added") % words
    if not words["after"]:
        return _("“%(before)s” was taken out") % words
    return _("“%(before)s” became “%(after)s”") % words
