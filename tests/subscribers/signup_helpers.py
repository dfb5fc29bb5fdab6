"""A publication with its boxes and people, and the steps they take; for the tests of the public side."""

from __future__ import annotations

import datetime
from typing import Any

from django.test import Client
from django.utils import timezone

from newsletter.models import Newsletter
from subscribers import consent, signup, suppression
from subscribers.models import ConsentText, Purpose, SignupForm, SignupRequest, SubscriptionStatus
from subscribers.signup import limits
from tests.factories import NOW, make_newsletter, make_reader

BROWSER = "Mozilla/5.0 Firefox/153.0"
PAGE = "https://kabarlintas.example/id/autogate"


def make_form(*newsletters: Newsletter, slug: str = "subscribe", **fields: Any) -> SignupForm:
    """A box that offers `newsletters`, whose consent texts are published."""
    newsletters = newsletters or (make_newsletter(),)
    for newsletter in newsletters:
        consent.ensure_texts(newsletter, now=NOW)
    form = SignupForm.objects.create(slug=slug, **fields)
    form.newsletters.set(newsletters)
    return form


def texts_of(form: SignupForm, *, measurement: bool = False) -> list[ConsentText]:
    purposes = [Purpose.NEWSLETTER, *([Purpose.MEASUREMENT] if measurement else [])]
    return list(ConsentText.objects.filter(newsletter__in=form.newsletters.all(), language="id", purpose__in=purposes))


def ask(form: SignupForm, email: str = "siti@contoh.id", **fields: Any) -> SignupRequest:
    """A sign-up as the page hands it over."""
    defaults: dict[str, Any] = {
        "newsletters": form.newsletters.all(),
        "language": "id",
        "page_url": PAGE,
        "consent_texts": texts_of(form),
        "ip": "192.0.2.7",
        "user_agent": BROWSER,
        "trap": False,
        "now": NOW,
    }
    return signup.accept(form, email=email, **{**defaults, **fields})


def ask_and_admit(form: SignupForm, email: str = "siti@contoh.id", **fields: Any) -> SignupRequest:
    request = ask(form, email, **fields)
    signup.admit_due(now=request.created_at)
    request.refresh_from_db()
    return request


def stamp(seconds_ago: float = 20) -> str:
    return limits.make_stamp(timezone.now() - datetime.timedelta(seconds=seconds_ago))


def post(client: Client, form: SignupForm, email: str = "siti@contoh.id", **fields: Any):
    """Press the button of a box; `headers` are the browser's."""
    headers = fields.pop("headers", {})
    data = {"email": email, "stamp": stamp(), "language": "id", "page": PAGE, **fields}
    return client.post(f"/s/{form.slug}/", data, headers=headers)


STATES = ("new", "pending", "subscribed", "unsubscribed", "complained", "bounced")


def make_state(newsletter: Newsletter, state: str, email: str) -> None:
    """Give `email` one of the six states an address can be in."""
    status = {
        "pending": SubscriptionStatus.PENDING,
        "unsubscribed": SubscriptionStatus.UNSUBSCRIBED,
    }.get(state, SubscriptionStatus.SUBSCRIBED)
    if state != "new":
        make_reader(newsletter, email=email, status=status)
    if state in {"complained", "bounced"}:
        suppression.suppress(email, reason=state, now=NOW)
