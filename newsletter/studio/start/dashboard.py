"""The start page of the studio: current drafts, action items and the set-up steps.

`subscribers` and `workers` register their own lines with `register_setup_steps` and `register_action_items` in
AppConfig.ready. This module does not import them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from newsletter import content, formatting, issues, roles
from newsletter.drafts import preparation
from newsletter.formatting import format_datetime
from newsletter.models import EDITABLE, Editor, Issue, IssueStatus, Newsletter, Source
from newsletter.studio.settings import newsletters
from newsletter.studio.shared import access, document_form

IN_PROGRESS = (*EDITABLE, IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED)


@dataclass(frozen=True)
class SetupStep:
    """One step of the set-up of a newsletter."""

    title: str
    why: str
    url: str
    is_done: bool
    place: int = 50
    """Sort order in the list. The steps of this module use 10 to 60."""


@dataclass(frozen=True)
class ActionItem:
    """A task that an editor has to do. `tone` is "warn" or "danger"."""

    title: str
    why: str
    url: str
    icon: str = "circle-alert"
    tone: str = "warn"


SetupStepSource = Callable[[Newsletter], Iterable[SetupStep]]
ActionItemSource = Callable[[Editor, list[Newsletter]], Iterable[ActionItem]]
_setup_step_sources: list[SetupStepSource] = []
_action_item_sources: list[ActionItemSource] = []


def register_setup_steps(steps: SetupStepSource) -> None:
    if steps not in _setup_step_sources:
        _setup_step_sources.append(steps)


def register_action_items(needs: ActionItemSource) -> None:
    if needs not in _action_item_sources:
        _action_item_sources.append(needs)


# --- set-up ----------------------------------------------------------------------------------------------------------


def list_setup_steps(newsletter: Newsletter) -> list[SetupStep]:
    """The set-up steps of all sources. Open steps come first."""
    steps = [step for source in (_newsletter_setup_steps, *_setup_step_sources) for step in source(newsletter)]
    return sorted(steps, key=lambda step: (step.is_done, step.place))


def _newsletter_setup_steps(newsletter: Newsletter) -> Iterable[SetupStep]:
    at = reverse("settings-newsletter", args=[newsletter.slug])
    first_issue = newsletter.issues.filter(deleted_at__isnull=True).first()
    yield SetupStep(
        _("Name and colour"),
        _("Readers recognise the sender by them. 1 min"),
        f"{at}#brand",
        bool(newsletter.brand and newsletter.title),
        10,
    )
    yield SetupStep(
        _("Sender"),
        _("The name and address of the sender of every mail. 1 min"),
        f"{at}#sender",
        bool(newsletter.from_name and newsletter.from_email),
        20,
    )
    yield SetupStep(
        _("Postal address"),
        _("Shown in the footer of each mail. Nothing can be sent without it. 1 min"),
        f"{at}#postal",
        bool(newsletter.postal_address.strip()),
        30,
    )
    yield SetupStep(
        _("A feed or a first article"),
        _("Paste the URL of your site’s feed. Issues are made from your own articles. 1 min"),
        f"{reverse('source-list')}?newsletter={newsletter.slug}",
        newsletter.sources.exists() or bool(first_issue and first_issue.articles.exists()),
        35,
    )
    yield SetupStep(
        _("Mail provider"),
        _("Until MAIL_URL is set to your provider, mail is stored on this machine and not sent. 10 min"),
        _mail_help_url(),
        any(not route.startswith(("mailbox:", "discard:")) for route in settings.MAIL_ROUTES),
        40,
    )
    yield SetupStep(
        _("First issue"),
        _("Start a draft. Nothing is sent until you schedule it."),
        reverse("issue-list"),
        first_issue is not None,
        60,
    )


def _mail_help_url() -> str:
    try:
        return reverse("mailbox")
    except NoReverseMatch:
        return ""


# --- action items ----------------------------------------------------------------------------------------------------


def list_action_items(editor: Editor, mine: list[Newsletter]) -> list[ActionItem]:
    """The action items of all sources. Those with the tone "danger" come first."""
    items = [item for source in (_issue_action_items, *_action_item_sources) for item in source(editor, mine)]
    return sorted(items, key=lambda item: item.tone != "danger")


def _issue_action_items(editor: Editor, mine: list[Newsletter]) -> Iterable[ActionItem]:
    current = Issue.objects.not_deleted().filter(newsletter__in=mine).select_related("newsletter")
    for issue in current.filter(status=IssueStatus.PAUSED):
        title = _("Issue %(number)s is paused") % {"number": issue.number}
        url = optional_url("issue-progress", issue.pk) or reverse("issue-compose", args=[issue.pk])
        yield ActionItem(title, issue.pause_reason or _("Someone paused it."), url, "circle-pause", "danger")
    for issue in current.filter(status__in=EDITABLE):
        yield from _untranslated_items(issue)
    for newsletter in mine:
        coming = preparation.upcoming_draft(newsletter, now=timezone.now())
        if coming is not None and coming.is_thin:
            yield _thin_week_item(coming)
    for source in Source.objects.filter(newsletter__in=mine, is_active=True).exclude(error="")[:5]:
        url = f"{reverse('source-list')}?newsletter={source.newsletter.slug}"
        yield ActionItem(_("A feed could not be read"), source.error, url, "rss")
    for issue in current.filter(status=IssueStatus.IN_REVIEW):
        if roles.is_allowed(editor, roles.Action.APPROVE, issue.newsletter):
            title = _("Issue %(number)s is waiting for approval") % {"number": issue.number}
            url = optional_url("issue-review", issue.pk) or reverse("issue-compose", args=[issue.pk])
            yield ActionItem(title, _("Someone requested a second person’s approval."), url, "eye")


def _thin_week_item(coming: preparation.UpcomingDraft) -> ActionItem:
    title = _("No draft for %(title)s: too few new articles") % {"title": coming.newsletter.title}
    url = f"{reverse('article-list')}?newsletter={coming.newsletter.slug}"
    return ActionItem(title, describe_thin_week(coming), url, "calendar-x")


def describe_thin_week(coming: preparation.UpcomingDraft) -> str:
    picks = len(coming.found.picks) if coming.found else 0
    said = ngettext(
        "For %(moment)s your rule finds %(picked)s article, but at least %(fewest)s are required. Nothing is sent.",
        "For %(moment)s your rule finds %(picked)s articles, but at least %(fewest)s are required. Nothing is sent.",
        picks,
    )
    moment = format_datetime(coming.slot, coming.newsletter.zone)
    return said % {"moment": moment, "picked": picks, "fewest": coming.rule.fewest}


def _untranslated_items(issue: Issue) -> Iterable[ActionItem]:
    document = content.parse(issue.content)
    for language in issue.newsletter.languages[1:]:
        count = document_form.count_missing(document, language)
        if not count:
            continue
        title = ngettext(
            "%(count)s block of Issue %(number)s has no %(language)s version",
            "%(count)s blocks of Issue %(number)s have no %(language)s version",
            count,
        ) % {"count": count, "number": issue.number, "language": formatting.language_name(language)}
        why = _("Translate them, leave them out, or show the first language with a note.")
        yield ActionItem(title, why, f"{reverse('issue-compose', args=[issue.pk])}?language={language}", "languages")


def optional_url(name: str, *args: object) -> str:
    """The URL of a page of another package, or "" if that package is not installed."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


