"""E30: every kind of block in four languages, light and dark: as golden HTML, as pictures, and for axe, without a defect.

`GALLERY_WRITE=1 pytest tests/newsletter/rendering/test_gallery.py` writes the golden files anew; look at what git says of them.
`GALLERY_DIR=…` keeps the screenshots.
"""

from __future__ import annotations

import datetime
import os
import random
import re
import shutil
import subprocess
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from newsletter import checks, content, editions
from newsletter.models import Issue
from newsletter.rendering import appearance
from tests.chromium import axe_complaints, browser, needs_chromium
from tests.examples import examples
from tests.factories import NOW, make_newsletter
from tests.newsletter import fuzzed_issues as gallery_generated
from tests.newsletter import gallery
from workers.message import builder

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parents[2] / "data" / "gallery"
SITE = "https://surat.example"
WIDTHS = (320, 375, 600)


@pytest.fixture(autouse=True)
def _secure_site(settings):
    settings.SITE_URL, settings.SITE_HOST, settings.SECRET_KEY = SITE, "surat.example", "galeri"


def make_gallery(document: content.Document, **newsletter) -> Issue:
    """Not stored, so that no number in it depends on what ran before."""
    defaults = {"slug": "galeri", "list_id": "galeri.kabarlintas.example", "languages": list(gallery.LANGUAGES)}
    publisher = make_newsletter(**{**defaults, **newsletter})
    return Issue(newsletter=publisher, number=48, slug="galeri-48", content=content.dump(document), edited_at=NOW)


def with_pictures() -> content.Document:
    return gallery.document(
        picture=gallery.make_picture(),
        chart=gallery.make_chart(),
        still=gallery.make_still(),
        languages=gallery.LANGUAGES,
    )


def of_kind(document: content.Document, kind: str) -> content.Document:
    return document.model_copy(update={"blocks": [block for block in document.blocks if block.kind == kind]})


def defects(issue: Issue, language: str, *, tracked: bool = True) -> list[tuple[str, str | None, str]]:
    found = checks.check_rendering(editions.render(issue, language, tracked=tracked), newsletter=issue.newsletter)
    return [(check.id, check.block, check.message) for check in found if not check.ok]


