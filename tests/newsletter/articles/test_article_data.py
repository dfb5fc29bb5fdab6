"""Cleaning of texts, dates and character sets from outside."""

from __future__ import annotations

import pytest

from newsletter.articles.article_data import (
    clean_text,
    count_words,
    decode_body,
    find_date,
    language_code,
    parse_datetime,
)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("25 Oktober 2026, 14.30 WIB", "2026-10-25 14:30"),
        ("Oct 25th, 2026", "2026-10-25 00:00"),
        ("11/28/2026 04:23 pm EST", "2026-11-28 16:23"),
        ("April 28, 2026 at 12:05 am", "2026-04-28 00:05"),
        ("18. 05. 2026", "2026-05-18 00:00"),
        ("Domenica 06 Dicembre 2026 | 00:36", "2026-12-06 00:36"),
        ("07 Dezember, 2026", "2026-12-07 00:00"),
        ("14 października 2026", "2026-10-14 00:00"),
        ("(2026-02-19 20:29:58)", "2026-02-19 20:29"),
        ("Rapat 99.99.2026, lalu 5.6.2026", "2026-06-05 00:00"),
        ("31 Februari 2026 atau 1 Maret 2026", "2026-03-01 00:00"),
        ("3 minggu 2026", None),
        ("10-10-10", None),
        ("https://kabar.example/0220260101", None),
        ("", None),
    ],
)
def test_dates_in_the_words_of_many_languages(text, at):
    found = find_date(text)

    assert (found and f"{found:%Y-%m-%d %H:%M}") == at


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dua kata", 2),
        ("", 0),
        ("护照新规明天起施行", 4),
        ("パスポートの新しい規則", 6),
        ("ประกาศใช้กฎหนังสือเดินทางใหม่", 6),
        ("WNI 护照 baru", 3),
    ],
)
def test_words_are_counted_in_scripts_without_spaces_too(text, count):
    assert abs(count_words(text) - count) <= 1


@pytest.mark.parametrize(
    "text", ["9" * 100, "31.12.9999", "2026-13-45T99:99", "0000-00-00", "١٢/١٢/٢٠٢٦", "²/³/2026", None, 7]
)
def test_what_is_no_date_is_no_moment(text):
    assert parse_datetime(text) is None


def test_a_byte_that_is_wrong_does_not_spoil_the_page():
    assert decode_body("Résumé".encode() + b"\xff" + b" utuh" * 9, charset="utf-8").endswith("utuh")


@pytest.mark.parametrize(
    ("said", "code"),
    [("id-ID", "id"), ("in_ID", "id"), ("Bahasa Indonesia", "id"), ("jp", "ja"), ("zh-Hant-TW", "zh"), ("utf-8", ""), ("x", ""), (7, "")],
)  # fmt: skip
def test_languages_are_known_by_their_two_letters(said, code):
    assert language_code(said) == code


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("<p>Kami merangkum <strong>yang baru</strong>.</p>", "Kami merangkum yang baru."),
        ("<p>Satu.</p><p>Dua.</p>", "Satu. Dua."),
        ("Baris satu<br>baris dua<ul><li>a</li><li>b</li></ul>c", "Baris satu baris dua a b c"),
        ("e<em>-paspor</em>", "e-paspor"),
    ],
)
def test_markup_inside_a_line_parts_no_words_and_blocks_do(markup, said):
    assert clean_text(markup) == said
