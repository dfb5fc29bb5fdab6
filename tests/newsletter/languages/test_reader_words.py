"""Words for readers: complete in each language, one file for one more, and never outside the page that asked for them."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import get_language, gettext, ngettext

from newsletter import editions, formatting, issues
from newsletter.languages import reader_words, tags
from newsletter.management.commands import reader_messages
from tests.factories import make_document, make_issue, make_newsletter
from tests.structure import reader_catalogue_check

JAVANESE = """msgid ""
msgstr ""
"Language: jv\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

msgid "Unsubscribe"
msgstr "Mandheg langganan"
"""


@pytest.fixture
def reader_folder(tmp_path, settings):
    """A folder for catalogues of a test, beside those that come with the software."""
    settings.READER_LOCALE_PATHS = [*settings.READER_LOCALE_PATHS, tmp_path]
    reader_words.forget_catalogues()
    yield tmp_path
    reader_words.forget_catalogues()


@pytest.fixture(scope="module")
def template():
    return reader_messages.collect()


def letter(*languages: str, **fields):
    return make_newsletter(languages=list(languages), translations={}, **fields)


# --- catalogues ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", reader_catalogue_check.SHIPPED)
def test_every_sentence_is_there_with_its_placeholders_and_the_plurals_of_cldr(tag, template):
    catalogue = reader_messages.read(reader_words.catalogue_paths()[tag])

    assert reader_catalogue_check.faults(tag, catalogue, template) == []
    assert len(template) > 240


def test_the_check_finds_what_is_wrong(template, tmp_path):
    catalogue = reader_messages.begin("de")
    catalogue.add("Go to %(site)s", "Zu %(ort)s")
    catalogue.add("Undo", "<b>Zurück</b>")
    catalogue.add("A sentence of last year", "Ein Satz")
    vars(catalogue).update(_plural_expr="n > 1")

    found = "\n".join(reader_catalogue_check.faults("de", catalogue, template))

    assert "no translation of 'Unsubscribe'" in found
    assert "placeholders differ: 'Zu %(ort)s'" in found
    assert "tags differ" in found
    assert "not in the sources any more" in found
    assert "Plural-Forms differs" in found


def test_one_more_language_is_one_file(reader_folder):
    (reader_folder / "jv.po").write_text(JAVANESE)
    reader_words.forget_catalogues()

    assert "jv" in reader_words.available_languages()
    with reader_words.override("jv", "id") as spoken:
        assert spoken == get_language() == "jv"
        assert gettext("Unsubscribe") == "Mandheg langganan"
        assert gettext("Privacy") == "Privacy"


@pytest.mark.django_db
def test_a_new_file_speaks_in_the_mail(reader_folder):
    (reader_folder / "jv.po").write_text(JAVANESE)
    reader_words.forget_catalogues()
    issue = make_issue(letter("jv"), document=make_document(languages=("jv",)))

    assert "Mandheg langganan" in editions.render(issue, "jv").html


def test_the_command_begins_a_file_and_keeps_what_is_translated(reader_folder, template):
    path = reader_folder / "sw.po"
    missing = reader_messages.merge(template, "sw", path)
    assert missing == len(template)

    catalogue = reader_messages.read(path)
    catalogue.get("Undo").string = "Tendua"
    catalogue.add("A sentence of last year", "Sentensi")
    reader_messages.write(catalogue, path)

    assert reader_messages.merge(template, "sw", path) == missing - 1
    assert 'msgstr "Tendua"' in path.read_text()
    assert "last year" not in path.read_text()


# --- which language --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "fallback", "spoken"),
    [
        ("de", "id", "de"),
        ("de-AT", "id", "de-AT"),
        ("zh-CN", "id", "zh-CN"),
        ("zh-Hant", "id", "id"),
        ("jv", "id", "id"),
        ("jv", "", "en"),
        ("jv", "su", "en"),
        ("ms-Arab", "ar", "ar"),
    ],
)
def test_a_language_without_words_gets_those_the_administrator_chose(tag, fallback, spoken):
    assert reader_words.words_language(tag, fallback) == spoken


def test_the_language_ends_with_the_block_even_after_an_error():
    before = get_language()

    def fail_in_arabic():
        with reader_words.override("ar"):
            assert gettext("Unsubscribe") == "ألغِ الاشتراك"
            with reader_words.override("ja"):
                assert get_language() == "ja"
            assert get_language() == "ar"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_arabic()

    assert get_language() == before


@pytest.mark.parametrize(
    ("tag", "counts"),
    [
        ("ar", {1: "يوم واحد", 2: "يومين", 3: "3 أيام", 11: "11 يومًا", 100: "100 يوم", 103: "103 أيام"}),
        ("de", {1: "1 Tag", 7: "7 Tagen"}),
        ("fr", {0: "0 jour", 1: "1 jour", 2: "2 jours"}),
        ("ja", {1: "1日", 7: "7日"}),
        ("id", {1: "1 hari", 7: "7 hari"}),
    ],
)
def test_counts_follow_the_rules_of_the_language(tag, counts):
    with reader_words.override(tag):
        assert {n: ngettext("%(count)d day", "%(count)d days", n) % {"count": n} for n in counts} == counts


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("id", "Selasa, 24 November 2026, 07.00 WIB"),
        ("en", "Tuesday, 24 November 2026, 07:00 WIB"),
        ("de", "Dienstag, 24. November 2026, 07:00 WIB"),
        ("fr", "mardi 24 novembre 2026, 07:00 WIB"),
        ("es", "martes, 24 de noviembre de 2026, 07:00 WIB"),
        ("nl", "dinsdag 24 november 2026, 07:00 WIB"),
        ("zh-Hans", "2026年11月24日星期二, 07:00 WIB"),
        ("ja", "2026年11月24日火曜日, 07:00 WIB"),
        ("ms", "Selasa, 24 November 2026, 07:00 WIB"),
        ("ar", "الثلاثاء، 24 نوفمبر 2026, 07:00 WIB"),
    ],
)
def test_dates_are_written_as_cldr_has_them_with_western_digits(tag, words):
    with reader_words.override(tag):
        said = formatting.format_datetime(
            datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC), ZoneInfo("Asia/Jakarta")
        )

    assert said == words


@pytest.mark.parametrize(
    ("tag", "words"),
    [("id", "1.234.567"), ("en", "1,234,567"), ("de", "1.234.567"), ("fr", "1\u202f234\u202f567"), ("ar", "1,234,567")],
)
def test_numbers_have_the_separators_of_the_language(tag, words):
    with reader_words.override(tag):
        assert formatting.format_number(1234567) == words


def test_an_address_does_not_reorder_a_sentence_from_right_to_left():
    with reader_words.override("ar"):
        assert formatting.isolate("a@b.example") == "\u2068a@b.example\u2069"
    with reader_words.override("de"):
        assert formatting.isolate("a@b.example") == "a@b.example"


# --- mails -----------------------------------------------------------------------------------------------------------


def open_tags(html: str, words: str) -> str:
    """Language and direction of the nearest element around `words` that names one."""
    before = html[: html.index(words)]
    return re.findall(r'lang="([\w-]+)" dir="(rtl|ltr)"', before)[-1]


@pytest.mark.django_db
@pytest.mark.parametrize("tag", reader_catalogue_check.SHIPPED)
def test_the_footer_speaks_the_language_of_the_issue(tag):
    issue = make_issue(letter(tag, fixed_words_language="id"), document=make_document(languages=(tag,)))
    with reader_words.override(tag):
        unsubscribe = gettext("Unsubscribe")

    done = editions.render(issue, tag)

    assert unsubscribe != "Unsubscribe"
    assert unsubscribe in done.html
    assert unsubscribe in done.text
    assert f'<html lang="{tag}" dir="{tags.text_direction(tag)}"' in done.html
    assert "Berhenti berlangganan" not in done.html


@pytest.mark.django_db
def test_fixed_words_in_another_language_say_so():
    issue = make_issue(letter("fa", fixed_words_language="id"), document=make_document(languages=("fa",)))

    html = editions.render(issue, "fa").html

    assert '<html lang="fa" dir="rtl"' in html
    assert open_tags(html, "Berhenti berlangganan") == ("id", "ltr")


@pytest.mark.django_db
def test_an_approval_is_bound_to_the_language_of_the_fixed_words():
    issue = make_issue(letter("fa"))
    before = issues.approval_digest(issue)

    issue.newsletter.fixed_words_language = "id"

    assert issues.approval_digest(issue) != before
