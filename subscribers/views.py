"""The public pages about people: signing up, confirming, choosing, leaving, and what we hold.

No page here needs a script, sets a cookie or changes anything on GET. The form endpoints are free of CSRF tokens on
purpose: the sign-up box stands on other sites, mail services post the one-click unsubscription, and on the other pages the
token in the address is the only authority, so that there is no ambient one (a cookie) to abuse. These pages also send
no referrer, with which Django's own check could not work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from newsletter import content, editions
from newsletter.models import Article, Issue, IssueStatus, Newsletter, Tracking
from subscribers import addresses, consent, forms, limits, signup, suppression, tokens
from subscribers.models import (
    Purpose,
    SignupForm,
    SignupRequest,
    Subscription,
    SubscriptionStatus,
    SuppressionReason,
)

View = Callable[..., HttpResponse]
READING = ("GET", "HEAD", "OPTIONS")
NEWEST = 3


class SeeOther(HttpResponseRedirect):
    status_code = 303


# --- what the pages share --------------------------------------------------------------------------------------------


def private(view: View) -> View:
    """For pages whose address is a secret: no referrer, no copy in caches, not found by search engines (T-10)."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return shown


def by_token(view: View) -> View:
    """Public, private in the sense above, and free of CSRF tokens: see the module's first lines."""
    methods = require_http_methods([*READING, "POST"])
    return login_not_required(csrf_exempt(methods(private(view))))


def _language(request: HttpRequest, preferred: str = "") -> str:
    """`?lang=` wins, then the reader's or the form's own language, then what the browser asks for."""
    asked = request.GET.get("lang", "")
    if asked in signup.LANGUAGES:
        return asked
    return preferred if preferred in signup.LANGUAGES else translation.get_language() or signup.LANGUAGES[0]


def _page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render in the language that is active now."""
    response = render(request, f"public/{template}.html", context, status=status)
    response["Content-Language"] = translation.get_language() or signup.LANGUAGES[0]
    return response


def _lost(request: HttpRequest, *, language: str, kind: str = "link", status: int = 404) -> HttpResponse:
    """A link that leads nowhere: what may have happened, and the next step."""
    with translation.override(language):
        return _page(request, "lost", {"kind": kind, "newsletter": Newsletter.objects.first()}, status=status)


def _visitor(request: HttpRequest) -> dict[str, Any]:
    return {
        "ip": limits.client_address(request) or None,
        "user_agent": request.headers.get("User-Agent", "")[:200],
    }


def _latest(newsletters: list[Newsletter], language: str, *, most: int = NEWEST) -> list[dict[str, Any]]:
    """The newest issues that can be read on the web."""
    issues = (
        Issue.objects.filter(newsletter__in=newsletters, newsletter__archive_is_public=True, status=IssueStatus.SENT)
        .select_related("newsletter")
        .order_by("-sent_at")
    )
    return [
        {
            "issue": issue,
            "newsletter": issue.newsletter,
            "title": _issue_title(issue, language),
            "url": f"{urlsplit(editions.web_url(issue)).path}?lang={issue.newsletter.best_language(language)}",
        }
        for issue in issues[:most]
    ]


def _issue_title(issue: Issue, language: str) -> str:
    spoken = issue.newsletter.best_language(language)
    return content.parse(issue.content).envelope(spoken, issue.newsletter.default_language).subject


# --- signing up ------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def signup_page(request: HttpRequest) -> HttpResponse:
    return _signup_page(request, signup.hosted_form(), language=_language(request))


def _signup_page(
    request: HttpRequest, form: SignupForm | None, *, language: str, status: int = 200, **shown: Any
) -> HttpResponse:
    """The page with the box; `shown` is what the visitor had typed, and what is wrong with it."""
    with translation.override(language):
        newsletters = list(signup.offered(form)) if form else []
        here = shown.pop("page_url", "") or f"{settings.SITE_URL}{reverse('signup')}"
        context = {
            "newsletter": newsletters[0] if newsletters else Newsletter.objects.first(),
            "newsletters": newsletters,
            "latest": _latest(newsletters, language),
            "box": form and signup.box(form, language=language, page_url=here, hosted=True, **shown),
        }
        return _page(request, "signup", context, status=status)


@csrf_exempt
@login_not_required
@require_http_methods([*READING, "POST"])
def signup_post(request: HttpRequest, form: str) -> HttpResponse:
    """The one endpoint of every box; GET shows its page. Its answer never depends on the address's state (T-01)."""
    box_form = get_object_or_404(SignupForm, slug=form, is_active=True)
    if request.method != "POST":
        return _signup_page(request, box_form, language=_language(request))
    origin = request.headers.get("Origin", "")
    if origin and not _may_post(request, box_form, origin):
        response = _refuse_origin(request, box_form)
    else:
        response = _take(request, box_form, is_foreign=bool(origin) and not _is_ours(request, origin))
    if origin and origin in box_form.allowed_origins:
        response["Access-Control-Allow-Origin"] = origin
    patch_vary_headers(response, ["Origin", "Accept"])
    response["Cache-Control"] = "no-store"
    return response


