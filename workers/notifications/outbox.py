"""Single mails: confirmation, welcome, already subscribed, invitation, alert. They have their own queue, before issues.

A worker claims a notice by moving its `due_at` before it sends it, so two workers never send the same notice. The
Message-ID is the same at each attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr
from typing import Any
from urllib.parse import urlsplit

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.template import loader
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import content, editions, formatting
from newsletter.drafts import preparation
from newsletter.languages import reader_words
from newsletter.models import EDITABLE, Editor, Issue, IssueStatus, Newsletter
from newsletter.rendering import colours, mjml, plaintext
from subscribers import consent, signup, suppression, tokens
from subscribers.models import Notice, NoticeKind, Subscription, SubscriptionStatus
from workers import routes
from workers.models import HELD_KINDS, Event

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""Time before a claimed notice is due again, after its worker died: longer than any attempt takes."""
RETRY_DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
"""Delays before each retry. After the last retry the notice has failed."""


class NoticeObsolete(Exception):
    """The subject of the notice has changed meanwhile, so it is not sent."""


@dataclass(frozen=True)
class NoticeMail:
    """The recipient, subject, template and values of a notice."""

    to: str
    newsletter: Newsletter | None
    subject: str
    template: str
    values: dict[str, Any]
    headers: dict[str, str]


# --- sending ---------------------------------------------------------------------------------------------------------


def send_due(*, now: datetime, limit: int = 100) -> int:
    """Send the notices that are due, oldest first. Return how many were handed to a route."""
    due = Notice.objects.filter(sent_at__isnull=True, failed_at__isnull=True, due_at__lte=now)
    related = ("subscriber", "editor", "request", "request__form", "newsletter")
    return sum(_send_or_log(notice, now=now) for notice in due.select_related(*related).order_by("due_at")[:limit])


def _send_or_log(notice: Notice, *, now: datetime) -> bool:
    """Send one notice. An error in it is logged and retried later; it must not delay the others."""
    try:
        return _claim(notice, now=now) and _send(notice, now=now)
    except Exception:
        logger.exception("notice could not be sent", extra={"notice": notice.pk, "kind": notice.kind})
        _try_later(notice, "It could not be built.", now=now)
        return False


def _claim(notice: Notice, *, now: datetime) -> bool:
    """Return True if this worker's UPDATE changed the row.

    The condition on `due_at` and `attempts` is the version that this worker read: of two workers one matches no row.
    """
    claimed = Notice.objects.filter(
        pk=notice.pk, sent_at__isnull=True, failed_at__isnull=True, due_at=notice.due_at, attempts=notice.attempts
    ).update(due_at=now + LEASE, attempts=F("attempts") + 1)
    notice.attempts += 1
    return bool(claimed)


def _send(notice: Notice, *, now: datetime) -> bool:
    try:
        message = build_message(notice, now=now)
        result = routes.deliver(message)
    except NoticeObsolete as reason:
        _fail(notice, str(reason), now=now)
        return False
    except (routes.RouteUnavailable, routes.AccountRefused) as problem:
        _try_later(notice, str(problem), now=now)
        return False
    if result.outcome == "deferred":
        _try_later(notice, f"{result.code} {result.detail}", now=now)
        return False
    if result.outcome == "refused":
        _fail(notice, f"{result.code} {result.detail}", now=now)
        return False
    # An uncertain notice is not retried: it may have arrived, and the page offers the visitor "Send again".
    _done(notice, message, uncertain=result.outcome == "uncertain", now=now)
    return True


def _done(notice: Notice, message: EmailMultiAlternatives, *, uncertain: bool, now: datetime) -> None:
    error = "The mail server gave no answer; the mail may have left." if uncertain else ""
    Notice.objects.filter(pk=notice.pk).update(sent_at=now, error=error)
    if notice.kind == NoticeKind.CONFIRMATION and notice.request is not None:
        consent.record_confirmation_sent(notice.request, message_id=message.extra_headers["Message-ID"], now=now)
    logger.info("notice sent", extra={"notice": notice.pk, "kind": notice.kind})


