"""The studio in a real browser: what only script and style sheets can get wrong."""

from __future__ import annotations

import io
import os
import time

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image
from playwright.sync_api import expect

from newsletter.models import Article, Issue
from tests import chromium
from tests.factories import NOW, make_editor, make_issue, make_newsletter
from tests.live_server_lock import ONE_AT_A_TIME

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "true"  # Playwright's loop runs in this thread; the test's queries wait for it
)
pytestmark = [pytest.mark.browser, chromium.needs_chromium, pytest.mark.django_db(transaction=True)]


def stored_subject(issue):
    with ONE_AT_A_TIME:
        return Issue.objects.get(pk=issue.pk).content["envelopes"]["id"]["subject"]


@pytest.fixture
def complaints():
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def issue():
    newsletter = make_newsletter()
    editor = make_editor(newsletter, email="ayu@kabarlintas.example")
    Article.objects.create(guid="a", url="https://x.example/a", title="Paspor hilang", language="id", published_at=NOW)
    return make_issue(newsletter, editor=editor)


@pytest.fixture
def open_page(_one_at_a_time, browser, live_server, complaints, issue):
    """Open a page of the studio as its administrator, in a window of one's own choice."""
    contexts = []

    def opener(name="studio-start", *args, **window):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **window})
        contexts.append(context)
        with ONE_AT_A_TIME:
            visitor = Client()
            visitor.force_login(issue.created_by)
        context.add_cookies(chromium.session_cookies(visitor, url=live_server.url))
        page = chromium.watched_page(context, home=live_server.url, complaints=complaints)
        page.goto(live_server.url + reverse(name, args=args))
        return page

    yield opener
    heard = list(complaints)
    for context in contexts:
        context.close()
    complaints[:] = heard  # what closing a window breaks off is nobody's mistake


def order(page):
    return [card.input_value() for card in page.locator("[name=block]").all()]