def _is_ours(request: HttpRequest, origin: str) -> bool:
    return origin in {settings.SITE_URL, f"{request.scheme}://{request.get_host()}"}


def _may_post(request: HttpRequest, form: SignupForm, origin: str) -> bool:
    return _is_ours(request, origin) or origin in form.allowed_origins


def _take(request: HttpRequest, form: SignupForm, *, is_foreign: bool) -> HttpResponse:
    now = timezone.now()
    sent = forms.Signup(request.POST, form=form)
    language = _language(request, request.POST.get("language", ""))
    with translation.override(language):
        address = limits.client_address(request)
        if limits.too_many(limits.network(address), now=now) or limits.too_many_for_form(form, now=now):
            return _again(request, sent, {"busy": _too_many()}, language=language, status=429)
        try:
            trap = sent.is_trapped(origin_is_foreign=is_foreign, now=now)
        except limits.OldStamp:
            return _again(request, sent, {"busy": _open_too_long()}, language=language, status=422)
        if not sent.is_valid():
            return _again(request, sent, sent.messages, language=language, status=422)
        return _accepted(request, _accept(request, sent, language=language, trap=trap, now=now))


def _too_many() -> str:
    return _("Many people are signing up from your network right now. Please try again in ten minutes.")


def _open_too_long() -> str:
    return _("This page was open for a long time. Please press the button once more.")


def _accept(request: HttpRequest, sent: forms.Signup, *, language: str, trap: bool, now: datetime) -> SignupRequest:
    texts = signup.agreed_texts(
        sent.chosen, language=language, shown=sent.ids("text"), measured=sent.ids("measurement"), now=now
    )
    return signup.accept(
        sent.form,
        email=sent.cleaned_data["email"],
        newsletters=sent.chosen,
        language=language,
        page_url=sent.cleaned_data["page"],
        consent_texts=texts,
        ip=limits.client_address(request),
        user_agent=request.headers.get("User-Agent", ""),
        trap=trap,
        now=now,
    )


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _accepted(request: HttpRequest, accepted: SignupRequest) -> HttpResponse:
    address = reverse("check-inbox", args=[accepted.public_id])
    if not _wants_json(request):
        return SeeOther(address)
    return JsonResponse({"status": "check_inbox", "url": settings.SITE_URL + address, **_letter(accepted)})


def _letter(accepted: SignupRequest) -> dict[str, str]:
    """Sender and subject of the mail that is on its way, to the letter."""
    newsletter = accepted.newsletters.order_by("pk").first()
    if newsletter is None:
        raise Http404("This sign-up asks for no newsletter")
    return {
        "sender": f"{newsletter.from_name} <{newsletter.from_email}>",
        "subject": signup.confirmation_subject(newsletter, accepted.language),
        "email": accepted.email,
    }


def _again(
    request: HttpRequest, sent: forms.Signup, errors: dict[str, str], *, language: str, status: int
) -> HttpResponse:
    """The box once more, with what was typed and what is wrong."""
    if _wants_json(request):
        return JsonResponse({"status": "invalid" if status == 422 else "busy", "errors": errors}, status=status)
    return _signup_page(
        request,
        sent.form,
        language=language,
        status=status,
        page_url=str(sent.posted.get("page", "")),
        email=str(sent.posted.get("email", ""))[:320],
        chosen=[newsletter.pk for newsletter in sent.chosen],
        measured=sent.ids("measurement"),
        errors=errors,
    )


def _refuse_origin(request: HttpRequest, form: SignupForm) -> HttpResponse:
    language = _language(request, request.POST.get("language", ""))
    if _wants_json(request):
        return JsonResponse({"status": "refused"}, status=403)
    return _lost(request, language=language, kind="origin", status=403)


