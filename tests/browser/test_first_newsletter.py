"""The whole way once, in a browser, in Indonesian, against the processes that `manage.py run` starts.

A reader subscribes under an article and confirms from the caught mail; an editor makes an issue of three articles and sends
it; the reader reads it and clicks, which the report counts; the reader leaves with one click. On a phone, on a desktop, and
without script.
"""

from __future__ import annotations

import re
import time
import urllib.parse
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from tests import chromium
from tests import running_site as live

pytestmark = [pytest.mark.browser, pytest.mark.processes, chromium.needs_chromium, pytest.mark.xdist_group("site")]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
A_PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
"""Chromium without a window names itself so, and we would count its clicks as a machine's."""


def follow(page: Page, link) -> Page:
    """Press a link that may open a new tab; the page it leads to."""
    before, here = len(page.context.pages), page.url
    link.click()
    deadline = time.monotonic() + 10
    while len(page.context.pages) == before and page.url == here and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    return page.context.pages[-1] if len(page.context.pages) > before else page


def mail_for(page: Page, site: live.Site, address: str, subject: str) -> Page:
    """The caught mail with this subject, opened by itself; waits for it as a person would, by looking again."""
    for _ in range(60):
        page.goto(f"{site.url}/mailbox/?to={urllib.parse.quote(address)}")
        found = page.locator(".mails a").filter(has_text=subject)
        if found.count():
            found.first.click()
            page.get_by_role("link", name="Buka surel ini tersendiri").click()
            return page
        page.wait_for_timeout(500)
    raise AssertionError(f"no mail “{subject}”:\n{site.output()[-3000:]}")


def subscribe(page: Page, site: live.Site, address: str) -> None:
    page.goto(f"{site.url}/demo/")
    page.get_by_role("link", name="Paspor elektronik atau biasa").first.click()
    page.get_by_label("Alamat surel").fill(address)
    page.wait_for_timeout(1200)  # quicker than a person reads, the form takes it for a machine
    page.get_by_role("button", name="Berlangganan").click()
    expect(page.get_by_role("heading", name="Periksa kotak masuk Anda")).to_be_visible()


def confirm(page: Page, site: live.Site, address: str) -> None:
    mail = mail_for(page, site, address, "Konfirmasi langganan Anda")
    target = follow(mail, mail.get_by_role("link", name="Konfirmasi langganan saya"))
    expect(target.get_by_role("heading", name="Satu langkah lagi")).to_be_visible()
    target.get_by_role("button", name="Ya, kirimi saya").click()
    expect(target.get_by_role("heading", name="Terima kasih, Anda sudah berlangganan")).to_be_visible()


def log_in(page: Page, site: live.Site) -> None:
    page.goto(f"{site.url}/studio/")
    page.get_by_label("Alamat surel").fill(site.email)
    page.get_by_label("Kata sandi").fill(site.password)
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("heading", name="Pekan ini")).to_be_visible()


def add_story(page: Page, number: int, *, is_phone: bool) -> None:
    """One more article from the tray: a new one while there are any, else one that was used, on purpose."""
    tray = page.locator("#tray")
    if is_phone and not tray.is_visible():
        page.get_by_role("button", name="Artikel").click()
    fresh = tray.locator("button[id^=use-]").locator("visible=true")
    if fresh.count():
        fresh.first.click()
    else:
        tray.locator("details.again summary").nth(number).click()
        tray.get_by_role("button", name=re.compile("^Pakai lagi")).locator("visible=true").first.click()
    expect(page.locator("#blocks input[name=block]")).to_have_count(number)