# --- the page --------------------------------------------------------------------------------------------------------


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    me = access.current_editor(request)
    mine = roles.allowed_newsletters(me, roles.Action.WRITE)
    current = Issue.objects.not_deleted().filter(newsletter__in=mine).select_related("newsletter")
    now = timezone.now()
    drafts = _prepared_first(list(current.filter(status__in=IN_PROGRESS).order_by("-edited_at")[:8]))
    ahead = _next_slot(mine, now=now) if not drafts else None
    sent = current.filter(status=IssueStatus.SENT).order_by("-sent_at")
    last = next((one for one in sent[: issues.MAX_ISSUES_SEARCHED] if not one.is_correction_note), None)
    mine_to_set_up = roles.allowed_newsletters(me, roles.Action.ADMINISTER)
    own_first = sorted(mine_to_set_up, key=lambda letter: letter.is_demo)
    steps = list_setup_steps(own_first[0]) if own_first else []
    context = {
        "section": "start",
        "mine": mine,
        "now": now,
        "zone": mine[0].zone if mine else timezone.get_default_timezone(),
        "lead": _card(drafts[0], now=now) if drafts else None,
        "others": drafts[1:4],
        "ahead": ahead,
        "thin": describe_thin_week(ahead) if ahead and ahead.is_thin else "",
        "has_own": any(not letter.is_demo for letter in mine),
        "needs": list_action_items(me, mine),
        "steps": steps,
        "steps_done": sum(step.is_done for step in steps),
        "steps_left": sum(not step.is_done for step in steps),
        "last": last,
        "last_refused": last.refused_count if last else 0,
        "report_url": optional_url("issue-report", last.pk) if last else "",
        "may_create": newsletters.may_create(request),
    }
    return render(request, "studio/start/dashboard.html", context)