def test_typing_is_saved_without_a_click_and_shows_in_the_preview(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.fill("#b001-headline", "Jalur autogate di Denpasar")

    expect(page.locator("#state")).to_contain_text("Saved", timeout=2_000)
    expect(page.frame_locator("iframe:not(.back)").locator("h1, h2").first).to_have_text("Jalur autogate di Denpasar")
    page.reload()
    expect(page.locator("#b001-headline")).to_have_value("Jalur autogate di Denpasar")


def test_the_checks_follow_what_is_typed(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.fill("#b002-headline", "[TK] judul")

    expect(page.locator("#checks")).to_contain_text("Must be fixed before sending")
    page.fill("#b002-headline", "Paspor hilang, apa yang dilakukan")
    expect(page.locator("#checks")).not_to_contain_text("Must be fixed before sending")


def test_a_fix_is_one_click_and_the_keyboard_goes_where_it_mended(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    page.fill("#subject", "Autogate baru di bandara, " * 4)
    fix = page.locator("[value='fix:E21::id']")

    fix.click()

    expect(page.locator("#subject")).to_have_value(
        "Autogate baru di bandara, Autogate baru di bandara, Autogate baru di bandara…"
    )
    expect(page.locator("#subject")).to_be_focused()
    expect(fix).to_have_count(0)


def test_on_a_phone_a_check_makes_way_for_its_block(open_page, issue):
    page = open_page("issue-compose", issue.pk, viewport={"width": 390, "height": 844})
    page.fill("#b002-headline", "[TK] judul")
    page.locator(".narrow-view").click()
    line = page.locator("#checks a", has_text="is still to be filled in")

    line.click()

    expect(page.locator("dialog:modal")).to_have_count(0)
    expect(page.locator("#b002")).to_be_focused()
    page.locator(".narrow-view").click()
    assert chromium.axe_complaints(page) == []


def test_blocks_are_moved_removed_and_brought_back_by_keyboard(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.focus("#b002-headline")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("[name=block]").first).to_have_value("b002")
    page.focus("#b003-remove")
    page.keyboard.press("Enter")
    expect(page.locator(".snip")).to_have_count(2)
    page.locator("#main").focus()
    page.keyboard.press("Control+z")
    expect(page.locator(".snip")).to_have_count(3)

    assert order(page) == ["b002", "b001", "b003"]


def test_a_step_is_taken_once_though_typing_waits_to_be_saved(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.locator("#b001-headline").press_sequentially(" kini")
    page.click("#b001-down")
    expect(page.locator("[name=block]").first).to_have_value("b002")
    page.wait_for_timeout(900)

    assert order(page) == ["b002", "b001", "b003"]


def test_an_added_block_has_the_cursor(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.click("#add-quote")

    expect(page.locator(".snip")).to_have_count(4)
    expect(page.locator(".snip").last.locator("textarea")).to_be_focused()


def words(page, block="b001"):
    """Where the summary of a block is written."""
    return page.locator(f"#{block}-summary[contenteditable=true]")


AT_THE_END = """field => {
  const it = document.querySelector(field);
  if (document.activeElement !== it) return false;
  if (it.value !== undefined) return it.selectionEnd === it.value.length;
  const chosen = getSelection(), rest = document.createRange();
  rest.selectNodeContents(it);
  rest.setStart(chosen.focusNode, chosen.focusOffset);
  return rest.toString() === "";
}"""


def write_on(page, field, text):
    """Behind the words that stand in a field. A redraw may come between two keys, so look where they will land."""
    for _ in range(50):
        page.focus(field)
        page.keyboard.press("Control+End")
        if page.evaluate(AT_THE_END, field):
            break
    page.keyboard.type(text)


def mail(page):
    return page.frame_locator("iframe:not(.back)")


def saved(page, seconds=4):
    expect(page.locator("#state")).to_contain_text("Saved", timeout=seconds * 1000)


def stored_summary(issue, block="b001"):
    with ONE_AT_A_TIME:
        blocks = Issue.objects.get(pk=issue.pk).content["blocks"]
    return next(each for each in blocks if each["id"] == block)["words"]["id"]["summary"]


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_summary_is_written_as_it_will_look(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    words(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.type("Bawa ")
    page.keyboard.press("Control+b")
    page.keyboard.type("paspor lama")
    page.keyboard.press("Control+b")
    page.keyboard.press("Enter")
    page.keyboard.type("- satu")
    page.keyboard.press("Enter")
    page.keyboard.type("dua")
    saved(page)

    assert stored_summary(issue) == "<p>Bawa <strong>paspor lama</strong></p><ul><li>satu</li><li>dua</li></ul>"
    expect(mail(page).locator(".blk-b001 strong")).to_have_text("paspor lama")


def test_the_buttons_for_markup_say_what_is_pressed_and_work_by_keyboard(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    words(page, "b002").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Alt+F10")
    expect(page.get_by_role("button", name="Bold")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Italic")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#b002 header [role=toolbar]")).to_be_visible()
    expect(words(page, "b002").locator("em").first).to_be_visible()


def test_a_link_is_set_changed_refused_and_removed(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    words(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+k")

    page.get_by_label("Address", exact=True).fill("javascript:alert(1)")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="This is not a valid web address")).to_be_visible()
    page.get_by_label("Address", exact=True).fill("kabarlintas.example/tarif")
    page.keyboard.press("Enter")

    expect(words(page).locator("a").first).to_have_attribute("href", "https://kabarlintas.example/tarif")
    expect(words(page)).to_be_focused()
    saved(page)
    assert 'href="https://kabarlintas.example/tarif"' in stored_summary(issue)
    page.get_by_role("button", name="Link", exact=True).click()
    page.get_by_role("button", name="Remove the link").click()
    expect(words(page).locator("a")).to_have_count(0)


def test_a_readers_name_needs_words_for_those_who_gave_none(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    words(page).click()

    page.get_by_role("button", name="Reader’s name").click()
    field = page.get_by_label("Text if no name is known")
    field.fill("")
    page.get_by_role("button", name="Put it in").click()
    expect(page.get_by_text("Enter the text for readers without a name.")).to_be_visible()
    field.fill("Pembaca")
    page.keyboard.press("Enter")

    expect(words(page).locator(".chip")).to_have_text("Pembaca")
    saved(page)
    assert '<span data-merge="name">Pembaca</span>' in stored_summary(issue)
    page.reload()
    expect(words(page).locator(".chip")).to_have_text("Pembaca")
    page.get_by_label("As this reader sees it").select_option("long")
    expect(mail(page).locator(".blk-b001")).to_contain_text("Raden Ajeng")


WORD = """<html><head><style>p.MsoNormal {color: red}</style></head><body><!--StartFragment-->
<h1 style="color:#c00">Judul</h1><p class=MsoNormal style='margin:0'><b style="font-weight:bold">Tebal</b>
<i>miring</i> <span style="font-weight:700">juga</span> <a href="javascript:alert(1)">jahat</a>
<script>alert(1)</script><img src="https://lain.example/x.png" onerror="alert(1)"></p>
<table><tr><td style="border:1px">Sel</td></tr></table><!--EndFragment--></body></html>"""
PASTE = """([html]) => { const data = new DataTransfer(); data.setData("text/html", html); data.setData("text/plain", "x");
document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); }"""


def test_what_a_word_processor_brings_along_stays_outside(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    words(page).click()
    page.keyboard.press("Control+a")

    page.evaluate(PASTE, [WORD])

    saved(page)
    assert stored_summary(issue) == (
        "<p>Judul</p><p><strong>Tebal</strong> <em>miring</em> <strong>juga</strong> jahat</p><p>Sel</p>"
    )


def test_editors_start_only_where_they_are_seen(open_page, issue):
    with ONE_AT_A_TIME:
        long = make_issue(issue.newsletter, stories=20, editor=issue.created_by)

    page = open_page("issue-compose", long.pk)
    expect(words(page)).to_be_visible()

    assert page.locator("rich-text").count() == 20
    assert page.locator("rich-text [contenteditable=true]").count() < 10
    page.locator("#b020-summary").focus()
    expect(words(page, "b020")).to_be_focused()


# --- saving ----------------------------------------------------------------------------------------------------------


def test_two_people_never_overwrite_each_other(open_page, issue):
    mine, theirs = open_page("issue-compose", issue.pk), open_page("issue-compose", issue.pk)
    theirs.fill("#subject", "Dari Dewi")
    saved(theirs)

    mine.fill("#subject", "Dari saya")
    expect(mine.get_by_role("alertdialog", name="Someone else saved this issue")).to_be_visible()
    expect(mine.get_by_role("button", name="Save mine as a copy")).to_be_focused()
    mine.keyboard.press("Enter")

    expect(mine.locator("#subject")).to_have_value("Dari saya")
    assert stored_subject(issue) == "Dari Dewi"


def test_whoever_looks_at_the_others_version_is_offered_their_own_words_there(open_page, issue):
    mine, theirs = open_page("issue-compose", issue.pk), open_page("issue-compose", issue.pk)
    theirs.fill("#subject", "Dari Dewi")
    saved(theirs)
    mine.fill("#b002-headline", "Judul dari saya")
    expect(mine.get_by_role("alertdialog")).to_be_visible()
    mine.keyboard.press("Escape")
    mine.get_by_role("button", name="Somebody else saved").click()

    mine.get_by_role("link", name="Show their version").click()
    expect(mine.locator("#subject")).to_have_value("Dari Dewi")
    mine.get_by_role("button", name="Restore it").click()

    saved(mine)
    expect(mine.locator("#b002-headline")).to_have_value("Judul dari saya")
    assert stored_subject(issue) == "Dari Dewi"


def offline_noise(complaints):
    """A browser without a line says so; that is no mistake of ours."""
    complaints[:] = [line for line in complaints if "htmx" not in line and "net::ERR" not in line]


def test_a_tunnel_in_mid_sentence_costs_no_word(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)
    write_on(page, "#b001-summary", " Masuk terowongan")
    saved(page)

    page.context.set_offline(True)
    page.keyboard.type(" dan masih menulis")
    expect(page.locator("#state")).to_have_text("Not saved: retrying")
    page.keyboard.type(", juga di dalam gelap")
    page.context.set_offline(False)
    saved(page, 10)

    assert "Masuk terowongan dan masih menulis, juga di dalam gelap" in stored_summary(issue)
    offline_noise(complaints)


def test_after_a_tunnel_nobody_waits_for_the_next_try(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)
    page.route("**/autosave/", lambda route: route.abort(), times=5)
    for sign in "abcd":
        page.fill("#subject", f"Masuk terowongan {sign}")
        expect(page.locator("#state")).to_have_text("Not saved: retrying")

    page.evaluate("window.dispatchEvent(new Event('online'))")  # the line is back, and breaks once more

    saved(page, 4)
    assert stored_subject(issue) == "Masuk terowongan d"
    offline_noise(complaints)


def test_a_preview_that_does_not_arrive_leaves_the_last_one_standing(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)
    expect(mail(page).locator(".blk-b001")).to_be_visible()

    page.route("**/preview/?**", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed", lambda request: "/preview/" in request.url):
        page.fill("#b001-headline", "Tidak sampai")
    saved(page)
    expect(mail(page).locator(".blk-b001")).to_be_visible()
    page.fill("#b001-headline", "Sampai juga")

    expect(mail(page).locator("h1, h2").first).to_have_text("Sampai juga")
    offline_noise(complaints)


def test_words_typed_before_the_editor_arrives_are_kept(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    held = []
    page.route("**/newsletter/editor.js", lambda route: held.append(route))
    page.reload()

    write_on(page, "#b001-summary", " Ditulis dengan tergesa, ")
    held.pop().continue_()
    expect(words(page)).to_be_focused()
    page.keyboard.type("lalu tenang")

    saved(page)
    assert "Ditulis dengan tergesa, lalu tenang" in stored_summary(issue)


def test_an_answer_lost_on_the_way_is_no_conflict(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)
    lost = []

    def lose(route):
        route.fetch()  # the server has it, the page never hears
        lost.append(route.request.post_data)
        route.abort()

    page.route("**/autosave/", lose, times=1)
    page.fill("#subject", "Tersimpan, tanpa kabar")
    expect(page.locator("#state")).to_have_text("Not saved: retrying")
    page.fill("#subject", "Tersimpan, tanpa kabar, lalu lanjut")
    saved(page, 10)

    expect(page.locator("#conflict")).to_have_count(0)
    assert len(lost) == 1
    assert stored_subject(issue) == "Tersimpan, tanpa kabar, lalu lanjut"
    offline_noise(complaints)


def test_words_typed_while_a_save_is_on_its_way_are_saved_after_it(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    def slow(route):
        time.sleep(0.6)
        route.continue_()

    page.route("**/autosave/", slow)
    write_on(page, "#b001-headline", " satu")
    page.wait_for_timeout(450)
    page.click("#add-quote")
    write_on(page, "#b003-summary", " dua")
    write_on(page, "#b002-headline", " tiga")
    expect(page.locator(".snip")).to_have_count(4)
    saved(page, 10)

    page.unroute("**/autosave/")
    page.reload()
    expect(page.locator("#b001-headline")).to_have_value("Imigrasi buka jalur autogate ke-1 satu")
    expect(page.locator("#b002-headline")).to_have_value("Imigrasi buka jalur autogate ke-2 tiga")
    expect(page.locator("#b003-summary")).to_contain_text("30 detik. dua")


def test_a_redraw_between_two_words_keeps_the_space(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    held = []
    page.route("**/autosave/", lambda route: held.append(route), times=1)
    with page.expect_request("**/autosave/"):
        page.click("#add-quote")

    write_on(page, "#b001-summary", " satu ")
    held.pop().continue_()
    expect(page.locator(".snip")).to_have_count(4)
    page.locator("#b001-summary:focus").wait_for()
    page.keyboard.type("dua")

    saved(page)
    assert " satu dua" in stored_summary(issue)


def test_after_a_crash_the_words_are_offered_back(open_page, issue, complaints):
    page = open_page("issue-compose", issue.pk)
    page.route("**/autosave/", lambda route: route.abort())
    page.fill("#subject", "Sebelum jatuh")
    write_on(page, "#b001-summary", " Kalimat yang belum tersimpan.")
    expect(page.locator("#state")).to_have_text("Not saved: retrying")
    again = page.context.new_page()
    page.close()

    again.goto(page.url)
    offer = again.locator("kept-words")
    expect(offer).to_contain_text("Kalimat yang belum tersimpan.")
    again.get_by_role("button", name="Restore it").click()

    saved(again)
    expect(offer).to_be_hidden()
    assert stored_subject(issue) == "Sebelum jatuh"
    assert "Kalimat yang belum tersimpan." in stored_summary(issue)
    again.reload()
    expect(again.locator("kept-words")).to_be_hidden()
    offline_noise(complaints)


def test_undo_reaches_back_over_a_reload(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    page.fill("#subject", "Judul yang lain")
    saved(page)
    page.reload()

    page.locator("#main").focus()
    page.keyboard.press("Control+z")

    expect(page.locator("#subject")).to_have_value("Autogate baru dan izin tinggal daring")
    page.keyboard.press("Control+Shift+Z")
    expect(page.locator("#subject")).to_have_value("Judul yang lain")


# --- order -----------------------------------------------------------------------------------------------------------


def middle(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_block_is_dragged_by_its_grip_and_escape_puts_it_back(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    grip = page.locator("#b001 > .grip")
    grip.scroll_into_view_if_needed()
    x, y = middle(grip)

    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 330, steps=6)
    page.keyboard.press("Escape")
    assert order(page) == ["b001", "b002", "b003"]
    page.mouse.up()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 330, steps=6)
    page.mouse.up()

    assert order(page) == ["b002", "b001", "b003"]
    expect(page.locator("#announced")).to_contain_text("position 2 of 3")
    expect(page.locator("#b002-up")).to_have_attribute("aria-disabled", "true")
    saved(page)
    page.reload()
    assert order(page) == ["b002", "b001", "b003"]


def test_a_block_is_dragged_by_a_finger(open_page, issue):
    page = open_page("issue-compose", issue.pk, viewport={"width": 390, "height": 844}, has_touch=True)
    page.locator("#b001").evaluate("(card) => card.scrollIntoView({block: 'start'})")
    x, y = middle(page.locator("#b001 > .grip"))
    touch = page.context.new_cdp_session(page)

    def send(kind, *points):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": px, "y": py} for px, py in points]})

    send("touchStart", (x, y))
    for step in range(1, 9):
        send("touchMove", (x, y + step * 45))
    send("touchEnd")

    assert order(page)[0] == "b002"
    saved(page)


def test_moving_by_keyboard_keeps_the_place_of_the_cursor(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    words(page, "b002").click()

    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.type(" Lanjut")

    assert order(page) == ["b001", "b003", "b002"]
    saved(page)
    assert "Lanjut" in stored_summary(issue, "b002")


# --- preview and keys ------------------------------------------------------------------------------------------------


def test_the_preview_goes_to_the_block_being_written(open_page, issue):
    with ONE_AT_A_TIME:
        long = make_issue(issue.newsletter, stories=12, editor=issue.created_by)
    page = open_page("issue-compose", long.pk)

    page.fill("#b012-headline", "Blok paling bawah")

    expect(mail(page).locator(".blk-b012")).to_be_in_viewport()
    expect(mail(page).locator(".blk-b012")).to_contain_text("Blok paling bawah")
    assert page.evaluate("window.scrollX") == 0


def test_the_looks_of_the_preview(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.get_by_role("radio", name="Dark").check()
    expect(page.locator("iframe:not(.back)")).to_have_count(1)
    expect(mail(page).locator("body")).to_have_css("background-color", "rgb(20, 19, 15)")
    page.get_by_role("radio", name="Inverted").check()
    expect(mail(page).locator("html")).to_have_css("filter", "invert(1) hue-rotate(180deg)")
    page.get_by_role("radio", name="English").check()
    expect(mail(page).locator("h1").first).to_have_text("Autogate lane 1 opens")
    page.get_by_role("radio", name="Text").check()
    expect(mail(page).locator("pre")).to_contain_text("Autogate lane 1 opens")


def test_keys_do_what_their_list_says(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+p")
    expect(page.get_by_label("Phone")).to_be_checked()
    page.focus("#b002-headline")
    page.keyboard.type("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.keyboard.press("Alt+Shift+D")
    expect(page.locator(".snip")).to_have_count(4)
    page.focus("#b001-headline")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".snip")).to_have_count(5)
    expect(page.locator(".snip").nth(1)).to_have_attribute("aria-label", "Text")


def test_a_test_mail_carries_what_was_typed_last(open_page, issue):
    page = open_page("issue-compose", issue.pk)
    page.route("**/test/", lambda route: route.fulfill(status=200, body=stored_subject(issue)))

    page.fill("#subject", "Baru saja diketik")
    page.keyboard.press("Alt+Shift+T")

    expect(page.locator("body")).to_have_text("Baru saja diketik")


def test_a_headline_becomes_the_subject(open_page, issue):
    page = open_page("issue-compose", issue.pk)

    page.get_by_text("Use a headline as the subject").click()
    page.get_by_role("button", name="Imigrasi buka jalur autogate ke-3", exact=True).click()

    expect(page.locator("#subject")).to_have_value("Imigrasi buka jalur autogate ke-3")
    expect(page.locator("#subject-count")).to_contain_text("33 characters")


def test_a_picture_is_put_on_a_block_and_typing_goes_on(open_page, issue, settings, live_server):
    settings.SITE_URL = live_server.url
    page = open_page("issue-compose", issue.pk)
    page.fill("#b002-headline", "Sedang menulis")

    page.set_input_files("#b002-file", {"name": "foto.png", "mimeType": "image/png", "buffer": a_png()})

    expect(page.locator("#b002 .thumb")).to_be_visible()
    expect(page.locator("#b002-headline")).to_have_value("Sedang menulis")
    page.fill("#b002-headline", "Sesudah gambar")
    saved(page)
    expect(page.locator("#conflict")).to_have_count(0)
    expect(mail(page).locator(".blk-b002 img")).to_have_count(1)


def a_png():
    picture = io.BytesIO()
    Image.new("RGB", (640, 360), "teal").save(picture, "PNG")
    return picture.getvalue()


def test_the_composer_works_without_script(open_page, issue):
    page = open_page("issue-compose", issue.pk, java_script_enabled=False)

    page.fill("#subject", "Tanpa skrip")
    page.click("#b001-down")

    assert order(page) == ["b002", "b001", "b003"]
    assert page.input_value("#subject") == "Tanpa skrip"


def test_on_a_phone_tray_and_preview_open_over_the_page(open_page, issue):
    page = open_page("issue-compose", issue.pk, viewport={"width": 390, "height": 844})

    page.get_by_role("button", name="Articles").click()
    page.get_by_role("button", name="Add “Paspor hilang”").click()
    page.keyboard.press("Escape")

    expect(page.locator(".snip")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(("look", "width", "language"), [("light", 1440, "en"), ("dark", 390, "id")])
def test_the_composer_at_work_has_no_accessibility_defect(open_page, live_server, issue, look, width, language):
    page = open_page("studio-start", color_scheme=look, viewport={"width": width, "height": 844})
    page.goto(f"{live_server.url}{reverse('issue-compose', args=[issue.pk])}?lang={language}")
    words(page).click()
    expect(page.locator("[role=toolbar]")).to_be_visible()
    found = []

    def look_at(what):
        found.extend(f"{what}: {line}" for line in chromium.axe_complaints(page))

    page.evaluate("document.querySelectorAll('iframe').forEach((frame) => frame.remove())")
    look_at("writing")
    for dialog in ("link-dialog", "merge-dialog", "keys-dialog", "tray", "viewer"):
        page.evaluate(f"document.getElementById('{dialog}').showModal()")
        look_at(dialog)
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 320, "height": 700})
    if page.evaluate("document.documentElement.scrollWidth") > 320:
        found.append("scrolls sideways at 320 px")

    assert found == []


def test_every_target_can_be_hit(open_page, issue):
    page = open_page("issue-compose", issue.pk, viewport={"width": 390, "height": 844})
    words(page).click()
    expect(page.locator("[role=toolbar]")).to_be_visible()

    small = page.evaluate("""[...document.querySelectorAll("button, a, summary, select, .grip, .seg label")]
        .filter((each) => each.checkVisibility() && !each.closest(".sr, p, .skip, #checks, dialog") && each.className !== "skip")
        .map((each) => [each.outerHTML.slice(0, 90), each.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 31.5 || box.width < 27.5)).map(([html]) => html)""")

    assert small == []


@pytest.mark.parametrize(("look", "language"), [("light", "id"), ("dark", "en")])
def test_no_page_has_an_accessibility_defect_or_scrolls_sideways(open_page, live_server, issue, look, language):
    page = open_page(color_scheme=look, viewport={"width": 390, "height": 844})
    names = ["studio-start", "issue-list", "article-list", "source-list", "settings-newsletters", "audit"]
    names += ["settings-editors", "settings-account", "settings-newsletter-create"]
    addresses = [reverse(name) for name in names]
    addresses += [reverse(name, args=[issue.pk]) for name in ("issue-compose", "issue-history")]
    addresses.append(reverse("settings-newsletter", args=[issue.newsletter.slug]))
    found = []

    for address in addresses:
        page.goto(f"{live_server.url}{address}?lang={language}")
        # axe waits for ever on a frame in which no script may run
        page.evaluate("document.querySelectorAll('iframe').forEach((frame) => frame.remove())")
        found += [f"{address}: {line}" for line in chromium.axe_complaints(page)]
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            found.append(f"{address}: scrolls sideways")

    assert found == []