def compose(page: Page, site: live.Site, subject: str, *, is_phone: bool) -> str:
    """An issue of three articles; its address below /studio/issues/."""
    page.goto(f"{site.url}/studio/")
    page.get_by_role("button", name="Mulai edisi kosong").click()
    expect(page).to_have_url(re.compile(r"/studio/issues/\d+/compose/"))
    for number in (1, 2, 3):
        add_story(page, number, is_phone=is_phone)
    if is_phone:
        page.keyboard.press("Escape")
    page.locator("textarea[name=subject]").fill(subject)
    page.locator("[name=preheader]").fill("Tiga kabar paspor yang paling sering ditanyakan kepada redaksi")
    save = page.locator("#save")
    if save.is_visible():
        save.click()
    else:
        expect(page.locator("#checks")).to_contain_text("Siap dikirim")
    return re.search(r"/studio/issues/(\d+)/", page.url).group(1)


def send(page: Page, site: live.Site, issue: str) -> None:
    """Review, send now, and wait until every reader the sentence promised has it."""
    page.goto(f"{site.url}/studio/issues/{issue}/review/")
    page.get_by_label("Sekarang").check()
    for tick in page.locator(".ticks input[type=checkbox]").all():
        tick.check()
    promised = int(re.search(r"(\d+) pembaca", page.locator(".verdict").inner_text()).group(1))
    page.locator("button.primary.wide").click()
    expect(page).to_have_url(re.compile(rf"/studio/issues/{issue}/progress/"))
    deadline = time.monotonic() + 60
    while not finished(site, issue, promised):
        assert time.monotonic() < deadline, site.output()[-3000:]
        page.wait_for_timeout(500)


def finished(site: live.Site, issue: str, promised: int) -> bool:
    script = (
        "from newsletter.models import Issue; from workers import ledger; "
        f"i = Issue.objects.get(pk={issue}); e = ledger.count_deliveries(i); print(i.status, e.audience, e.accepted, e.is_consistent)"
    )
    return site.manage("shell", "-v", "0", "-c", script).split() == ["sent", str(promised), str(promised), "True"]


def one_click(url: str) -> tuple[int, str]:
    """What a mail service posts when a reader presses its own unsubscribe button (RFC 8058): no cookie, no token."""
    request = urllib.request.Request(url, data=b"List-Unsubscribe=One-Click", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.url


def journey(page: Page, site: live.Site, name: str, *, is_phone: bool = False) -> None:
    address, subject = f"sari.{name}@pembaca.example", f"Tiga kabar paspor pekan ini, {name}"
    subscribe(page, site, address)
    confirm(page, site, address)
    log_in(page, site)
    issue = compose(page, site, subject, is_phone=is_phone)
    send(page, site, issue)

    mail = mail_for(page, site, address, subject)
    expect(mail.get_by_role("heading", level=1)).to_be_visible()
    leave = mail.get_by_role("link", name="Berhenti berlangganan").get_attribute("href")
    article = follow(mail, mail.locator("h1 a, h2 a").first)
    assert article.url.startswith(f"{site.url}/demo/")

    deadline = time.monotonic() + 30
    while "diklik 1 kali" not in words(page, f"{site.url}/studio/issues/{issue}/report/"):
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(500)

    assert one_click(leave) == (200, leave)
    page.goto(leave)
    expect(page.get_by_role("heading", name="Anda sudah berhenti")).to_be_visible()


def words(page: Page, url: str) -> str:
    page.goto(url)
    return page.locator("main").inner_text()


@pytest.mark.parametrize(
    ("name", "viewport", "script"),
    [("telepon", PHONE, True), ("meja", DESKTOP, True), ("tanpa-skrip", DESKTOP, False)],
)
def test_from_the_sign_up_box_to_the_last_unsubscribe(site, browser, name, viewport, script):
    complaints: list[str] = []
    context = browser.new_context(locale="id-ID", viewport=viewport, java_script_enabled=script, user_agent=A_PERSON)
    page = chromium.watched_page(context, home=site.url, complaints=complaints)
    page.set_default_timeout(10_000)

    journey(page, site, name, is_phone=viewport is PHONE)

    context.close()
    assert complaints == []


def test_afterwards_the_consent_chain_is_whole(site):
    assert "every one as it was written" in site.manage("verify_consent")
