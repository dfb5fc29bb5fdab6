"""From `make run` to one's own first draft: paste the address of a site, look, keep it; with script and without.

The site is the demo's, the only one that an installation on this machine may read.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests import chromium
from tests import running_site as live

pytestmark = [pytest.mark.browser, pytest.mark.processes, chromium.needs_chromium, pytest.mark.xdist_group("site")]
NEWSLETTERS = "from newsletter.models import Newsletter; print(Newsletter.objects.filter(is_demo=False).count())"


def log_in(page: Page, site: live.Site) -> None:
    page.goto(f"{site.url}/studio/")
    page.locator("input[type=email]").fill(site.email)
    page.locator("input[type=password]").fill(site.password)
    page.locator("main button").click()
    page.wait_for_url("**/studio/")


def own_newsletters(site: live.Site) -> int:
    return int(site.manage("shell", "-v", "0", "-c", NEWSLETTERS))


@pytest.fixture(autouse=True)
def _only_the_demo(site):
    """Whatever the order of the tests: nobody has a newsletter of their own yet."""
    site.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from newsletter.models import Newsletter; Newsletter.objects.filter(is_demo=False).delete()",
    )


def first_draft(page: Page, site: live.Site) -> None:
    """From the start page to the composer."""
    page.locator('a[href$="/studio/site/"]').first.click()
    page.locator("input[name=address]").fill(f"{site.url}/demo/")
    page.locator(".ask .primary").click()
    page.wait_for_url("**/studio/site/reading/*/")
    expect(page.locator(".found")).to_contain_text("/demo/en/feed.xml")
    expect(page.frame_locator(".frame iframe").locator("h1")).to_contain_text("Paspor elektronik")
    page.locator("button[value=keep]").click()
    page.wait_for_url("**/sender/")
    page.locator("input[name=from_email]").fill("redaksi@kabarlintas.example")
    page.locator(".ask .primary").click()
    page.wait_for_url("**/compose/")
    expect(page.locator("input[name=block]")).to_have_count(5)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_sites_address_becomes_ones_own_draft(site, browser, script):
    complaints: list[str] = []
    before = own_newsletters(site)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, java_script_enabled=script)
    page = chromium.watched_page(context, home=site.url, complaints=complaints)
    page.set_default_timeout(15_000)
    log_in(page, site)
    if not script:  # the own newsletter of the first round is there, so the start page does not ask again
        page.goto(f"{site.url}/studio/settings/newsletters/")

    first_draft(page, site)

    context.close()
    assert complaints == []
    assert own_newsletters(site) == before + 1


class Counted:
    """Clicks of an editor, counted."""

    def __init__(self) -> None:
        self.clicks = 0

    def __call__(self, what) -> None:
        self.clicks += 1
        what.click()


def test_the_good_day_takes_four_clicks_at_most(site, browser):
    """From the studio's first page to "scheduled" with the prepared draft, and nothing typed."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    page = chromium.watched_page(context, home=site.url, complaints=complaints)
    page.set_default_timeout(15_000)
    log_in(page, site)
    click = Counted()

    click(page.locator(".lead .btn.primary"))
    expect(page.locator("#checks")).to_be_visible()
    click(page.locator("#next a.primary"))
    click(page.locator("form.review .wide.primary"))

    page.wait_for_url("**/progress/")
    status = "from newsletter.models import Issue; print(Issue.objects.exclude(prepared_for=None).get().status)"
    context.close()
    assert click.clicks <= 4
    assert complaints == []
    assert site.manage("shell", "-v", "0", "-c", status).strip() == "scheduled"


def test_the_pages_of_the_first_run_are_for_everybody(site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    log_in(page, site)
    page.goto(f"{site.url}/studio/site/")
    found = chromium.axe_complaints(page)
    page.locator("input[name=address]").fill(f"{site.url}/demo/")
    page.locator(".ask .primary").click()
    page.wait_for_url("**/studio/site/reading/*/")

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += chromium.axe_complaints(page)

    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
