"""The history of an issue: its versions, who saved each, what changed, and restoring one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from newsletter import content, issues
from newsletter.blocks.fields import Field, ItemForm
from newsletter.blocks.forms import form_of
from newsletter.models import Issue
from newsletter.studio.composer import save_tokens
from newsletter.studio.shared import access, change_notes, document_form
from newsletter.studio.shared.document_form.fields import ENVELOPE_FIELDS

MAX_REVISIONS = 100


@dataclass(frozen=True)
class TextChange:
    """One text that differs between two versions."""

    label: str
    language: str
    """"" for a value that all languages share."""
    pieces: tuple[change_notes.DiffSegment, ...]


@dataclass(frozen=True)
class BlockChange:
    """A block, or the envelope, with what changed in it."""

    title: str
    what: str
    """added, removed or changed."""
    changes: tuple[TextChange, ...]


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, issue_id: int) -> HttpResponse:
    """List the versions, newest first. `?version=` shows the changes of one. POST restores a version."""
    issue = access.get_issue(request, issue_id)
    if request.method == "POST":
        return _restore(request, issue)
    requested = request.GET.get("version", "")
    default = issue.newsletter.default_language
    revisions = list(issue.revisions.select_related("editor").order_by("-number")[: MAX_REVISIONS + 1])
    rows = []
    for revision, older in zip(revisions[:MAX_REVISIONS], [*revisions[1:], None][:MAX_REVISIONS], strict=False):
        before = older.content if older else {}
        row = {
            "revision": revision,
            "said": describe_changes(before, revision.content, default),
            "is_head": revision.number == issue.revision_head,
            "is_first": older is None,
        }
        if requested == str(revision.number):
            row |= {"is_open": True, "changed": differences(before, revision.content, issue.newsletter.languages)}
        rows.append(row)
    context = {"section": "issues", "issue": issue, "rows": rows, "language": default}
    return render(request, "studio/composer/history.html", context)


def _restore(request: HttpRequest, issue: Issue) -> HttpResponse:
    number = request.POST.get("number", "")
    try:
        issues.restore(
            issue,
            access.parse_number(number, digits=save_tokens.MAX_DIGITS),
            version=issue.version,
            editor=access.current_editor(request),
            now=timezone.now(),
        )
    except (issues.NoSuchRevision, issues.WrongState) as error:
        messages.error(request, str(error))
        return redirect("issue-history", issue.pk)
    except issues.Conflict:
        messages.error(request, _("Someone else saved the issue at the same time. Check it and try again."))
        return redirect("issue-history", issue.pk)
    messages.success(request, _("Version %(number)s was restored. Use Undo to go back.") % {"number": number})
    return redirect("issue-compose", issue.pk)


# --- in words --------------------------------------------------------------------------------------------------------


def describe_changes(before: dict[str, Any], after: dict[str, Any], language: str) -> list[str]:
    """Describe the changes between two versions, one phrase for each change."""
    old, new = content.parse(before), content.parse(after)
    titles = {block.id: document_form.block_title(block, language)[0] for block in [*old.blocks, *new.blocks]}
    old_ids, new_ids = [block.id for block in old.blocks], [block.id for block in new.blocks]
    changed = issues.changed_blocks(before, after)
    phrases = [_("Added: %(title)s") % {"title": titles[key]} for key in new_ids if key not in old_ids]
    phrases += [_("Removed: %(title)s") % {"title": titles[key]} for key in old_ids if key not in new_ids]
    phrases += [_("Changed: %(title)s") % {"title": titles[key]} for key in new_ids if key in changed]
    if issues.ENVELOPE in changed:
        phrases.append(_("Subject or preview text"))
    if issues.ORDER in changed and not phrases:
        phrases.append(_("Order of the blocks"))
    return phrases or [_("Started")]


# --- word by word ----------------------------------------------------------------------------------------------------


def differences(before: dict[str, Any], after: dict[str, Any], languages: list[str]) -> list[BlockChange]:
    """Differences between two versions: the envelope, blocks in the order of the newer version, then removed blocks."""
    old, new = content.parse(before), content.parse(after)
    found = [BlockChange(_("Subject and preview text"), "changed", tuple(_envelope(old, new, languages)))]
    old_blocks = {block.id: block for block in old.blocks}
    for block in new.blocks:
        what = "changed" if block.id in old_blocks else "added"
        found.append(
            BlockChange(
                document_form.block_title(block, languages[0])[0], what, tuple(_block(old_blocks.get(block.id), block))
            )
        )
    new_ids = {block.id for block in new.blocks}
    found += [
        BlockChange(document_form.block_title(block, languages[0])[0], "removed", tuple(_block(block, None)))
        for block in old.blocks
        if block.id not in new_ids
    ]
    return [one for one in found if one.changes or one.what != "changed"]


def _envelope(old: content.Document, new: content.Document, languages: list[str]) -> Iterator[TextChange]:
    for language in languages:
        then, now = (document.envelopes.get(language, content.Envelope()) for document in (old, new))
        yield from _fields(ENVELOPE_FIELDS, then, now, language)


def _block(old: content.Block | None, new: content.Block | None) -> Iterator[TextChange]:
    one = new or old
    if one is None:
        return
    if old and new and old.kind != new.kind:
        yield from _text(
            _("Kind"), "", str(document_form.KIND_LABELS[old.kind]), str(document_form.KIND_LABELS[new.kind])
        )
    form = form_of(one)
    for spec in form.block_fields:
        yield from _text(str(spec.label), "", getattr(old, spec.name, ""), getattr(new, spec.name, ""))
    yield from _text(_("Picture"), "", _picture(old), _picture(new))
    languages = dict.fromkeys([*(old.words if old else ()), *(new.words if new else ())])
    for language in languages:
        then, now = (block.words.get(language) if block else None for block in (old, new))
        yield from _fields(form.fields, then, now, language)
        if form.items:
            yield from _items(form.items, then, now, language)
        policies = [_policy(block, language) for block in (old, new)]
        if old and new:
            yield from _text(_("As long as this is empty"), language, *policies)


def _picture(block: content.Block | None) -> str:
    shown = getattr(block, "picture", None)
    return shown.path.rpartition("/")[2] if shown else ""


def _policy(block: content.Block | None, language: str) -> str:
    policy = block.policy.get(language, "fallback") if block else "fallback"
    return str(document_form.POLICY_LABELS[policy])


def _items(form: ItemForm, then: Any, now: Any, language: str) -> Iterator[TextChange]:
    both = [getattr(words, words.ITEMS_FIELD, []) if words else [] for words in (then, now)]
    for number in range(max(map(len, both))):
        old, new = (items[number] if number < len(items) else form.new_item() for items in both)
        yield from _fields(form.fields, old, new, language)


def _fields(fields: tuple[Field, ...], then: Any, now: Any, language: str) -> Iterator[TextChange]:
    for spec in fields:
        texts = [getattr(words, spec.name, "") for words in (then, now)]
        if spec.kind == "rich" and texts[0] != texts[1]:
            plain = [document_form.html_to_typed(text) for text in texts]
            texts = plain if plain[0] != plain[1] else texts
        yield from _text(str(spec.label), language, *texts)


def _text(label: str, language: str, then: str, now: str) -> Iterator[TextChange]:
    if then != now:
        yield TextChange(label, language, change_notes.diff_texts(then, now).pieces)