# --- check your inbox ------------------------------------------------------------------------------------------------


@by_token
def check_inbox(request: HttpRequest, public_id: str) -> HttpResponse:
    now = timezone.now()
    found = _recent(public_id, now=now)
    if found is None:
        return _lost(request, language=_language(request), kind="page")
    return _check_inbox(request, found, now=now)


def _recent(public_id: str, *, now: datetime) -> SignupRequest | None:
    requests = SignupRequest.objects.select_related("form").filter(created_at__gt=now - signup.PAGE_LIFE)
    return requests.filter(public_id=public_id).first()


def _check_inbox(request: HttpRequest, found: SignupRequest, *, now: datetime, too_early: bool = False) -> HttpResponse:
    with translation.override(_language(request, found.language)):
        newsletters = list(found.newsletters.order_by("pk"))
        letter = _letter(found)
        context = {
            "newsletter": newsletters[0],
            "titles": [newsletter.title_in(translation.get_language()) for newsletter in newsletters],
            "found": found,
            "letter": letter,
            "service": signup.mail_service(found.email, sender=newsletters[0].from_email),
            "mailbox": _mailbox(),
            "expires_at": signup.link_expires_at(found),
            "resend_at": found.created_at + signup.RESEND_AFTER,
            "can_resend": now >= found.created_at + signup.RESEND_AFTER,
            "too_early": too_early,
            "back": f"{reverse('signup-post', args=[found.form.slug])}" if found.form else reverse("signup"),
            "success_url": found.form.success_url if found.form else "",
        }
        return _page(request, "check_inbox", context, status=429 if too_early else 200)


def _mailbox() -> str:
    """Where this installation shows the mail it catches; empty once mail really leaves."""
    catches = settings.EMBEDDED and any(route.startswith("mailbox:") for route in settings.MAIL_ROUTES)
    return "/mailbox/" if catches else ""


