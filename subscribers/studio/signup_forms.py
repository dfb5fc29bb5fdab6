"""The studio's pages for sign-up forms: newsletters, allowed sites, the code to paste, and the consent texts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from newsletter import roles
from newsletter.formatting import language_name
from newsletter.languages import reader_words
from newsletter.models import Newsletter
from newsletter.roles import Action
from newsletter.studio.settings import audit_log
from newsletter.studio.shared import access
from subscribers import consent, signup
from subscribers.models import ConsentText, SignupForm, SignupRequest
from subscribers.studio.forms import ConsentTextForm, SignupFormForm


def _administered_newsletters(request: HttpRequest) -> list[Newsletter]:
    me = access.current_editor(request)
    mine = roles.allowed_newsletters(me, Action.ADMINISTER)
    if not mine:
        roles.deny(me, Action.ADMINISTER)
    return mine


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    mine = _administered_newsletters(request)
    forms = SignupForm.objects.filter(newsletters__in=mine).distinct().order_by("slug").prefetch_related("newsletters")
    confirmed = Count("pk", filter=Q(confirmed_at__isnull=False))
    rows = SignupRequest.objects.filter(form__in=forms).values("form").annotate(asked=Count("pk"), confirmed=confirmed)
    counts = {row["form"]: row for row in rows}
    context = {
        "section": "forms",
        "rows": [{"form": form, "counts": counts.get(form.pk, {"asked": 0, "confirmed": 0})} for form in forms],
        "newsletters": mine,
    }
    return render(request, "studio/subscribers/signup_form_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    mine = _administered_newsletters(request)
    initial = {"newsletters": [mine[0].pk]}
    form = SignupFormForm(request.POST or None, newsletters=mine, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _save(request, form, "form-created", _("The form was created. Paste the code below into your pages."))
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    mine = _administered_newsletters(request)
    found = _get_form(slug, mine)
    form = SignupFormForm(request.POST or None, newsletters=mine, instance=found)
    if request.method == "POST" and form.is_valid():
        return _save(request, form, "form-changed", _("Saved."))
    return _form_page(request, form, _get_form(slug, mine))


def _get_form(slug: str, mine: list[Newsletter]) -> SignupForm:
    """Return a form if the editor administers all its newsletters. Saving would otherwise drop the others."""
    found = SignupForm.objects.filter(slug=slug).prefetch_related("newsletters").first()
    offered = {each.pk for each in found.newsletters.all()} if found else set()
    if found is None or not offered or not offered <= {each.pk for each in mine}:
        raise Http404("no form of this editor")
    return found


def _save(request: HttpRequest, form: SignupFormForm, action: str, said: str) -> HttpResponse:
    now = timezone.now()
    with transaction.atomic():
        saved = form.save()
        for newsletter in saved.newsletters.all():
            consent.ensure_texts(newsletter, now=now)
            audit_log.record(
                request, action, newsletter=newsletter, subject=f"form {saved.pk}", fields=form.changed_data
            )
    messages.success(request, said)
    return redirect("signup-form", saved.slug)


def _form_page(request: HttpRequest, form: SignupFormForm, found: SignupForm | None) -> HttpResponse:
    context: dict[str, Any] = {"section": "forms", "form": form, "found": found}
    if found is not None:
        context["snippets"] = [_snippet(found, code) for code in _languages(found)]
    return render(request, "studio/subscribers/signup_form.html", context, status=422 if form.errors else 200)


def _languages(form: SignupForm) -> list[str]:
    return list(dict.fromkeys(code for each in form.newsletters.all() for code in each.languages))


def _snippet(form: SignupForm, language: str) -> dict[str, Any]:
    """The form as HTML for the publisher's page, in one language. It has no time stamp, which would expire."""
    fallback = next((each.fixed_words_language for each in form.newsletters.all()), "")
    with reader_words.override(language, fallback):
        box = signup.box_context(form, language=language, page_url="")
        html = render_to_string("studio/subscribers/_embed_code.html", {"box": box, "SITE_URL": settings.SITE_URL})
    lines = [line.rstrip() for line in html.splitlines() if line.strip()]
    return {
        "language": language,
        "name": language_name(language),
        "html": "\n".join(lines),
    }


# --- consent texts ---------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def edit_texts(request: HttpRequest, newsletter: str) -> HttpResponse:
    """The consent texts of one newsletter. Saving creates a new version; earlier versions are kept."""
    here = access.get_newsletter(request, newsletter, Action.ADMINISTER)
    posted = ConsentTextForm(request.POST, newsletter=here) if request.method == "POST" else None
    if posted is not None and posted.is_valid():
        _publish(request, here, posted)
        return redirect("consent-texts", here.slug)
    context = {"section": "forms", "newsletter": here, "wordings": _wordings(here, posted), "form": posted}
    return render(
        request, "studio/subscribers/consent_texts.html", context, status=422 if posted and posted.errors else 200
    )


def _publish(request: HttpRequest, newsletter: Newsletter, form: ConsentTextForm) -> None:
    sent = form.cleaned_data
    before = consent.current_text(newsletter, sent["purpose"], sent["language"])
    with transaction.atomic():
        text = consent.publish_text(
            newsletter, sent["purpose"], sent["language"], text=sent["text"], button=sent["button"], now=timezone.now()
        )
        if before is None or text.pk != before.pk:
            subject = f"consent text {text.pk}"
            audit_log.record(
                request, "consent-text-published", newsletter=newsletter, subject=subject, version=text.version
            )
    if before is not None and text.pk == before.pk:
        messages.info(request, _("Nothing changed. This text is already in use."))
    else:
        messages.success(
            request,
            _("Version %(version)s is now in use. Earlier versions are kept as readers agreed to them.")
            % {"version": text.version},
        )


def _wordings(newsletter: Newsletter, posted: ConsentTextForm | None) -> list[dict[str, Any]]:
    """Each purpose and language with its versions, newest first, and the form for a new version."""
    return [
        _wording(newsletter, purpose, language, posted)
        for purpose in consent.required_purposes(newsletter)
        for language in newsletter.languages
    ]


def _wording(newsletter: Newsletter, purpose: str, language: str, posted: ConsentTextForm | None) -> dict[str, Any]:
    versions = list(
        ConsentText.objects.filter(newsletter=newsletter, purpose=purpose, language=language).order_by("-version")
    )
    is_posted = posted is not None and (posted["purpose"].value(), posted["language"].value()) == (purpose, language)
    words = {
        "purpose": purpose,
        "language": language,
        "text": versions[0].text if versions else consent.default_text(newsletter, purpose, language),
        "button": versions[0].button if versions else consent.default_button(language),
    }
    fresh = ConsentTextForm(initial=words, newsletter=newsletter, auto_id=f"{purpose}-{language}-%s")
    return {
        "purpose": purpose,
        "language": language,
        "name": language_name(language),
        "versions": versions,
        "form": posted if is_posted else fresh,
    }
