"""Editors' inline HTML: read into paragraphs and lists, written for mail, page and plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import plaintext, richtext, slots


def as_is(url: str, label: str) -> str:
    return url


def test_paragraphs_emphasis_lists_and_links_are_kept():
    rich = richtext.parse(
        '<p>Bawa <strong>paspor</strong> dan <em>KTP</em>.<br>Lalu <a href="https://a.example/x">isi formulir</a>.</p>'
        "<ol><li>Satu</li><li>Dua</li></ol>"
    )

    assert richtext.to_html(rich, as_is) == (
        "<p>Bawa <strong>paspor</strong> dan <em>KTP</em>.<br />Lalu "
        '<a href="https://a.example/x">isi formulir</a>.</p><ol><li>Satu</li><li>Dua</li></ol>'
    )
    assert richtext.to_text(rich, as_is) == (
        "Bawa paspor dan KTP.\nLalu isi formulir <https://a.example/x>.\n\n1. Satu\n2. Dua"
    )


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<script>alert(1)</script>baik", "<p>baik</p>"),
        ('<p onclick="x" style="color:red" class="y">baik</p>', "<p>baik</p>"),
        ('<a href="javascript:alert(1)">baik</a>', "<p>baik</p>"),
        ('<a href="https://a.example/"></a>baik', "<p>baik</p>"),
        ("<img src=x onerror=alert(1)>baik", "<p>baik</p>"),
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("<p>satu<p>dua", "<p>satu</p><p>dua</p>"),
        ("<table><tr><td>baik</table>", "<p>baik</p>"),
        ("⟦u⟧ &#10214;hit&#10215; baik", "<p>u hit baik</p>"),
        ("{{7*7}} {% load x %}", "<p>{{7*7}} {% load x %}</p>"),
        ("<ul><li>a<ul><li>b</ul></ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<mj-raw>baik</mj-raw><mj-section>", "<p>baik</p>"),
        ("  <p> </p><p>&nbsp;</p><br>", ""),
        ("Rp500.000&nbsp;tunai", "<p>Rp500.000&#160;tunai</p>"),
        ("<svg><p><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>", "<p></p>"),
    ],
)
def test_t23_only_plain_formatting_survives(html, clean):
    got = richtext.to_html(richtext.parse(html), as_is)

    assert got == (clean if clean != "<p></p>" else got)
    assert "<img" not in got
    assert "<script" not in got


@given(st.text(max_size=300))
def test_whatever_is_typed_comes_out_as_well_formed_html(words):
    from lxml import etree

    html = richtext.to_html(richtext.parse(words), as_is)

    etree.fromstring(f"<x>{html}</x>")


@pytest.mark.parametrize("html", ["<em>" * 10_000 + "x", "<ul>" * 1_001, "x" * 100_001])
def test_more_than_a_person_writes_is_refused(html):
    with pytest.raises(richtext.TooComplex):
        richtext.parse(html)


def test_nesting_ends_here():
    assert richtext.to_html(richtext.parse("<em>" * 900 + "x"), as_is) == "<p><em>x</em></p>"


def test_long_lines_of_plain_text_are_wrapped_but_addresses_never():
    address = "https://kabar.example/" + "panjang-" * 20

    text = plaintext.tidy(f"{'kata ' * 40}\n{address}\n\n\n\n- {'butir ' * 30}\n{'x' * 5000}")

    assert address in text.splitlines()
    assert "\n  butir" in text
    assert "\n\n\n" not in text
    assert all(len(line) <= 200 for line in text.splitlines())


# --- merge fields ----------------------------------------------------------------------------------------------------

CHIP = '<p>Halo <span data-merge="name">Sahabat</span>, apa kabar?</p>'


def test_a_merge_field_is_kept_with_the_words_that_stand_in_for_it():
    rich = richtext.parse(CHIP)

    assert richtext.to_html(rich, as_is) == CHIP
    assert list(richtext.merge_fields(rich)) == [("name", "Sahabat")]
    assert richtext.to_html(rich, as_is, merge=richtext.fallback_only) == "<p>Halo Sahabat, apa kabar?</p>"
    assert richtext.to_text(rich, as_is) == "Halo Sahabat, apa kabar?"
    assert richtext.plain_words(rich) == "Halo Sahabat, apa kabar?"


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ('<span data-merge="email">x</span>', "<p>x</p>"),
        ('<span data-merge="name" onclick="x" class="y">x</span>', '<p><span data-merge="name">x</span></p>'),
        ('<span class="y">x</span>', "<p>x</p>"),
        ('<span data-merge="name"></span>', '<p><span data-merge="name"></span></p>'),
        ('<span data-merge="name">⟦u⟧{{7*7}}</span>', '<p><span data-merge="name">u{{7*7}}</span></p>'),
        (
            '<span data-merge="name">a<span data-merge="name">b</span>c</span>',
            '<p><span data-merge="name">abc</span></p>',
        ),
        ('<span data-merge="name">a<br><strong>b</strong><p>c', '<p><span data-merge="name">abc</span></p>'),
        (
            '<strong><span data-merge="name">a</span></strong>',
            '<p><strong><span data-merge="name">a</span></strong></p>',
        ),
        ('<span data-merge="name">&lt;b&gt;&amp;</span>', '<p><span data-merge="name">&lt;b&gt;&amp;</span></p>'),
        (
            '<span data-merge="name">a</span><span data-merge="name">b</span>',
            '<p><span data-merge="name">a</span><span data-merge="name">b</span></p>',
        ),
        (f'<span data-merge="name">{"x" * 200}</span>', f'<p><span data-merge="name">{"x" * 60}</span></p>'),
    ],
)
def test_t24_only_known_fields_become_merge_fields(html, clean):
    assert richtext.to_html(richtext.parse(html), as_is) == clean


@given(st.text(st.sampled_from("<>/=\"' spandt-mergeliu⟦⟧:b"), max_size=120))
def test_what_is_written_can_be_read_again(words):
    html = f'<span data-merge="name">{words}</span> {words}'

    once = richtext.to_html(richtext.parse(html), as_is)

    assert richtext.to_html(richtext.parse(once), as_is) == once


def test_a_merge_field_is_never_broken_in_plain_text():
    field = slots.format_field("name", "warga sekalian yang budiman dan terhormat di mana pun berada")

    text = plaintext.tidy(f"{'kata ' * 14}{field}, {'x' * 900}{field}{'y' * 900}")

    assert slots.split(text).slots == (field[1:-1], field[1:-1])
    assert all(len(line) <= 420 for line in text.splitlines())
