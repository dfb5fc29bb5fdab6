"""What was held back, looked at and decided by an administrator in a real browser, with and without script."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from django.utils import timezone

from newsletter.models import Role
from subscribers.models import Subscription
from tests.chromium import axe_complaints, browser, needs_chromium, session_cookies, watched_page
from tests.factories import make_editor
from tests.workers.sending_helpers import make_sending_issue
from workers import provider_events
from workers.models import Batch
from workers.provider_events import quarantine

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("HELD_PICTURES", "")


@pytest.fixture
def storm(monkeypatch):
    monkeypatch.setattr(quarantine, "STORM_EVENTS", 2)
    issue, people = make_sending_issue(readers=8)
    Batch.objects.filter(issue=issue).update(accepted=8, route="ses-1", status="done")
    words = ["550 5.1.1 no such user", "550 5.1.1 The email account that you tried to reach does not exist"]
    told = [
        provider_events.EventReport(
            issue.pk,
            reader.pk,
            provider_events.COMPLAINED if number % 3 == 0 else provider_events.BOUNCED,
            timezone.now() - datetime.timedelta(seconds=240 - 20 * number),
            f"event-{number}",
            "" if number % 3 == 0 else "5.1.1",
            "" if number % 3 == 0 else words[number % 2],
        )
        for number, reader in enumerate(people)
    ]
    provider_events.record(told, now=timezone.now())
    return issue


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_an_administrator_finds_looks_and_decides(live_server, client, storm, script, width, scheme):
    complaints: list[str] = []
    client.force_login(make_editor(storm.newsletter, role=Role.ADMINISTRATOR, language="en"))
    with browser() as chromium:
        context = chromium.new_context(
            java_script_enabled=script, viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        context.add_cookies(session_cookies(client, url=live_server.url))
        page = watched_page(context, home=live_server.url, complaints=complaints)
        page.goto(f"{live_server.url}/studio/")
        page.get_by_role("link", name="bounces or complaints wait for you").first.click()
        page.wait_for_url("**/held-back/")
        look(page, "held", width, scheme, script, complaints)
        page.get_by_role("link", name="Let it take effect for 6 readers…").click()
        page.wait_for_url("**?decide=apply")
        look(page, "apply", width, scheme, script, complaints)
        page.get_by_role("link", name="Back").click()
        page.wait_for_url("**/held-back/")
        page.get_by_role("link", name="Leave it out…").click()
        page.wait_for_url("**?decide=leave-out")
        look(page, "leave-out", width, scheme, script, complaints)
        page.get_by_role("button", name="Leave it out; 6 readers stay").click()
        page.wait_for_url("**/progress/")
        assert page.get_by_text("Left out: 6 readers stay subscribed.").is_visible()

    assert complaints == []
    assert provider_events.count_held(storm) == 0
    assert Subscription.objects.filter(status="subscribed").count() == 7


def look(page, name, width, scheme, script, complaints) -> None:
    """Nothing runs off the side, nothing that axe complains about."""
    if script:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        complaints += axe_complaints(page)
    if PICTURES and script:
        page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)
