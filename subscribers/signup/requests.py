"""Signing up: what a box shows, what a visitor sent, and what comes of it.

`accept` is state-blind: it looks at nothing but the form and writes one row, so neither its answer nor its timing can
tell whether an address is known (T-01). `admit_due`, run every second by the workers, looks, and whatever depends on the
address goes to its mailbox only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.formatting import isolate
from newsletter.languages import reader_words, tags
from newsletter.models import Newsletter
from subscribers import addresses, consent, suppression, tokens
from subscribers.models import (
    ConsentText,
    Notice,
    NoticeKind,
    Purpose,
    SignupForm,
    SignupRequest,
    Subscriber,
    Subscription,
)
from subscribers.signup import limits

logger = logging.getLogger(__name__)

HOSTED_FORM_SLUG = "subscribe"
"""The slug of the form behind the hosted page; without one it is the oldest active form."""
CAP_WINDOW = timedelta(days=1)
MAX_UNANSWERED = 3
RESEND_AFTER = timedelta(seconds=60)
PAGE_LIFETIME = timedelta(days=1)

CONFIRMATION = "confirmation"
ALREADY_SUBSCRIBED = "already subscribed"
CAPPED = "capped"
SUPPRESSED = "suppressed"
TRAP = "trap"
MAILED_OUTCOMES = (CONFIRMATION, ALREADY_SUBSCRIBED)


# --- what a box shows ------------------------------------------------------------------------------------------------


def hosted_form() -> SignupForm | None:
    active = SignupForm.objects.filter(is_active=True)
    return active.filter(slug=HOSTED_FORM_SLUG).first() or active.order_by("pk").first()


def form_for(newsletter: Newsletter) -> SignupForm | None:
    """The box to show beside this newsletter's issues: the oldest active form that offers it."""
    return SignupForm.objects.filter(is_active=True, newsletters=newsletter).order_by("pk").first()


def offered_newsletters(form: SignupForm) -> QuerySet[Newsletter]:
    return form.newsletters.filter(is_public=True).order_by("pk")