# --- golden ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", gallery.LANGUAGES)
def test_e30_the_gallery_looks_as_it_did(language):
    issue = make_gallery(with_pictures())

    rendering = editions.render(issue, language, tracked=True)

    for suffix, got in (("html", rendering.html), ("txt", rendering.text)):
        file = GOLDEN / f"{language}.{suffix}"
        if os.environ.get("GALLERY_WRITE"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(got)
        assert got == file.read_text(), f"{file.name} is another; if that is meant, write it anew with GALLERY_WRITE=1"


def test_the_gallery_shows_every_kind_in_every_language():
    document = gallery.document(
        picture=content.Picture(media=1, path="a.png", width=8, height=8), languages=gallery.LANGUAGES
    )

    assert {block.kind for block in document.blocks} == set(content.BLOCK_TYPES)
    for block in document.blocks:
        assert block.kind == "divider" or set(block.words) == set(gallery.LANGUAGES)
        assert all(words.is_complete for words in block.words.values())


# --- defects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", gallery.LANGUAGES)
@pytest.mark.parametrize("tracked", [True, False])
def test_the_whole_gallery_has_no_defect_in_any_language(language, tracked):
    assert defects(make_gallery(with_pictures()), language, tracked=tracked) == []


@pytest.mark.parametrize("kind", list(content.BLOCK_TYPES))
def test_each_kind_alone_has_no_defect_in_any_language(kind):
    issue = make_gallery(of_kind(with_pictures(), kind))

    assert {language: defects(issue, language) for language in gallery.LANGUAGES} == dict.fromkeys(
        gallery.LANGUAGES, []
    )


@pytest.mark.parametrize("kind", [kind for kind in content.BLOCK_TYPES if kind != "divider"])
@pytest.mark.parametrize(("language", "spoken"), [("id", "ar"), ("ar", "en")])
def test_each_kind_in_a_foreign_language_says_so_and_runs_its_own_way(kind, language, spoken):
    document = of_kind(with_pictures(), kind)
    for block in document.blocks:
        block.words = {spoken: block.words[spoken]}
    issue = make_gallery(document, languages=[spoken, language])

    assert defects(issue, language) == []
    tree = appearance.parse_html(editions.render(issue, language).html)
    direction = {"ar": "rtl", "en": "ltr"}[spoken]
    for block in document.blocks:
        parts = [part for found in tree.find_class(f"blk-{block.id}") for part in found.iter()]
        marked = [part for part in parts if isinstance(part.tag, str) and part.get("lang") == spoken]
        assert marked
        assert {part.get("dir") for part in marked} == {direction}


@pytest.mark.parametrize("accent", ["#0000FF", "#FFCC00", "#E10600", "#000000", "#FFFFFF", "#7F7F7F"])
def test_the_gallery_has_no_defect_in_anybodys_accent(accent):
    assert defects(make_gallery(with_pictures(), accent=accent), "en") == []


def test_arabic_runs_from_right_to_left_throughout():
    html = editions.render(make_gallery(with_pictures()), "ar").html

    assert '<html lang="ar" dir="rtl"' in html
    assert not re.search(r'direction:\s*ltr|dir="ltr"|align="left"|border-left:(?!none)', html)
    assert "letter-spacing:-" not in html


def test_labels_of_a_language_that_warta_does_not_speak_fall_back(settings):
    text = editions.render(make_gallery(with_pictures()), "zh").text

    assert "自助通关使用指南" in text
    assert "zh" not in [code for code, _name in settings.LANGUAGES]


# --- generated -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", range(8))
def test_a_thousand_generated_issues_have_no_defect_of_ours(batch):
    newsletter, pictures = make_newsletter(slug="galeri"), [gallery.make_picture(), gallery.make_chart()]
    found = {}

    for seed in range(batch * 125, batch * 125 + examples(125)):
        issue, language = gallery_generated.make_issue(random.Random(seed), newsletter, pictures)
        rendering = editions.render(issue, language, tracked=seed % 2 == 0)
        wrong = [check for check in checks.check_rendering(rendering, newsletter=newsletter) if not check.ok]
        system = [(check.id, check.block, check.message) for check in wrong if check.is_system]
        if system:
            found[seed] = system

    assert found == {}


# --- weight ----------------------------------------------------------------------------------------------------------


def test_ten_stories_with_pictures_weigh_at_most_75_kb():
    document = with_pictures()
    story = next(block for block in document.blocks if block.id == "bvisa")
    lead = document.blocks[0]
    stories = [story.model_copy(update={"id": f"b{number:03d}"}) for number in range(9)]
    issue = make_gallery(document.model_copy(update={"blocks": [lead, *stories]}))

    for language in gallery.LANGUAGES:
        mail = message_from_bytes(copy(issue, language).data, policy=policy.default)
        assert len(mail.get_body(preferencelist=("html",)).get_payload(decode=True)) <= 75_000


def copy(issue: Issue, language: str) -> builder.RenderedMessage:
    done = editions.render(issue, language, tracked=True)
    words = builder.MessageContent(1, language, done.subject, done.html, done.text)
    reader = builder.Recipient(7, "siti@pembaca.example", "Siti Nurhaliza", NOW)
    return builder.render(
        builder.compile_template(words, issue.newsletter, eight_bit=True),
        reader,
        now=datetime.datetime.now(tz=datetime.UTC),
    )


@pytest.mark.processes
@pytest.mark.skipif(not shutil.which("spamassassin"), reason="SpamAssassin is not installed")
@pytest.mark.parametrize("language", gallery.LANGUAGES)
def test_e29_spamassassin_finds_nothing_wrong_with_the_gallery(language):
    mail = copy(make_gallery(with_pictures()), language).data

    done = subprocess.run(["spamassassin", "-L", "-t"], input=mail, capture_output=True, check=True, timeout=60)

    report = done.stdout.decode(errors="replace")
    assert float(re.search(r"score=(-?[\d.]+)", report)[1]) <= 1.0, report[-2500:]
    assert not re.search(r"MPART_ALT_DIFF|HTML_IMAGE_ONLY|MISSING_", report)


# --- Outlook for Windows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["id", "ar"])
def test_outlook_for_windows_gets_tables_widths_and_padded_buttons(language):
    html = editions.render(make_gallery(with_pictures()), language).html

    conditional = re.findall(r"<!--\[if mso \| IE\]>(.*?)<!\[endif\]-->", html, re.DOTALL)
    assert html.count("<!--[if") == html.count("<![endif]")
    assert sum('width="600"' in part and "width:600px" in part for part in conditional) >= 15
    assert 'xmlns:v="urn:schemas-microsoft-com:vml"' in html
    assert "<o:PixelsPerInch>96</o:PixelsPerInch>" in html
    assert "mso-line-height-rule:exactly" in html
    buttons = re.findall(r'<td[^>]*bgcolor="#[0-9A-F]{6}"[^>]*>\s*<a [^>]*>', html)
    assert len(buttons) == 3
    assert all("mso-padding-alt:13px 22px" in button and "mso-padding-alt:0px" in button for button in buttons)
    assert all(re.search(r'\swidth="\d+"', image) for image in re.findall(r"<img [^>]*>", html))


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    chosen = Path(os.environ["GALLERY_DIR"]) if os.environ.get("GALLERY_DIR") else tmp_path / "gallery"
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def own_pictures(route) -> None:
    """Pictures come from the storage; nothing else is fetched."""
    path = route.request.url.partition("/media/")[2]
    if path and default_storage.exists(path):
        route.fulfill(path=default_storage.path(path))
    else:
        route.abort()


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("language", gallery.LANGUAGES)
def test_e30_the_gallery_in_a_browser(language, folder):
    issue = make_gallery(with_pictures())
    mails = {
        "light": editions.preview_html(issue, language),
        "dark": editions.preview_html(issue, language),
        "no-images": editions.preview_html(issue, language, images=False),
    }
    complaints, sideways = {}, []

    with browser() as chromium:
        for look, html in mails.items():
            context = chromium.new_context(color_scheme="dark" if look == "dark" else "light")
            page = context.new_page()
            page.route("**/*", own_pictures)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.set_content(html)
                page.screenshot(path=folder / f"{language}-{look}-{width}.png", full_page=True)
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    sideways.append((look, width))
            if look != "no-images":
                complaints[look] = axe_complaints(page)
            context.close()

    assert complaints == {"light": [], "dark": []}
    assert sideways == []
    assert len(list(folder.glob(f"{language}-*.png"))) == 9