def _try_later(notice: Notice, reason: str, *, now: datetime) -> None:
    """Schedule the next attempt, or fail the notice after the last one. Nothing was sent, so a retry is safe."""
    if notice.attempts > len(RETRY_DELAYS):
        _fail(notice, reason, now=now)
        return
    due_at = now + RETRY_DELAYS[max(notice.attempts, 1) - 1]
    Notice.objects.filter(pk=notice.pk, sent_at__isnull=True).update(due_at=due_at, error=reason[:200])
    logger.warning("notice waits for another attempt", extra={"notice": notice.pk, "attempts": notice.attempts})


def _fail(notice: Notice, reason: str, *, now: datetime) -> None:
    Notice.objects.filter(pk=notice.pk, sent_at__isnull=True).update(failed_at=now, error=reason[:200])
    logger.info("notice given up", extra={"notice": notice.pk, "kind": notice.kind, "attempts": notice.attempts})


# --- building --------------------------------------------------------------------------------------------------------


def build_message(notice: Notice, *, now: datetime) -> EmailMultiAlternatives:
    """Return the mail in the notice's language, as HTML and text. Raises NoticeObsolete."""
    fallback = notice.newsletter.fixed_words_language if notice.newsletter else ""
    with reader_words.override(notice.language, fallback) as spoken:
        mail = _BUILDERS[notice.kind](notice, now)
        layout = layout_context(mail.newsletter, spoken)
        values = {**layout, **mail.values, "subject": mail.subject, "language": spoken}
        text = plaintext.tidy(loader.render_to_string(f"mail/notices/{mail.template}.txt", values))
        html = mjml.to_html(
            mjml.MjmlSource(loader.render_to_string(f"mail/notices/{mail.template}.mjml", values), (), "")
        )
    sender, domain = _sender(mail.newsletter)
    message = EmailMultiAlternatives(
        mail.subject,
        text,
        sender,
        [mail.to],
        reply_to=[mail.newsletter.reply_to] if mail.newsletter and mail.newsletter.reply_to else None,
        headers={
            "Message-ID": tokens.notice_message_id(notice.pk, domain),
            "Auto-Submitted": "auto-generated",
            **mail.headers,
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def _sender(newsletter: Newsletter | None) -> tuple[str, str]:
    """Return the From address and its domain."""
    email = (newsletter.from_email if newsletter else "") or settings.DEFAULT_FROM_EMAIL
    name = newsletter.from_name if newsletter else "Warta"
    return formataddr((name, email)), email.rpartition("@")[2]


def layout_context(newsletter: Newsletter | None, language: str) -> dict[str, Any]:
    """Return the template values of the frame around each notice: sender, links, colours and fonts of the issues."""
    direction = mjml.text_direction(language)
    return {
        "brand": newsletter.brand if newsletter else "Warta",
        "sender": (newsletter.from_name or newsletter.brand) if newsletter else "Warta",
        "from_email": _sender(newsletter)[0].rpartition("<")[2].rstrip(">"),
        "postal_address": " ".join(newsletter.postal_address.split()) if newsletter else "",
        "privacy_url": editions.privacy_url(newsletter) if newsletter else "",
        "palette": colours.build_palette(newsletter.accent if newsletter else "#0E5A55"),
        "c": editions.COLOURS,
        "sans": editions.SANS_FONTS,
        "direction": direction,
        "start": "right" if direction == "rtl" else "left",
    }


# --- content of each kind --------------------------------------------------------------------------------------------


def _reader(notice: Notice) -> str:
    """Return the address of a reader who may still get mail. Raises NoticeObsolete."""
    subscriber = notice.subscriber
    if subscriber is None or subscriber.erased_at is not None:
        raise NoticeObsolete("The reader is gone.")
    if suppression.is_suppressed(subscriber.email_key):
        raise NoticeObsolete("The address is suppressed.")
    return subscriber.email


def _newsletter(notice: Notice) -> Newsletter:
    if notice.newsletter is None:
        raise NoticeObsolete("The newsletter is gone.")
    return notice.newsletter


def _confirmation(notice: Notice, now: datetime) -> NoticeMail:
    request, newsletter = notice.request, _newsletter(notice)
    if request is None or request.confirmed_at is not None or now >= signup.link_expires_at(request):
        raise NoticeObsolete("There is nothing left to confirm.")
    waiting = Subscription.objects.filter(
        pk__in=notice.payload.get("subscriptions", []), status=SubscriptionStatus.PENDING
    )
    if not waiting.exists():
        raise NoticeObsolete("There is nothing left to confirm.")
    values = {
        "titles": [one.newsletter.title_in(notice.language) for one in waiting.select_related("newsletter")],
        "url": signup.confirm_url(request),
        "expires_at": signup.link_expires_at(request),
        "asked_at": request.created_at,
        "page_host": urlsplit(request.page_url).hostname or settings.SITE_HOST,
        "zone": newsletter.zone,
    }
    subject = signup.confirmation_subject(newsletter, notice.language)
    return NoticeMail(_reader(notice), newsletter, subject, "confirmation", values, {})


def _welcome(notice: Notice, now: datetime) -> NoticeMail:
    newsletter = _newsletter(notice)
    subscription = Subscription.objects.filter(pk=notice.payload.get("subscription")).first()
    if subscription is None or subscription.status != SubscriptionStatus.SUBSCRIBED:
        raise NoticeObsolete("The reader has left in the meantime.")
    values = {
        "title": newsletter.title_in(notice.language),
        "description": newsletter.description_in(notice.language),
        "latest": latest_issue(newsletter, notice.language),
        **_preference_urls(subscription),
    }
    headers = {
        "List-Unsubscribe": f"<{values['unsubscribe_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    subject = _("Welcome to %(title)s") % {"title": values["title"]}
    return NoticeMail(_reader(notice), newsletter, subject, "welcome", values, headers)


def _already_subscribed(notice: Notice, now: datetime) -> NoticeMail:
    newsletter, email = _newsletter(notice), _reader(notice)
    subscription = Subscription.objects.filter(subscriber=notice.subscriber, newsletter=newsletter).first()
    if subscription is None:
        raise NoticeObsolete("The subscription is gone.")
    values = {"title": newsletter.title_in(notice.language), **_preference_urls(subscription)}
    subject = _("You already receive %(title)s") % {"title": values["title"]}
    return NoticeMail(email, newsletter, subject, "already_subscribed", values, {})


def _invitation(notice: Notice, now: datetime) -> NoticeMail:
    editor = _editor(notice)
    key = {"uidb36": user_pk_to_url_str(editor), "key": default_token_generator.make_token(editor)}
    values = {
        "name": editor.get_short_name(),
        "title": notice.newsletter.title_in(notice.language) if notice.newsletter else "",
        "url": settings.SITE_URL + reverse("account_reset_password_from_key", kwargs=key),
        "days": settings.PASSWORD_RESET_TIMEOUT // 86400,
    }
    brand = notice.newsletter.brand if notice.newsletter else "Warta"
    subject = _("Your invitation to the studio of %(brand)s") % {"brand": brand}
    return NoticeMail(editor.email, notice.newsletter, subject, "invitation", values, {})


def _alert(notice: Notice, now: datetime) -> NoticeMail:
    """An alert to an editor. The key in `payload` is its type: "storm", "paused" or "draft" (an issue), or "thin"."""
    if "draft" in notice.payload:
        return _draft(notice)
    if "thin" in notice.payload:
        return _thin_week(notice)
    editor = _editor(notice)
    issue = Issue.objects.filter(pk=notice.payload.get("storm") or notice.payload.get("paused")).first()
    if issue is None:
        raise NoticeObsolete("The issue is gone.")
    if "paused" in notice.payload and issue.status != IssueStatus.PAUSED:
        raise NoticeObsolete("Somebody has decided already.")
    if "storm" in notice.payload and not Event.objects.filter(issue=issue.pk, kind__in=HELD_KINDS).exists():
        raise NoticeObsolete("Somebody has decided already.")
    number = {"title": issue.newsletter.title_in(notice.language), "number": issue.number}
    if "storm" in notice.payload:
        subject = _("Unusually many bounces or complaints: %(title)s, issue %(number)s") % number
    else:
        subject = _("Sending is paused: %(title)s, issue %(number)s") % number
    values = {
        "name": editor.get_short_name(),
        "is_storm": "storm" in notice.payload,
        "reason": issue.pause_reason,
        "url": settings.SITE_URL
        + reverse("issue-held" if "storm" in notice.payload else "issue-progress", args=[issue.pk]),
    }
    return NoticeMail(editor.email, issue.newsletter, subject, "alert", values, {})


def _draft(notice: Notice) -> NoticeMail:
    """A draft was prepared. `payload` holds the figures of that time."""
    editor, newsletter = _editor(notice), _newsletter(notice)
    issue = newsletter.issues.not_deleted().filter(pk=notice.payload["draft"], status__in=EDITABLE).first()
    if issue is None:
        raise NoticeObsolete("The draft is gone, or on its way already.")
    figures = {"number": issue.number, "picked": notice.payload["picked"], "new": notice.payload["new"]}
    ready = ngettext(
        "Draft #%(number)s is ready: %(picked)s of %(new)s new article picked by your rule",
        "Draft #%(number)s is ready: %(picked)s of %(new)s new articles picked by your rule",
        notice.payload["new"],
    )
    lacks = [
        ngettext("%(count)s needs a version in %(language)s", "%(count)s need a version in %(language)s", count)
        % {"count": count, "language": formatting.language_name(language)}
        for language, count in preparation.missing_translations(issue).items()
    ]
    blocks = content.parse(issue.content).blocks
    first = newsletter.default_language
    rule = preparation.parse_rule(newsletter.draft_rule)
    values = {
        "name": editor.get_short_name(),
        "lacks": lacks,
        "rule": preparation.describe_rule(rule) if rule else "",
        "headlines": [block.words[first].headline for block in blocks if isinstance(block, content.ArticleBlock)],
        "first": first,
        "slot": issue.prepared_for,
        "zone": newsletter.zone,
        "url": settings.SITE_URL + reverse("issue-compose", args=[issue.pk]),
    }
    subject = "; ".join([ready % figures, *lacks])
    return NoticeMail(editor.email, newsletter, subject, "draft", values, {})


def _thin_week(notice: Notice) -> NoticeMail:
    """Too few articles for a draft."""
    editor, newsletter = _editor(notice), _newsletter(notice)
    rule, slot = preparation.parse_rule(newsletter.draft_rule), datetime.fromisoformat(notice.payload["slot"])
    if rule is None or newsletter.issues.not_deleted().filter(prepared_for=slot).exists():
        raise NoticeObsolete("There is a draft after all.")
    values = {
        "name": editor.get_short_name(),
        "picked": notice.payload["picked"],
        "fewest": rule.fewest,
        "slot": slot,
        "zone": newsletter.zone,
        "url": f"{settings.SITE_URL}{reverse('article-list')}?newsletter={newsletter.slug}",
    }
    subject = _("No draft for %(title)s: too few new articles") % {"title": newsletter.title_in(notice.language)}
    return NoticeMail(editor.email, newsletter, subject, "thin_week", values, {})


def _editor(notice: Notice) -> Editor:
    if notice.editor is None or not notice.editor.is_active:
        raise NoticeObsolete("The editor is gone.")
    return notice.editor


_BUILDERS: dict[str, Callable[[Notice, datetime], NoticeMail]] = {
    NoticeKind.CONFIRMATION: _confirmation,
    NoticeKind.WELCOME: _welcome,
    NoticeKind.ALREADY_SUBSCRIBED: _already_subscribed,
    NoticeKind.INVITATION: _invitation,
    NoticeKind.ALERT: _alert,
}


def _preference_urls(subscription: Subscription) -> dict[str, str]:
    preferences = reverse("preferences", args=[tokens.make_preferences(subscription.pk)])
    unsubscribe = reverse("unsubscribe", args=[tokens.make_unsubscribe(subscription.pk)])
    return {
        "preferences_url": settings.SITE_URL + preferences,
        "unsubscribe_url": settings.SITE_URL + unsubscribe,
    }


def latest_issue(newsletter: Newsletter, language: str) -> dict[str, str] | None:
    """Return subject and URL of the newest issue in the public archive, or None."""
    if not newsletter.archive_is_public:
        return None
    issue = newsletter.issues.filter(status=IssueStatus.SENT).order_by("-sent_at").first()
    if issue is None:
        return None
    edition = (
        issue.editions.filter(language=newsletter.best_language(language)).first()
        or issue.editions.order_by("pk").first()
    )
    if edition is None:
        return None
    return {"subject": edition.subject, "url": f"{editions.web_url(issue)}?lang={edition.language}"}
