"""Refuse to start with a `MAIL_URL` whose routes cannot be built; otherwise an issue would fail hours later."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from workers import routes


@register()
def check_mail_url(app_configs: object, **_: object) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    for place, url in enumerate(settings.MAIL_ROUTES, start=1):
        try:
            routes.from_url(f"{url.partition(':')[0]}-{place}", url)
        except ImproperlyConfigured as error:
            fact, _point, remedy = str(error).partition(". ")
            errors.append(Error(f"{fact}.", hint=remedy, id="workers.E004"))
    return errors
