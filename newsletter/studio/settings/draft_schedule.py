"""The publishing schedule of a newsletter and the rule of its prepared drafts: form fields and descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from newsletter import roles
from newsletter.drafts import preparation, schedule
from newsletter.drafts.preparation import DraftRule
from newsletter.drafts.schedule import DEFAULT_CADENCE, Cadence
from newsletter.formatting import format_datetime, format_time, join_names, zone_name
from newsletter.models import Article, Newsletter
from newsletter.studio.shared import access

MAX_SECTIONS = 20


class ClockField(forms.TimeField):
    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
        super().__init__(required=False, widget=widget, input_formats=["%H:%M", "%H:%M:%S", "%H.%M"], **kwargs)


class DraftScheduleForm(forms.Form):
    """The values of `Newsletter.cadence` and `draft_rule`. Without a ticked day there is no publishing schedule."""

    days = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Issues are sent on"),
        choices=list(WEEKDAYS.items()),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    leaves_at = ClockField(label=gettext_lazy("At"))
    days_before = forms.TypedChoiceField(
        label=gettext_lazy("The draft is prepared"),
        coerce=int,
        required=False,
        choices=[
            (0, gettext_lazy("on the same day")),
            (1, gettext_lazy("the day before")),
            (2, gettext_lazy("2 days before")),
            (3, gettext_lazy("3 days before")),
            (4, gettext_lazy("4 days before")),
            (5, gettext_lazy("5 days before")),
            (6, gettext_lazy("6 days before")),
        ],
    )
    prepared_at = ClockField(label=gettext_lazy("Prepared at"))
    prepares = forms.BooleanField(label=gettext_lazy("Prepare a draft by this rule"), required=False)
    most = forms.IntegerField(label=gettext_lazy("Articles at most"), min_value=1, max_value=20, required=False)
    per_section = forms.IntegerField(
        label=gettext_lazy("Of one section at most"),
        min_value=0,
        max_value=20,
        required=False,
        help_text=gettext_lazy("0 means no limit."),
    )
    fewest = forms.IntegerField(
        label=gettext_lazy("Articles at least"),
        min_value=1,
        max_value=20,
        required=False,
        help_text=gettext_lazy("With fewer articles, no draft is prepared and you receive a message."),
    )
    briefs = forms.IntegerField(
        label=gettext_lazy("Articles at the end shown in brief"), min_value=0, max_value=19, required=False
    )
    without = forms.CharField(
        label=gettext_lazy("Sections to leave out"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("Separate with commas."),
    )

    def set_initial(self, newsletter: Newsletter) -> None:
        """Show what the newsletter has; a new one begins with what is usual."""
        is_new = newsletter.pk is None
        stored = DEFAULT_CADENCE if is_new else schedule.parse_cadence(newsletter.cadence)
        rhythm = stored or DEFAULT_CADENCE
        rule = preparation.parse_rule(newsletter.draft_rule)
        shown = rule or DraftRule()
        initial = {
            "days": list(rhythm.days) if stored else [],
            "leaves_at": rhythm.at,
            "days_before": rhythm.days_before,
            "prepared_at": rhythm.prepared_at,
            "prepares": is_new or rule is not None,
            "most": shown.most,
            "per_section": shown.per_section,
            "fewest": shown.fewest,
            "briefs": shown.briefs,
            "without": ", ".join(shown.without),
        }
        for name, value in initial.items():
            self.fields[name].initial = value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["cadence"], cleaned["draft_rule"] = self._cadence(cleaned), self._rule(cleaned)
        if cleaned["draft_rule"] and not cleaned["cadence"] and not self.errors:
            self.add_error("days", _("Tick the days on which issues are sent. A draft is prepared for each of them."))
        return cleaned

    def _cadence(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        days, at, prepared_at = cleaned.get("days"), cleaned.get("leaves_at"), cleaned.get("prepared_at")
        if not days:
            return {}
        if at is None and "leaves_at" not in self.errors:
            self.add_error("leaves_at", _("Enter the time when issues are sent, for example 08:00."))
        if prepared_at is None and "prepared_at" not in self.errors:
            self.add_error("prepared_at", _("Enter the time when the draft is prepared, for example 09:00."))
        if at is None or prepared_at is None:
            return {}
        given = cleaned.get("days_before")
        days_before = given if isinstance(given, int) else DEFAULT_CADENCE.days_before
        if days_before == 0 and prepared_at >= at:
            message = _("The draft must be prepared before %(time)s on the same day. Choose an earlier time or day.")
            self.add_error("prepared_at", message % {"time": format_time(at)})
            return {}
        return Cadence(tuple(sorted(days)), at, days_before, prepared_at).to_json()

    def _rule(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        if not cleaned.get("prepares"):
            return {}
        usual = DraftRule()
        names = ("most", "per_section", "fewest", "briefs")
        figures = {name: getattr(usual, name) if cleaned.get(name) is None else cleaned[name] for name in names}
        if figures["fewest"] > figures["most"]:
            self.add_error("fewest", _("“At least” cannot be more than “at most”."))
            return {}
        if figures["briefs"] >= figures["most"]:
            self.add_error("briefs", _("The first article is always the lead story. Choose fewer articles in brief."))
            return {}
        sections = (" ".join(name.split()) for name in cleaned.get("without", "").split(","))
        return DraftRule(**figures, without=tuple(dict.fromkeys(name for name in sections if name))).to_json()


# --- in words --------------------------------------------------------------------------------------------------------


def describe_schedule(rhythm: Cadence, newsletter: Newsletter, *, now: datetime) -> str:
    """Days, time and preparation in sentences, in the newsletter's zone."""
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    names = [str(WEEKDAYS[day]) for day in rhythm.days]
    clock = {"time": format_time(rhythm.at), "zone": zone_name(slot, newsletter.zone)}
    if len(names) == 7:
        leaves = _("Issues are sent every day at %(time)s %(zone)s.") % clock
    else:
        leaves = _("Issues are sent every %(days)s at %(time)s %(zone)s.") % {**clock, "days": join_names(names)}
    return f"{leaves} {_describe_preparation(rhythm)}"