@by_token
def resend(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send the mail once more, a minute after the first at the earliest. GET shows the page."""
    now = timezone.now()
    found = _recent(public_id, now=now)
    if found is None or found.form is None:
        return _lost(request, language=_language(request), kind="page")
    if request.method != "POST":
        return SeeOther(reverse("check-inbox", args=[public_id]))
    visitor = _visitor(request)
    is_busy = limits.too_many(limits.network(visitor["ip"] or ""), now=now)
    if is_busy or now < found.created_at + signup.RESEND_AFTER:
        return _check_inbox(request, found, now=now, too_early=True)
    again = signup.accept_again(found, ip=visitor["ip"] or "", user_agent=visitor["user_agent"], now=now)
    return SeeOther(reverse("check-inbox", args=[again.public_id]) + _keep_language(request))


def _keep_language(request: HttpRequest) -> str:
    asked = request.GET.get("lang", "")
    return "?" + urlencode({"lang": asked}) if asked in signup.LANGUAGES else ""


# --- confirming ------------------------------------------------------------------------------------------------------


@by_token
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST confirms: scanners follow links, and a confirmation must be a person's (T-11)."""
    now = timezone.now()
    try:
        request_id = tokens.read_confirm(token, now)
    except tokens.Expired as expired:
        found = SignupRequest.objects.filter(pk=expired.request_id).first()
        return _expired(request, found)
    except tokens.Bad:
        return _lost(request, language=_language(request))
    found = SignupRequest.objects.select_related("form").filter(pk=request_id).first()
    if found is None:
        return _lost(request, language=_language(request), kind="expired", status=410)
    with translation.override(_language(request, found.language)):
        if request.method != "POST":
            return _ask_to_confirm(request, found)
        try:
            confirmed = consent.confirm(found, now=now, **_visitor(request))
        except consent.AlreadyConfirmed:
            return _confirmed(request, found, _of(found), is_first=False)
        return _confirmed(request, found, confirmed, is_first=True)


def _expired(request: HttpRequest, found: SignupRequest | None) -> HttpResponse:
    language = _language(request, found.language if found else "")
    if found is not None and found.confirmed_at is not None:
        with translation.override(language):
            return _confirmed(request, found, _of(found), is_first=False)
    return _lost(request, language=language, kind="expired", status=410)


def _ask_to_confirm(request: HttpRequest, found: SignupRequest) -> HttpResponse:
    waiting = consent.waiting(found)
    if found.confirmed_at is not None or not waiting:
        return _confirmed(request, found, _of(found), is_first=False)
    language = translation.get_language()
    context = {
        "newsletter": waiting[0].newsletter,
        "found": found,
        "items": [
            {"title": one.newsletter.title_in(language), "description": one.newsletter.description_in(language)}
            for one in waiting
        ],
        "language_name": translation.get_language_info(found.language)["name_translated"],
        "page_title": _page_title(found.page_url),
        "forgotten_at": found.created_at + consent.PENDING_LIFE,
    }
    return _page(request, "confirm", context)


def _page_title(page_url: str) -> str:
    """The headline of the page somebody signed up on, if it is one of our articles; else its address."""
    title = Article.objects.filter(url=page_url).values_list("title", flat=True).first() if page_url else ""
    return title or page_url.partition("://")[2].rstrip("/")


def _of(found: SignupRequest) -> list[Subscription]:
    """The subscriptions a sign-up led to that are still running."""
    return list(
        Subscription.objects.filter(
            subscriber__email_key=found.email.lower(),
            newsletter__in=found.newsletters.all(),
            status__in=consent.ACTIVE,
        )
        .select_related("newsletter", "subscriber")
        .order_by("newsletter")
    )


def _confirmed(
    request: HttpRequest, found: SignupRequest, running: list[Subscription], *, is_first: bool
) -> HttpResponse:
    """The page after the button; also what a second click shows, which changes nothing."""
    if not running:
        return _lost(request, language=translation.get_language() or "", kind="ended", status=200)
    language = translation.get_language() or found.language
    newsletters = [subscription.newsletter for subscription in running]
    context = {
        "newsletter": newsletters[0],
        "found": found,
        "is_first": is_first,
        "titles": [newsletter.title_in(language) for newsletter in newsletters],
        "latest": _latest(newsletters, language, most=1),
        "preferences_url": reverse("preferences", args=[tokens.preferences(running[0].pk)]),
        "success_url": found.form.success_url if found.form else "",
    }
    return _page(request, "confirmed", context)


# --- leaving ---------------------------------------------------------------------------------------------------------


@by_token
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST that says One-Click stops the newsletter and answers 200, whoever sends it. GET only asks."""
    now = timezone.now()
    try:
        subscription_id, issue_id = tokens.read_unsubscribe(token)
    except tokens.Bad:
        return _lost(request, language=_language(request))
    subscription = Subscription.objects.select_related("subscriber", "newsletter").filter(pk=subscription_id).first()
    with translation.override(_language(request, subscription.language if subscription else "")):
        if request.POST.get("List-Unsubscribe") == "One-Click":
            return _one_click(request, subscription, issue_id=issue_id, now=now)
        if subscription is None or subscription.subscriber.erased_at is not None:
            return _page(request, "unsubscribed", {"newsletter": Newsletter.objects.first(), "erased": True})
        return _leave(request, subscription, issue_id=issue_id, now=now)


def _one_click(
    request: HttpRequest, subscription: Subscription | None, *, issue_id: int, now: datetime
) -> HttpResponse:
    if subscription is not None:
        consent.withdraw(subscription, now=now, issue_id=issue_id, actor="reader, one click", **_visitor(request))
    return HttpResponse(_("Done. You will not get this newsletter any more."), content_type="text/plain; charset=utf-8")


def _leave(request: HttpRequest, subscription: Subscription, *, issue_id: int, now: datetime) -> HttpResponse:
    """What a person does on the page: stop, undo, stop everything, say why."""
    step = request.POST.get("do", "") if request.method == "POST" else ""
    visitor = _visitor(request)
    said = ""
    if step == "stop":
        consent.withdraw(subscription, now=now, issue_id=issue_id, **visitor)
    elif step == "all":
        for one in _running(subscription):
            consent.withdraw(one, now=now, issue_id=issue_id if one.pk == subscription.pk else 0, **visitor)
    elif step == "undo":
        said = _undo(subscription, now=now, visitor=visitor)
    elif step == "reason":
        said = _note_reason(request, subscription, now=now)
    subscription.refresh_from_db()
    return _leaving_page(request, subscription, said=said, step=step, now=now)


def _undo(subscription: Subscription, *, now: datetime, visitor: dict[str, Any]) -> str:
    try:
        consent.undo_withdrawal(subscription, now=now, **visitor)
    except consent.CannotUndo:
        if subscription.status in consent.ACTIVE:
            return "undone"
        return "too late"
    return "undone"


def _note_reason(request: HttpRequest, subscription: Subscription, *, now: datetime) -> str:
    given = forms.Reason(request.POST)
    if not given.is_valid() or subscription.status != SubscriptionStatus.UNSUBSCRIBED:
        return "no reason"
    consent.give_reason(subscription, reason=given.cleaned_data["reason"], now=now)
    return "thanks"


def _running(subscription: Subscription) -> list[Subscription]:
    return list(
        Subscription.objects.filter(subscriber=subscription.subscriber)
        .exclude(status=SubscriptionStatus.UNSUBSCRIBED)
        .select_related("newsletter", "subscriber")
        .order_by("newsletter")
    )


def _leaving_page(
    request: HttpRequest, subscription: Subscription, *, said: str, step: str, now: datetime
) -> HttpResponse:
    language = translation.get_language() or subscription.language
    left = subscription.status == SubscriptionStatus.UNSUBSCRIBED
    context = {
        "newsletter": subscription.newsletter,
        "title": subscription.newsletter.title_in(language),
        "masked": addresses.masked(subscription.subscriber.email),
        "said": said,
        "can_undo": consent.can_undo(subscription, now=now),
        "others": [one.newsletter.title_in(language) for one in _running(subscription) if one.pk != subscription.pk],
        "reasons": _reasons() if left and said != "thanks" else [],
        "preferences_url": reverse("preferences", args=[tokens.preferences(subscription.pk)]),
    }
    return _page(request, "unsubscribed" if left else "unsubscribe", context)


def _reasons() -> list[tuple[str, str]]:
    words = (
        _("Too often"),
        _("Not what I need"),
        _("I never signed up"),
        _("Something else"),
    )
    return list(zip(consent.REASONS, words, strict=True))


# --- choosing --------------------------------------------------------------------------------------------------------


@by_token
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Newsletters, language and measurement, without a password. Shows and gives away no more than that (20)."""
    now = timezone.now()
    try:
        subscription_id = tokens.read_preferences(token)
    except tokens.Bad:
        return _lost(request, language=_language(request))
    subscription = Subscription.objects.select_related("subscriber", "newsletter").filter(pk=subscription_id).first()
    if subscription is None or subscription.subscriber.erased_at is not None:
        return _lost(request, language=_language(request), kind="ended")
    with translation.override(_language(request, subscription.subscriber.language)):
        changes = _choose(request, subscription, now=now) if request.method == "POST" else None
        chosen = request.POST.get("language", "")
    if changes and chosen in signup.LANGUAGES and "lang" not in request.GET:
        translation_language = chosen
    else:
        translation_language = _language(request, subscription.subscriber.language)
    with translation.override(translation_language):
        return _preferences_page(request, subscription, changes=changes)


def _choose(request: HttpRequest, subscription: Subscription, *, now: datetime) -> list[str]:
    """Carry out what the reader chose; each change as a sentence."""
    reader = subscription.subscriber
    visitor = _visitor(request)
    step = request.POST.get("do", "save")
    if step == "all":
        return [
            _("%(title)s: stopped, as of now.") % {"title": one.newsletter.title_in(translation.get_language())}
            for one in _running(subscription)
            if consent.withdraw(one, now=now, **visitor)
        ]
    if step == "lift":
        lifted = reader.suppressed_for == SuppressionReason.COMPLAINED and suppression.lift(
            reader.email_key, by_reader=True, now=now
        )
        return [_("We may write to you again.")] if lifted else []
    sent = forms.Choices(request.POST)
    if not sent.is_valid():
        return []
    return [
        *_choose_newsletters(subscription, sent.ids("newsletters"), now=now, visitor=visitor),
        *_choose_language(subscription, sent.cleaned_data["language"]),
        *_choose_measurement(subscription, sent.ids("measurement"), now=now, visitor=visitor),
    ]


def _choose_newsletters(
    subscription: Subscription, wanted: set[int], *, now: datetime, visitor: dict[str, Any]
) -> list[str]:
    changes = []
    running = {one.newsletter_id: one for one in _running(subscription) if one.status in consent.ACTIVE}
    for newsletter in _selectable(subscription):
        names = {"title": newsletter.title_in(translation.get_language() or "")}
        if newsletter.pk in wanted and newsletter.pk not in running:
            consent.join(subscription.subscriber, newsletter, now=now, **visitor)
            changes.append(_("%(title)s: you get it from the next issue on.") % names)
        if newsletter.pk not in wanted and newsletter.pk in running:
            consent.withdraw(running[newsletter.pk], now=now, **visitor)
            changes.append(_("%(title)s: stopped, as of now.") % names)
    return changes


def _choose_language(subscription: Subscription, language: str) -> list[str]:
    reader = subscription.subscriber
    if not language or language == reader.language:
        return []
    reader.language = language
    reader.save(update_fields=["language"])
    for one in _running(subscription):
        consent.set_language(one, language=one.newsletter.best_language(language))
    with translation.override(language):
        name = translation.get_language_info(language)["name_translated"]
        return [_("Language: %(language)s, from the next issue on.") % {"language": name}]


def _choose_measurement(
    subscription: Subscription, wanted: set[int], *, now: datetime, visitor: dict[str, Any]
) -> list[str]:
    changes = []
    for one in _running(subscription):
        if one.status not in consent.ACTIVE or not _asks_measurement(one.newsletter):
            continue
        if consent.set_measurement(one, agrees=one.newsletter_id in wanted, now=now, **visitor):
            names = {"title": one.newsletter.title_in(translation.get_language() or "")}
            changes.append(
                _("%(title)s: your clicks are counted from the next issue on.") % names
                if one.may_track
                else _("%(title)s: your clicks are not counted any more, not in earlier issues either.") % names
            )
    return changes


def _asks_measurement(newsletter: Newsletter) -> bool:
    return Purpose.MEASUREMENT in consent.purposes(newsletter)


def _selectable(subscription: Subscription) -> list[Newsletter]:
    """What a reader may turn on or off: the open newsletters, and whatever the reader has."""
    own = {one.newsletter_id for one in _running(subscription)} | {subscription.newsletter_id}
    brand = subscription.newsletter.brand
    return [
        newsletter
        for newsletter in Newsletter.objects.all()
        if newsletter.pk in own or (newsletter.is_public and newsletter.brand == brand)
    ]


def _preferences_page(request: HttpRequest, subscription: Subscription, *, changes: list[str] | None) -> HttpResponse:
    language = translation.get_language() or subscription.language
    subscription.subscriber.refresh_from_db()
    running = {one.newsletter_id: one for one in _running(subscription) if one.status in consent.ACTIVE}
    context = {
        "newsletter": subscription.newsletter,
        "masked": addresses.masked(subscription.subscriber.email),
        "choices": [
            {
                "newsletter": newsletter,
                "title": newsletter.title_in(language),
                "description": newsletter.description_in(language),
                "since": running[newsletter.pk].confirmed_at if newsletter.pk in running else None,
                "ticked": newsletter.pk in running,
            }
            for newsletter in _selectable(subscription)
        ],
        "measurement": [
            {
                "newsletter": one.newsletter,
                "ticked": one.may_track,
                "text": signup.shown_text(one.newsletter, Purpose.MEASUREMENT, language),
            }
            for one in running.values()
            if _asks_measurement(one.newsletter)
        ],
        "reading": subscription.subscriber.language,
        "any_running": bool(running),
        "has_complained": subscription.subscriber.suppressed_for == SuppressionReason.COMPLAINED,
        "bounced": subscription.subscriber.suppressed_for == SuppressionReason.BOUNCED,
        "changes": changes,
    }
    return _page(request, "preferences", context)


# --- what we hold ----------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What this service holds and for how long, made from the settings of the newsletters that run on it."""
    with translation.override(_language(request)):
        language = translation.get_language() or signup.LANGUAGES[0]
        newsletters = list(Newsletter.objects.filter(is_public=True)) or list(Newsletter.objects.all()[:1])
        context = {
            "newsletter": newsletters[0] if newsletters else None,
            "items": [
                {
                    "newsletter": one,
                    "title": one.title_in(language),
                    "measures_readers": one.tracking == Tracking.INDIVIDUAL,
                    "counts": one.tracking != Tracking.OFF,
                }
                for one in newsletters
            ],
            "contact": next((one.reply_to or one.from_email for one in newsletters), ""),
            "own_notices": sorted({one.privacy_url for one in newsletters if one.privacy_url}),
            "link_days": consent.LINK_LIFE.days,
            "pending_days": consent.PENDING_LIFE.days,
            "pending": ngettext("%(count)d day", "%(count)d days", consent.PENDING_LIFE.days)
            % {"count": consent.PENDING_LIFE.days},
        }
        return _page(request, "privacy", context)