def _prepared_first(drafts: list[Issue]) -> list[Issue]:
    """Sort prepared drafts before other drafts."""
    return sorted(drafts, key=lambda issue: not (issue.prepared_for is not None and issue.is_editable))


def _next_slot(mine: list[Newsletter], *, now: datetime) -> preparation.UpcomingDraft | None:
    """The next slot of all newsletters that has no draft yet."""
    slots = [coming for newsletter in mine if (coming := preparation.upcoming_draft(newsletter, now=now))]
    return min(slots, key=lambda coming: coming.slot, default=None)


@require_POST
def pick_again(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Pick the articles of a prepared draft again, including newer ones."""
    issue = access.get_issue(request, issue_id)
    try:
        preparation.refill(issue, editor=access.current_editor(request), now=timezone.now())
    except (issues.Conflict, issues.WrongState):
        messages.error(request, _("Someone just changed this issue. Open it to see the changes."))
    else:
        messages.success(
            request, _("The articles were picked again. Use Undo in the composer to restore the previous ones.")
        )
    return redirect("studio-start")


def _card(issue: Issue, *, now: datetime) -> dict[str, Any]:
    """Context of a draft: its first blocks, each with the headline and its languages."""
    default = issue.newsletter.default_language
    document = content.parse(issue.content)
    cards = document_form.build_cards(document, language=default, default=default)
    picks = [
        {"title": card.title or card.label, "languages": _languages(block, issue.newsletter)}
        for card, block in zip(cards, document.blocks, strict=True)
        if card.has_words and (card.title or not document.article_ids())
    ]
    return {
        "issue": issue,
        "subject": document.envelope(default, default).subject,
        "language": default,
        "picks": picks[:7],
        "more": max(0, len(picks) - 7),
        **_preparation_context(issue, document, now=now),
    }


def _preparation_context(issue: Issue, document: content.Document, *, now: datetime) -> dict[str, Any]:
    """Context of a prepared draft: how many of the new articles it contains, its rule and its slot."""
    rule = preparation.parse_rule(issue.newsletter.draft_rule)
    if issue.prepared_for is None or rule is None or not issue.is_editable:
        return {}
    found = preparation.select_articles(issue.newsletter, rule, draft=issue)
    in_draft, new = set(document.article_ids()), {story.article.pk for story in found.new}
    figures = {"picked": len(in_draft & new), "new": len(new)}
    is_untouched = issue.edited_by_id is None
    if is_untouched:
        said = ngettext(
            "%(picked)s of %(new)s new article, picked by your rule.",
            "%(picked)s of %(new)s new articles, picked by your rule.",
            len(new),
        )
    else:
        said = ngettext("%(picked)s of %(new)s new article.", "%(picked)s of %(new)s new articles.", len(new))
    return {
        "is_prepared": True,
        "said": said % figures,
        "rule": preparation.describe_rule(rule) if is_untouched else "",
        "slot": issue.prepared_for,
        "is_late": issue.prepared_for <= now,
        "may_pick_again": is_untouched and in_draft != {story.article.pk for story in found.picks},
    }


def _languages(block: content.Block, newsletter: Newsletter) -> list[dict[str, Any]]:
    return [
        {"code": code, "is_there": code in block.words and block.words[code].is_complete}
        for code in newsletter.languages
    ]
