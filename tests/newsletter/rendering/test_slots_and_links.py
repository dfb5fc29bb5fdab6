"""Slots are found once and filled by joining; links are numbered once and never lead anywhere unsafe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import links, slots

SITE = "https://surat.example"


def test_a_text_is_split_at_its_slots_and_filled_again():
    segments = slots.split("Hai ⟦why⟧ <https://surat.example/u/⟦u⟧/>")

    filled = slots.fill(segments, {"why": "Anda mendaftar.", "u": "abc"})

    assert segments.slots == ("why", "u")
    assert filled == "Hai Anda mendaftar. <https://surat.example/u/abc/>"


@pytest.mark.parametrize("text", ["⟦name⟧", "⟦hit", "hit⟧", "⟦⟧", "⟦⟦hit⟧⟧", "⟦hit ⟧"])
def test_a_slot_that_nobody_can_fill_is_refused(text):
    with pytest.raises(slots.UnknownSlot):
        slots.split(text)


@pytest.mark.parametrize("name", ["name:====", "name:é", "name:a b", "email:YQ", "name:YQ:x", "name:_w"])
def test_a_merge_field_that_nobody_wrote_is_refused(name):
    with pytest.raises(slots.UnknownSlot):
        slots.split(f"⟦{name}⟧")


@given(st.text())
def test_a_merge_field_carries_any_words_and_gives_way_to_a_readers_own(words):
    segments = slots.split(f"Halo {slots.format_field('name', words)}!")

    assert slots.fill(segments, {}) == f"Halo {words}!"
    assert slots.fill(segments, {"name": ""}) == f"Halo {words}!"
    assert slots.fill(segments, {"name": "Siti"}) == "Halo Siti!"


@given(st.text())
def test_words_without_marks_never_hold_a_slot(words):
    assert slots.split(slots.strip_marks(words)).slots == ()


@given(st.lists(st.sampled_from(["⟦hit⟧", "⟦u⟧", "teks", "é", "\n"])), st.text())
def test_filling_keeps_every_character(pieces, value):
    text = "".join(pieces)

    filled = slots.fill(slots.split(text), {"hit": value, "u": value})

    assert filled == text.replace("⟦hit⟧", value).replace("⟦u⟧", value)


def test_the_same_address_in_the_same_block_has_one_number():
    book = links.LinkBook(SITE, tracked=True)

    first = book.href("https://kabar.example/a", block="b1", label="Satu")
    again = book.href("https://kabar.example/a", block="b1", label="lain")
    elsewhere = book.href("https://kabar.example/a", block="b2", label="Dua")

    assert first == again == "https://surat.example/l/1/⟦hit⟧"
    assert elsewhere == "https://surat.example/l/2/⟦hit⟧"
    assert book.links == (
        links.NumberedLink(1, "https://kabar.example/a", "b1", "Satu"),
        links.NumberedLink(2, "https://kabar.example/a", "b2", "Dua"),
    )


def test_numbers_go_on_where_the_other_language_stopped():
    book = links.LinkBook(SITE, tracked=True, first=8)

    assert book.href("https://kabar.example/a", block="b1", label="A") == "https://surat.example/l/8/⟦hit⟧"


def test_without_tracking_links_lead_straight_to_their_target():
    book = links.LinkBook(SITE)

    assert book.href("https://kabar.example/a?x=1&y=2#z", block="b1", label="A") == "https://kabar.example/a?x=1&y=2#z"


@pytest.mark.parametrize(
    "url",
    [
        "https://surat.example/u/⟦u⟧/".replace("⟦u⟧", "x"),
        "https://surat.example/archive/2026/ringkasan-1/",
        "https://surat.example/p/x/",
        "https://kabar.example/privasi/",
        "mailto:redaksi@kabar.example?subject=Hai",
    ],
)
def test_service_links_are_never_numbered(url):
    book = links.LinkBook(SITE, tracked=True, own=frozenset({"https://kabar.example/privasi/"}))

    assert book.href(url, block="b1", label="x") == url
    assert book.links == ()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " \x01javascript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "//evil.example",
        "\\\\evil.example",
        "https:evil",
        "https://user:pass@evil.example/",
        "https://evil.example\r\nSet-Cookie: x",
        "https://⟦hit⟧.example/",
        "file:///etc/passwd",
        "https://[::1",
        "https://kabar.example:99999/",
        "relative/path",
        "#anchor",
        "",
    ],
)
def test_t20_unsafe_addresses_never_become_links(url):
    book = links.LinkBook(SITE, tracked=True)

    assert book.href(url, block="b1", label="x") == ""
    assert book.links == ()


def test_t21_percent_encoded_addresses_stay_as_they_are():
    book = links.LinkBook(SITE, tracked=True)

    book.href("https://kabar.example/cari?q=izin%20tinggal%2Fdaring&%25", block="b1", label="x")

    assert book.links[0].url == "https://kabar.example/cari?q=izin%20tinggal%2Fdaring&%25"


def test_an_address_pasted_with_blanks_is_encoded():
    book = links.LinkBook(SITE)

    assert book.href(' https://kabar.example/a b"c ', block="b1", label="x") == "https://kabar.example/a%20b%22c"
