"""The table of translations: which blocks are written in which language, and what happens if a text is missing."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from newsletter import content, formatting, issues
from newsletter.blocks import registry
from newsletter.models import Issue
from newsletter.studio.composer import views as composer
from newsletter.studio.shared import access, document_form


@dataclass(frozen=True)
class TranslationCell:
    """A block in a language."""

    language: str
    name: str
    """Name of the policy's form field; "" in the default language, which has no policy."""
    policy: str
    state: str
    """"written", "begun" or "empty"."""
    said: str
    """The state and what readers see, as a sentence."""
    href: str


@dataclass(frozen=True)
class TranslationRow:
    id: str
    label: str
    title: str
    cells: tuple[TranslationCell, ...]


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Show the table. POST saves the policies for missing texts."""
    issue = access.get_issue(request, issue_id)
    if request.method == "POST":
        return _save_policies(request, issue)
    document = content.parse(issue.content)
    languages = issue.newsletter.languages
    rows = [_envelope_row(issue, document), *_block_rows(issue, document)]
    context = {
        "section": "issues",
        "issue": issue,
        "newsletter": issue.newsletter,
        "default": issue.newsletter.default_language,
        "columns": [
            {
                "code": code,
                "name": formatting.language_name(code),
                "missing": document_form.count_missing(document, code),
            }
            for code in languages
        ],
        "rows": rows,
        "policies": document_form.POLICY_LABELS.items(),
    }
    return render(request, "studio/composer/translations.html", context)


def _envelope_row(issue: Issue, document: content.Document) -> TranslationRow:
    cells = []
    for language in issue.newsletter.languages:
        own = document.envelopes.get(language, content.Envelope())
        state = "written" if own.subject and own.preheader else "begun" if own.subject or own.preheader else "empty"
        said = {"written": _("Written"), "begun": _("Started"), "empty": _("Missing")}[state]
        anchor = "subject" if not own.subject else "preheader"
        cells.append(
            TranslationCell(language, "", "", state, said, f"{composer.compose_url(issue, language)}#{anchor}")
        )
    title = document.envelope(issue.newsletter.default_language, issue.newsletter.default_language).subject
    return TranslationRow("envelope", _("Subject and preview text"), title, tuple(cells))


def _block_rows(issue: Issue, document: content.Document) -> list[TranslationRow]:
    default = issue.newsletter.default_language
    cards = document_form.build_cards(document, language=default, default=default)
    return [
        TranslationRow(
            card.id, card.label, card.title, tuple(_cell(issue, block, code) for code in issue.newsletter.languages)
        )
        for card, block in zip(cards, document.blocks, strict=True)
        if registry.kind_of(block).has_words
    ]


def _cell(issue: Issue, block: content.Block, language: str) -> TranslationCell:
    default = issue.newsletter.default_language
    words = block.words.get(language)
    has_some = words is not None and words.is_begun
    state = "written" if document_form.is_written(block, language) else "begun" if has_some else "empty"
    policy = block.policy.get(language, "fallback")
    return TranslationCell(
        language,
        f"{block.id}.{language}" if language != default else "",
        policy,
        state,
        _describe_state(
            state, policy, is_default=language == default, has_default=document_form.is_written(block, default)
        ),
        f"{composer.compose_url(issue, language)}#{block.id}",
    )


def _describe_state(state: str, policy: str, *, is_default: bool, has_default: bool) -> str:
    if state == "written":
        return _("Written")
    if is_default:
        return _("Unfinished: left out until it is complete") if state == "begun" else _("Missing: left out")
    if policy == "required":
        return (
            _("Unfinished: must be completed before sending")
            if state == "begun"
            else _("Missing: must be added before sending")
        )
    if policy == "optional" or not has_default:
        return _("Unfinished: left out until it is complete") if state == "begun" else _("Missing: left out")
    return (
        _("Unfinished: the first language is shown") if state == "begun" else _("Missing: the first language is shown")
    )


def _save_policies(request: HttpRequest, issue: Issue) -> HttpResponse:
    """Save the posted policies. Policies of blocks that were deleted in the meantime are ignored."""
    document = content.parse(issue.content)
    for block in document.blocks:
        for language in issue.newsletter.languages[1:]:
            policy = request.POST.get(f"{block.id}.{language}")
            if policy in document_form.POLICY_LABELS and policy != block.policy.get(language, "fallback"):
                block.policy[language] = policy  # type: ignore[assignment]  # one of the Policy literals
    try:
        if content.dump(document) != issue.content:
            editor, now = access.current_editor(request), timezone.now()
            issues.save(issue, document, version=issue.version, editor=editor, now=now)
        messages.success(request, _("Saved."))
    except issues.Conflict:
        messages.error(request, _("Someone else saved the issue at the same time. Check it and try again."))
    except issues.WrongState as error:
        messages.error(request, str(error))
    return redirect("issue-languages", issue.pk)
