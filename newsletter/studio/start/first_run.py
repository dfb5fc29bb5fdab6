"""The first run: read the address of a site, show a finished first issue, and create the newsletter with one click.

The result of a reading is stored in the cache for half an hour, under the editor's id. Nothing else is stored before
"Save and continue". With JavaScript each step of the reading is a separate request, so that the page can show the
progress. Without JavaScript the form waits for all steps.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from newsletter import editions, roles, sites
from newsletter.formatting import language_name, zone_name
from newsletter.languages import reader_words
from newsletter.models import ACCENT, Issue, Newsletter
from newsletter.rendering import colours
from newsletter.sites import SiteReading
from newsletter.studio.settings import audit_log, newsletters
from newsletter.studio.settings.forms import INDONESIAN_TIME_ZONES, SenderForm, StudioFormMixin, time_zone_choices
from newsletter.studio.shared import access

CACHE_TIMEOUT_S = 30 * 60
PREVIEW_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; script-src 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
"""As in the composer, but images only from data: URLs, so that the preview sends no request to the site."""
STEP_LABELS = {
    "front": gettext_lazy("Front page: name, colours, languages"),
    "feed": gettext_lazy("Feed"),
    "articles": gettext_lazy("Newest articles"),
    "pictures": gettext_lazy("Images"),
}


class SiteUrlForm(StudioFormMixin, forms.Form):
    address = forms.URLField(
        label=gettext_lazy("Your site’s address"),
        max_length=1000,
        assume_scheme="https",
        error_messages={
            "invalid": gettext_lazy("This is not a web address. Copy it from the browser, including https://")
        },
        widget=forms.URLInput(attrs={"autocomplete": "url", "placeholder": "https://"}),
    )


class SiteReadingForm(StudioFormMixin, forms.Form):
    """The values found on the site. The editor can change them."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    shows_logo = forms.BooleanField(label=gettext_lazy("Show the logo in mails"), required=False)
    feeds = forms.MultipleChoiceField(
        label=gettext_lazy("Read from now on"), required=False, widget=forms.CheckboxSelectMultiple
    )
    first = forms.ChoiceField(label=gettext_lazy("First language"))
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Sent in"), required=False, widget=forms.CheckboxSelectMultiple
    )
    accent = forms.CharField(label=gettext_lazy("Accent"), max_length=7, validators=[ACCENT])
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=time_zone_choices)
    postal_address = forms.CharField(
        label=gettext_lazy("Postal address"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, reading: SiteReading, *args: Any, **kwargs: Any) -> None:
        initial = {
            "name": reading.name,
            "shows_logo": reading.shows_logo,
            "feeds": [one.url for one in reading.feeds],
            "first": reading.languages[0],
            "languages": reading.languages,
            "accent": reading.accent,
            "time_zone": reading.time_zone,
            "postal_address": reading.postal_address,
        }
        super().__init__(*args, initial=initial, **kwargs)
        codes = dict.fromkeys([*reading.languages, *reader_words.available_languages()])
        spoken = [(code, language_name(code)) for code in codes]
        choices = {"feeds": [(one.url, one.url) for one in reading.found], "first": spoken, "languages": spoken}
        for name, values in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 (for the type checker)
            field.choices = values

    def apply(self, reading: SiteReading) -> None:
        """Store the changes in the reading."""
        new = self.cleaned_data
        reading.name, reading.shows_logo = new["name"], new["shows_logo"]
        reading.without = [one.url for one in reading.found if one.url not in new["feeds"]]
        reading.languages = [new["first"], *(code for code in new["languages"] if code != new["first"])]
        reading.accent = colours.readable_accent(new["accent"].upper())
        reading.time_zone, reading.postal_address = new["time_zone"], new["postal_address"].strip()


# --- the address and the reading -------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def start_reading(request: HttpRequest) -> HttpResponse:
    """GET shows the form for the address. POST starts the reading."""
    _require_permission(request)
    if request.method != "POST":
        return _render_start(request, SiteUrlForm())
    form = SiteUrlForm(request.POST)
    if not form.is_valid():
        return _render_start(request, form, status=422)
    token, reading = secrets.token_urlsafe(12), sites.start_reading(form.cleaned_data["address"], now=timezone.now())
    if access.is_htmx(request):
        _store_reading(request, token, reading)
        return _render_progress(request, token, reading)
    left = float(sites.STEP_SECONDS)
    while not reading.is_done:
        before = reading.seconds
        try:
            sites.read_next_step(reading, seconds=max(left, 1))
        except sites.SiteReadError as error:
            return _render_failure(request, reading, str(error))
        left -= reading.seconds - before
    _store_reading(request, token, reading)
    return redirect("site-found", token)


@require_POST
def continue_reading(request: HttpRequest, token: str) -> HttpResponse:
    """Run the next step of the reading and show the progress."""
    _require_permission(request)
    reading = _load_reading(request, token)
    if not reading.is_done:
        try:
            sites.read_next_step(reading)
        except sites.SiteReadError as error:
            return _render_failure(request, reading, str(error))
        _store_reading(request, token, reading)
    if not reading.is_done:
        return _render_progress(request, token, reading)
    if access.is_htmx(request):
        return HttpResponseClientRedirect(reverse("site-found", args=[token]))
    return redirect("site-found", token)


def _require_permission(request: HttpRequest) -> None:
    if not newsletters.may_create(request):
        roles.deny(access.current_editor(request), roles.Action.ADMINISTER)


def _key(request: HttpRequest, token: str) -> str:
    return f"site-reading-json:{access.current_editor(request).pk}:{token}"


def _store_reading(request: HttpRequest, token: str, reading: SiteReading) -> None:
    cache.set(_key(request, token), reading.to_json(), CACHE_TIMEOUT_S)


def _load_reading(request: HttpRequest, token: str) -> SiteReading:
    stored = cache.get(_key(request, token))
    try:
        return SiteReading.from_json(stored if isinstance(stored, str) else "")
    except sites.UnreadableReading as error:
        raise Http404("This reading does not exist or has expired.") from error


def _render_start(request: HttpRequest, form: SiteUrlForm, *, status: int = 200) -> HttpResponse:
    whole = "studio/start/first_run/site_url.html"
    template = "studio/start/first_run/_site_url_form.html" if access.is_htmx(request) else whole
    return render(request, template, {"form": form}, status=status)


def _render_failure(request: HttpRequest, reading: SiteReading, why: str) -> HttpResponse:
    form = SiteUrlForm({"address": reading.address})
    form.is_valid()
    form.add_error("address", why)
    return _render_start(request, form, status=422)


def _render_progress(request: HttpRequest, token: str, reading: SiteReading) -> HttpResponse:
    order = list(STEP_LABELS)
    here = order.index(reading.step)
    rows = [
        {"label": label, "is_done": place < here, "is_now": place == here, "said": _describe_progress(reading, name)}
        for place, (name, label) in enumerate(STEP_LABELS.items())
    ]
    context = {"token": token, "reading": reading, "rows": rows, "done": here, "all": len(order)}
    template = "_progress.html" if access.is_htmx(request) else "progress.html"
    return render(request, f"studio/start/first_run/{template}", context)


def _describe_progress(reading: SiteReading, step: str) -> str:
    """The result of a finished step; "" before that."""
    if step == "front":
        return reading.name
    if step == "feed" and reading.found:
        return _count_articles(sum(one.count for one in reading.found))
    if step == "articles" and reading.step == "pictures":
        return _count_articles(len(reading.articles))
    return ""


def _count_articles(count: int) -> str:
    return ngettext("%(count)s article", "%(count)s articles", count) % {"count": count}


# --- what was found --------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def review_reading(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the result. POST changes it; with do=keep it also creates the newsletter."""
    _require_permission(request)
    reading = _load_reading(request, token)
    if not reading.is_done:
        return _render_progress(request, token, reading)
    form = SiteReadingForm(reading, request.POST or None)
    if request.method != "POST":
        return _render_review(request, token, reading, form)
    if not form.is_valid():
        return _render_review(request, token, reading, form, status=422)
    form.apply(reading)
    if request.POST.get("do") == "keep":
        return _create_newsletter(request, token, reading)
    _store_reading(request, token, reading)
    return redirect(f"{reverse('site-found', args=[token])}#found")


def _create_newsletter(request: HttpRequest, token: str, reading: SiteReading) -> HttpResponse:
    """Create the newsletter, its sources and the first draft."""
    # Race: two clicks would create two newsletters. Only one request can delete the cache key, so delete it first.
    if not cache.delete(_key(request, token)):
        return redirect("studio-start")
    issue = sites.store_site(reading, editor=access.current_editor(request), now=timezone.now())
    newsletter = issue.newsletter
    audit_log.record(request, "newsletter-created", newsletter=newsletter, subject=f"newsletter {newsletter.pk}")
    for _source in newsletter.sources.all():
        audit_log.record(request, "source-added", newsletter=newsletter, subject=f"newsletter {newsletter.pk}")
    messages.success(request, _("“%(title)s” and its first draft were created.") % {"title": newsletter.title})
    return redirect("site-sender", newsletter.slug)


def _render_review(
    request: HttpRequest, token: str, reading: SiteReading, form: SiteReadingForm, *, status: int = 200
) -> HttpResponse:
    language = request.GET.get("language", "")
    language = language if language in reading.languages else reading.languages[0]
    context = {
        "token": token,
        "reading": reading,
        "form": form,
        "ask": SiteUrlForm(initial={"address": reading.address}),
        "language": language,
        "tabs": [{"code": code, "name": language_name(code)} for code in reading.languages],
        "envelope": sites.build_envelope(reading, language),
        "has_story": bool(sites.pick_articles(reading)),
        "logo": {"light": reading.logo.data_uri} if reading.logo else None,
        "feeds": [{"path": _path_and_query(one.url), "said": _describe_feed(one)} for one in reading.feeds],
        "languages": ", ".join(language_name(code) for code in reading.languages),
        "languages_said": _describe_languages(reading),
        "colour": _describe_colour(reading),
        "zone": _describe_zone(reading),
        "read": _describe_reading(reading),
        "changed": set(form.errors),
    }
    return render(request, "studio/start/first_run/site_reading.html", context, status=status)


def _path_and_query(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _describe_reading(reading: SiteReading) -> str:
    said = ngettext(
        "Read in %(seconds)s s: the front page, the list of articles, and %(count)s article page.",
        "Read in %(seconds)s s: the front page, the list of articles, and %(count)s article pages.",
        len(reading.articles),
    )
    return said % {"seconds": max(1, round(reading.seconds)), "count": len(reading.articles)}


def _describe_feed(one: sites.FoundFeed) -> str:
    said = [_count_articles(one.count)]
    if one.newest is not None:
        said.append(_("newest %(moment)s") % {"moment": _time_ago(one.newest)})
    if one.articles_per_week:
        said.append(_("about %(count)s a week") % {"count": one.articles_per_week})
    if one.sections:
        said.append(ngettext("%(count)s section", "%(count)s sections", one.sections) % {"count": one.sections})
    return ", ".join(said)


def _time_ago(moment: datetime) -> str:
    from django.contrib.humanize.templatetags.humanize import naturaltime

    return str(naturaltime(moment))


def _describe_languages(reading: SiteReading) -> str:
    first = reading.languages[0]
    originals = [item for item in reading.articles if (item.language or first) == first]
    said = [
        _("%(articles)s in %(language)s")
        % {"articles": _count_articles(len(originals)), "language": language_name(first)}
    ]
    urls = {item.url for item in reading.articles}
    for code in reading.languages[1:]:
        count = sum(item.alternates.get(code) in urls for item in originals)
        translations = ngettext(
            "%(count)s has a translation in %(language)s, as its page states (hreflang)",
            "%(count)s have a translation in %(language)s, as their pages state (hreflang)",
            count,
        )
        said.append(translations % {"count": count, "language": language_name(code)})
    return "; ".join(said)


def _describe_colour(reading: SiteReading) -> dict[str, Any]:
    """The accent colour for light and dark mail, and how it was derived from the site's colour."""
    accent, said = reading.accent, reading.site.accent
    look = colours.build_palette(accent)
    figures = {
        "said": said,
        "ratio": f"{colours.contrast(accent, colours.PAPER):.1f}",
        "before": f"{colours.contrast(said, colours.PAPER):.1f}" if said else "",
    }
    if not said:
        words = _(
            "Your site does not specify a colour, so a default is used. Contrast on white: %(ratio)s : 1, easy to read."
        )
    elif accent == said.upper():
        words = _("Contrast on white: %(ratio)s : 1, easy to read.")
    elif accent == colours.readable_accent(said):
        words = _(
            "Your site’s %(said)s has a contrast of %(before)s : 1 on white. It was darkened to %(ratio)s : 1 to be easy to read."
        )
    else:
        words = _("Your choice. Contrast on white: %(ratio)s : 1, easy to read.")
    partner = _("The colour for dark mail is %(dark)s.") % {"dark": look.accent_dark}
    return {"light": accent, "dark": look.accent_dark, "said": f"{words % figures} {partner}"}


def _describe_zone(reading: SiteReading) -> dict[str, str]:
    zone = ZoneInfo(reading.time_zone if reading.time_zone in available_timezones() else settings.TIME_ZONE)
    offset = timezone.localtime(reading.at, zone).strftime("%z")
    short = f"{offset[:3]}:{offset[3:]}"
    name = (
        dict(INDONESIAN_TIME_ZONES).get(zone.key)
        or f"{zone_name(reading.at, zone)}, {zone.key.rpartition('/')[2].replace('_', ' ')}"
    )
    if reading.site.time_zone == zone.key:
        why = _("From the dates of your articles (%(offset)s)") % {"offset": short}
    elif reading.site.time_zone:
        why = _("Your choice (%(offset)s)") % {"offset": short}
    else:
        why = _("Your articles do not state a time zone (%(offset)s). Please check.") % {"offset": short}
    return {"name": str(name), "why": why}


@require_safe
def preview(request: HttpRequest, token: str) -> HttpResponse:
    """Return the first issue as a mail. Its own Content-Security-Policy allows inline styles and forbids scripts."""
    _require_permission(request)
    reading = _load_reading(request, token)
    language = request.GET.get("language", "")
    language = language if language in reading.languages else reading.languages[0]
    try:
        body = sites.render_preview(reading, language)
    except editions.RenderError as error:
        return render(request, "studio/start/first_run/no_preview.html", {"why": str(error)})
    response = HttpResponse(body)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cache-Control"] = "private, no-store"
    return response


# --- sender and postal address ---------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def edit_sender(request: HttpRequest, slug: str) -> HttpResponse:
    """Step 2: sender and postal address, which a site does not state reliably. Nothing can be sent without them."""
    newsletter = access.get_newsletter(request, slug, roles.Action.ADMINISTER)
    is_first = not newsletter.from_email
    form = SenderForm(request.POST or None, instance=newsletter)
    if request.method == "POST" and form.is_valid():
        form.instance.is_public |= is_first  # from now on people can sign up
        form.save()
        subject = f"newsletter {newsletter.pk}"
        audit_log.record(request, "settings-changed", newsletter=newsletter, subject=subject, fields=form.changed_data)
        return redirect(_draft_url(newsletter))
    context = {"newsletter": newsletter, "form": form, "draft": _draft_url(newsletter)}
    return render(request, "studio/start/first_run/sender.html", context, status=422 if form.is_bound else 200)


def _draft_url(newsletter: Newsletter) -> str:
    issue: Issue | None = newsletter.issues.not_deleted().order_by("-number").first()
    return reverse("issue-compose", args=[issue.pk]) if issue and issue.is_editable else reverse("studio-start")