def _describe_preparation(rhythm: Cadence) -> str:
    at = format_time(rhythm.prepared_at)
    if rhythm.days_before == 0:
        return _("The draft is prepared the same day at %(time)s.") % {"time": at}
    if rhythm.days_before == 1:
        return _("The draft is prepared the day before at %(time)s.") % {"time": at}
    return _("The draft is prepared %(days)s days before at %(time)s.") % {"days": rhythm.days_before, "time": at}


def describe_settings(newsletter: Newsletter, *, now: datetime) -> list[str]:
    """What these settings do, in words, with what they would do today."""
    rhythm, rule = schedule.parse_cadence(newsletter.cadence), preparation.parse_rule(newsletter.draft_rule)
    if rhythm is None:
        return [_("No publishing schedule. Issues are sent when you schedule them, and no draft is prepared.")]
    said = [describe_schedule(rhythm, newsletter, now=now)]
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    said.append(_("Next: %(moment)s.") % {"moment": format_datetime(slot, newsletter.zone)})
    if rule is None:
        return [*said, _("No draft is prepared. You start each issue yourself.")]
    said.append(preparation.describe_rule(rule))
    if newsletter.pk is not None:
        said.append(_describe_today(preparation.select_articles(newsletter, rule), rule))
    return said


def _describe_today(found: preparation.ArticleSelection, rule: DraftRule) -> str:
    figures = {"picked": len(found.picks), "new": len(found.new), "fewest": rule.fewest}
    if len(found.picks) >= rule.fewest:
        said = ngettext(
            "Today the rule would pick %(picked)s of %(new)s new article.",
            "Today the rule would pick %(picked)s of %(new)s new articles.",
            len(found.new),
        )
    else:
        said = ngettext(
            "Today the rule would find %(picked)s article and prepare no draft, because at least %(fewest)s are required.",
            "Today the rule would find %(picked)s articles and prepare no draft, because at least %(fewest)s are required.",
            len(found.picks),
        )
    return said % figures


def list_sections(newsletter: Newsletter) -> list[str]:
    """Sections of the newsletter's articles in its first language, to choose from."""
    own = newsletter.sources.values("url")
    found = Article.objects.filter(source__url__in=own, language=newsletter.default_language).exclude(section="")
    return list(found.values_list("section", flat=True).distinct().order_by("section")[:MAX_SECTIONS])


# --- the live sentence -----------------------------------------------------------------------------------------------


@require_safe
def preview_settings(request: HttpRequest) -> HttpResponse:
    """What the fields as they stand would do, while somebody changes them. Nothing is kept."""
    me, slug = access.current_editor(request), request.GET.get("of", "")
    if not me.is_superuser and not roles.allowed_newsletters(me, roles.Action.ADMINISTER):
        roles.deny(me, roles.Action.ADMINISTER)
    stored = access.get_newsletter(request, slug, roles.Action.ADMINISTER) if slug else Newsletter()
    form = DraftScheduleForm(request.GET)
    zone = request.GET.get("time_zone", "")
    stored.time_zone = zone if zone in available_timezones() else stored.time_zone
    if form.is_valid():
        stored.cadence, stored.draft_rule = form.cleaned_data["cadence"], form.cleaned_data["draft_rule"]
        lines = describe_settings(stored, now=timezone.now())
    else:
        lines = [str(error) for errors in form.errors.values() for error in errors]
    return render(
        request, "studio/settings/_draft_schedule_summary.html", {"lines": lines, "is_wrong": bool(form.errors)}
    )