def box_context(
    form: SignupForm,
    *,
    language: str,
    page_url: str,
    now: datetime | None = None,
    hosted: bool = False,
    email: str = "",
    chosen: Iterable[int] | None = None,
    measured: Iterable[int] = (),
    errors: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What `public/_signup_box.html` shows; `chosen` and `measured` are newsletter ids ticked before."""
    newsletters = list(offered_newsletters(form))
    ticked = {newsletters[0].pk} if chosen is None and newsletters else set(chosen or ())
    choices = [_choice(newsletter, language, ticked=newsletter.pk in ticked) for newsletter in newsletters]
    spoken = newsletters[0].best_language(language) if newsletters else language
    texts_language = language if form.texts.get(language) else spoken
    texts = form.texts.get(texts_language) or {}
    words_language = reader_words.current_language()
    return {
        "form": form,
        "action": reverse("signup-post", args=[form.slug]),
        "language": language,
        "words_language": words_language,
        "direction": tags.text_direction(words_language),
        "texts_language": texts_language,
        "hosted": hosted,
        "heading": texts.get("heading", ""),
        "invitation": texts.get("invitation", ""),
        "brand": newsletters[0].brand if newsletters else "",
        "choices": choices,
        "several": len(choices) > 1,
        "button": choices[0]["text"].button if choices else consent.default_button(language),
        "button_language": choices[0]["text"].language if choices else language,
        "measurement": _measurement(newsletters, language, measured) if hosted or form.asks_measurement else [],
        "checkbox": form.consent_style == "checkbox",
        "privacy_url": consent.privacy_url(newsletters[0]) if newsletters else "",
        "page_url": strip_query(page_url),
        "stamp": limits.make_stamp(now or timezone.now()),
        "email": email,
        "errors": errors or {},
    }


def _choice(newsletter: Newsletter, language: str, *, ticked: bool) -> dict[str, Any]:
    return {
        "newsletter": newsletter,
        "title": newsletter.title_in(language),
        "description": newsletter.description_in(language),
        "ticked": ticked,
        "text": shown_text(newsletter, Purpose.NEWSLETTER, language),
    }


def _measurement(newsletters: list[Newsletter], language: str, measured: Iterable[int]) -> list[dict[str, Any]]:
    """One box for each newsletter that measures single readers; never ticked unless the visitor ticked it."""
    ticked = set(measured)
    return [
        {
            "newsletter": newsletter,
            "ticked": newsletter.pk in ticked,
            "text": shown_text(newsletter, Purpose.MEASUREMENT, language),
        }
        for newsletter in newsletters
        if Purpose.MEASUREMENT in consent.required_purposes(newsletter)
    ]


def shown_text(newsletter: Newsletter, purpose: str, language: str) -> ConsentText:
    """The current words; those of a version to be made at the first sign-up where there is none yet."""
    spoken = consent.text_language(newsletter, purpose, newsletter.best_language(language))
    return consent.current_text(newsletter, purpose, spoken) or ConsentText(
        newsletter=newsletter,
        purpose=purpose,
        language=spoken,
        version=1,
        text=consent.default_text(newsletter, purpose, spoken),
        button=consent.default_button(spoken),
    )


def supported_language(language: str, newsletters: Iterable[Newsletter]) -> str:
    """`language` if these newsletters are written in it or there are fixed words in it; else the newsletters' first."""
    offered = [code for newsletter in newsletters for code in newsletter.languages]
    if tags.is_valid_tag(language):
        tag = tags.parse_tag(language)
        if tag in offered or reader_words.has_words(tag):
            return tag
        if near := tags.find_match(tag, offered):
            return near
    return offered[0] if offered else reader_words.INTERFACE_LANGUAGES[0]


def agreed_texts(
    newsletters: Iterable[Newsletter], *, language: str, shown: Iterable[int], measured: Iterable[int], now: datetime
) -> list[ConsentText]:
    """The versions a visitor saw and agreed to: those whose ids came with the form, else the current ones."""
    measured_ids = set(measured)
    posted = {(text.newsletter_id, text.purpose): text for text in ConsentText.objects.filter(pk__in=list(shown)[:50])}
    agreed = []
    for newsletter in newsletters:
        for purpose in consent.required_purposes(newsletter):
            if purpose == Purpose.MEASUREMENT and newsletter.pk not in measured_ids:
                continue
            agreed.append(
                posted.get((newsletter.pk, purpose)) or _ensure_current_text(newsletter, purpose, language, now=now)
            )
    return agreed


def _ensure_current_text(newsletter: Newsletter, purpose: str, language: str, *, now: datetime) -> ConsentText:
    shown = shown_text(newsletter, purpose, language)
    if shown.pk:
        return shown
    return consent.publish_text(newsletter, purpose, shown.language, text=shown.text, button=shown.button, now=now)


def strip_query(url: str) -> str:
    """The page somebody signed up on, without query and fragment, which may name a person (C-02)."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        return ""
    clean = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return clean if len(clean) <= 1000 and clean.isprintable() and " " not in clean else ""


def allowed_page_url(url: str, *, form: SignupForm, newsletters: Iterable[Newsletter]) -> str:
    """`url` if it is a page of ours, of the publisher or of a registered site; else empty.

    Mails say where somebody signed up, so a visitor must not be able to choose words for a stranger's mailbox.
    """
    clean = strip_query(url)
    known = {settings.SITE_URL, *form.allowed_origins, *(_origin(one.site_url) for one in newsletters if one.site_url)}
    return clean if _origin(clean) in known else ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


# --- what a visitor sent ---------------------------------------------------------------------------------------------


def accept(
    form: SignupForm,
    *,
    email: str,
    newsletters: Iterable[Newsletter],
    language: str,
    page_url: str,
    consent_texts: Iterable[ConsentText],
    ip: str,
    user_agent: str,
    trap: bool,
    now: datetime,
    is_resend: bool = False,
) -> SignupRequest:
    """Keep what a visitor sent; a trapped robot's goes no further. Raises addresses.Invalid."""
    address = addresses.parse(email)
    newsletters = list(newsletters)
    with transaction.atomic():
        request = SignupRequest.objects.create(
            email=address.email,
            cap_key=addresses.canonical_mailbox(address.key),
            is_resend=is_resend,
            form=form,
            language=supported_language(language, newsletters),
            page_url=allowed_page_url(page_url, form=form, newsletters=newsletters),
            ip=ip or None,
            network=limits.network_prefix(ip),
            user_agent="".join(filter(str.isprintable, user_agent))[:200],
            created_at=now,
            admitted_at=now if trap else None,
            outcome=TRAP if trap else "",
        )
        request.newsletters.set(newsletters)
        request.consent_texts.set(consent_texts)
    logger.info("sign-up accepted", extra={"signup": request.pk, "form": form.pk})
    return request


def accept_resend(request: SignupRequest, *, ip: str, user_agent: str, now: datetime) -> SignupRequest:
    """The visitor pressed "Send again": the same request once more, free of the daily cap."""
    if request.form is None:
        raise SignupForm.DoesNotExist("The form of this sign-up is gone")
    return accept(
        request.form,
        email=request.email,
        newsletters=request.newsletters.all(),
        language=request.language,
        page_url=request.page_url,
        consent_texts=request.consent_texts.all(),
        ip=ip,
        user_agent=user_agent,
        trap=request.outcome == TRAP,
        now=now,
        is_resend=True,
    )


# --- what comes of it ------------------------------------------------------------------------------------------------


def admit_due(*, now: datetime, limit: int = 200) -> int:
    """Look at the requests that came in: subscriptions, consent events and mails. Safe with two at once."""
    due = SignupRequest.objects.filter(admitted_at__isnull=True).order_by("created_at", "pk")
    admitted = 0
    for pk in list(due.values_list("pk", flat=True)[:limit]):
        try:
            admitted += _admit(pk, now=now)
        except Exception:  # the outermost loop: one odd request must not keep the others waiting
            logger.exception("sign-up not admitted", extra={"signup": pk})
    return admitted


def _admit(pk: int, *, now: datetime) -> bool:
    with transaction.atomic():
        # All admissions queue here, so that two requests for one address cannot both find the cap unused.
        consent.lock_chain()
        if not SignupRequest.objects.filter(pk=pk, admitted_at__isnull=True).update(admitted_at=now):
            return False
        request = SignupRequest.objects.select_related("form").get(pk=pk)
        outcome = _process_request(request, now=now)
        SignupRequest.objects.filter(pk=pk).update(outcome=outcome)
    logger.info("sign-up admitted", extra={"signup": pk, "outcome": outcome})
    return True


def _process_request(request: SignupRequest, *, now: datetime) -> str:
    key = request.email.lower()
    if suppression.is_suppressed(key):
        return SUPPRESSED
    if is_capped(request, now=now):
        return CAPPED
    subscriber, _made = Subscriber.objects.get_or_create(
        email_key=key, defaults={"email": request.email, "language": request.language, "created_at": now}
    )
    waiting = [
        subscription
        for newsletter in request.newsletters.order_by("pk")
        if (subscription := _request_subscription(subscriber, newsletter, request)) is not None
    ]
    _create_notice(request, subscriber, waiting, now=now)
    return CONFIRMATION if waiting else ALREADY_SUBSCRIBED


def _request_subscription(
    subscriber: Subscriber, newsletter: Newsletter, request: SignupRequest
) -> Subscription | None:
    """A subscription that now waits for its confirmation; None if the reader gets this newsletter already."""
    subscription, _made = Subscription.objects.get_or_create(
        subscriber=subscriber,
        newsletter=newsletter,
        defaults={"language": request.language, "requested_at": request.created_at},
    )
    if subscription.status in consent.ACTIVE_STATUSES:
        return None
    consent.record_request(subscription, signup=request, now=request.created_at)
    return subscription


def _create_notice(
    request: SignupRequest, subscriber: Subscriber, waiting: list[Subscription], *, now: datetime
) -> None:
    """One mail, however many newsletters."""
    Notice.objects.create(
        kind=NoticeKind.CONFIRMATION if waiting else NoticeKind.ALREADY_SUBSCRIBED,
        subscriber=subscriber,
        request=request,
        newsletter=request.newsletters.order_by("pk").first(),
        language=request.language,
        payload={"subscriptions": [subscription.pk for subscription in waiting]},
        due_at=now,
        created_at=now,
    )


def is_capped(request: SignupRequest, *, now: datetime) -> bool:
    """Whether this mailbox had its one mail of the day, or three without any answer (S-72).

    A confirmation counts as an answer and starts afresh. "Send again" passes the first cap, never the second.
    """
    earlier = SignupRequest.objects.filter(cap_key=request.cap_key).exclude(pk=request.pk)
    answered = earlier.filter(confirmed_at__isnull=False).order_by("-confirmed_at").first()
    unanswered = earlier.filter(outcome__in=MAILED_OUTCOMES, confirmed_at__isnull=True)
    if answered is not None and answered.confirmed_at is not None:
        unanswered = unanswered.filter(admitted_at__gt=answered.confirmed_at)
    if unanswered.count() >= MAX_UNANSWERED:
        return True
    return not request.is_resend and unanswered.filter(admitted_at__gt=now - CAP_WINDOW).exists()


# --- what the mail and the page after it say -------------------------------------------------------------------------


def confirmation_subject(newsletter: Newsletter, language: str) -> str:
    """The subject of the confirmation mail, which the "check your inbox" page announces word for word."""
    with reader_words.override(language, newsletter.fixed_words_language):
        return _("Confirm your subscription to %(brand)s") % {"brand": isolate(newsletter.brand)}


def confirm_url(request: SignupRequest) -> str:
    token = tokens.make_confirm(request.pk, link_expires_at(request))
    return settings.SITE_URL + reverse("subscription-confirm", args=[token])


def link_expires_at(request: SignupRequest) -> datetime:
    return request.created_at + consent.LINK_LIFETIME


@dataclass(frozen=True)
class WebmailService:
    """Where a reader's mail can be read in a browser."""

    name: str
    url: str


GOOGLE = ("gmail.com", "googlemail.com")
MICROSOFT = ("outlook.com", "outlook.co.id", "hotmail.com", "hotmail.co.id", "live.com", "msn.com")
YAHOO = ("yahoo.com", "yahoo.co.id", "ymail.com", "rocketmail.com")
APPLE = ("icloud.com", "me.com", "mac.com")
PROTON = ("proton.me", "protonmail.com", "pm.me")
OTHER_WEBMAIL = {
    "zoho.com": WebmailService("Zoho Mail", "https://mail.zoho.com/"),
    "gmx.com": WebmailService("GMX", "https://www.gmx.com/"),
    "gmx.de": WebmailService("GMX", "https://www.gmx.net/"),
    "web.de": WebmailService("WEB.DE", "https://web.de/"),
    "aol.com": WebmailService("AOL", "https://mail.aol.com/"),
    "fastmail.com": WebmailService("Fastmail", "https://app.fastmail.com/"),
    "yandex.com": WebmailService("Yandex Mail", "https://mail.yandex.com/"),
    "mail.ru": WebmailService("Mail.ru", "https://e.mail.ru/"),
    "naver.com": WebmailService("Naver", "https://mail.naver.com/"),
    "qq.com": WebmailService("QQ Mail", "https://mail.qq.com/"),
    "163.com": WebmailService("163", "https://mail.163.com/"),
}


def find_webmail(email: str, *, sender: str) -> WebmailService | None:
    """The reader's own inbox, where the domain says whose it is; Gmail opens with our mail found."""
    domain = email.rpartition("@")[2].lower()
    if domain in GOOGLE:
        search = quote(f"from:({sender}) in:anywhere newer_than:1d", safe="")
        return WebmailService("Gmail", f"https://mail.google.com/mail/u/0/#search/{search}")
    if domain in MICROSOFT:
        return WebmailService("Outlook", "https://outlook.live.com/mail/0/")
    if domain in YAHOO:
        return WebmailService("Yahoo Mail", "https://mail.yahoo.com/")
    if domain in APPLE:
        return WebmailService("iCloud Mail", "https://www.icloud.com/mail/")
    if domain in PROTON:
        return WebmailService("Proton Mail", "https://mail.proton.me/")
    return OTHER_WEBMAIL.get(domain)
