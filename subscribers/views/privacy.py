"""What we hold: the notice of this service."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from newsletter.models import Newsletter, Tracking
from newsletter.web import page_language
from subscribers import consent
from subscribers.views import responses


@login_not_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """What this service holds and for how long, made from the settings of the newsletters that run on it."""
    newsletters = list(Newsletter.objects.filter(is_public=True)) or list(Newsletter.objects.all()[:1])
    language = responses.language_for(request, newsletters=newsletters)
    with responses.speak(language, newsletters[0] if newsletters else None):
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
            "pending": ngettext("%(count)d day", "%(count)d days", consent.PENDING_LIFETIME.days)
            % {"count": consent.PENDING_LIFETIME.days},
        }
        languages = page_language.offered_languages(newsletters) or None
        return responses.render_page(request, "privacy", context, language=language, languages=languages)
