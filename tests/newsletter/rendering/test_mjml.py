"""The guard in front of the compiler, and what is done to its output. The compiler is the real one throughout."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import mjml

FRAME = ('<mjml lang="id" dir="ltr"><mj-head><mj-title>Judul</mj-title></mj-head><mj-body>', "</mj-body></mjml>")


def source(*parts: str) -> mjml.MjmlSource:
    named = tuple(mjml.MjmlPart(f"b{number}", part) for number, part in enumerate(parts, start=1))
    return mjml.MjmlSource(FRAME[0], named, FRAME[1])


def text(inner: str) -> str:
    return f"<mj-section><mj-column><mj-text>{inner}</mj-text></mj-column></mj-section>"


def refusal(bad: mjml.MjmlSource) -> mjml.MjmlError:
    with pytest.raises(mjml.MjmlError) as caught:
        mjml.to_html(bad)
    return caught.value


@pytest.mark.parametrize(
    "inner",
    [
        "<mj-section>" * 2000 + "</mj-section>" * 2000,
        "<mj-section><mj-column>" * 950 + "</mj-column></mj-section>" * 950,
        text("<div>" * 10_000 + "x" + "</div>" * 10_000),
        text("<em>" * 101 + "x" + "</em>" * 101),
    ],
)
def test_t25_nested_input_that_kills_the_compiler_is_refused_before_it(inner):
    assert refusal(source(text("baik"), inner)).reason in ("too deep", "too many")
    assert refusal(source(text("baik"), inner)).block == "b2"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (text("x" * 600_000), "too long"),
        (text("<br />" * 5_001), "too many"),
        ("<mj-raw><script>alert(1)</script></mj-raw>", "not allowed"),
        ('<mj-include path="/etc/passwd" />', "not allowed"),
        ("<mj-html-attributes></mj-html-attributes>", "not allowed"),
        ("<mj-unknown>x</mj-unknown>", "not allowed"),
        (text('<p onclick="alert(1)">x</p>'), "not allowed"),
        (text('<a href="javascript:alert(1)">x</a>'), "not allowed"),
        (text('<a href="java&#115;cript:alert(1)">x</a>'), "not allowed"),
        (text('<a href="&#106;avascript&colon;x">x</a>'), "malformed"),
        (text('<img src="data:image/png;base64,AA" alt="" />'), "not allowed"),
        (text("<iframe>x</iframe>"), "not allowed"),
        (text("a < b"), "malformed"),
        (text("<p>x"), "malformed"),
        (text("&nbsp;"), "malformed"),
        (text("<p id=x>y</p>"), "malformed"),
        (text("\x0b"), "malformed"),
        ("<?php echo 1 ?>" + text("x"), "not allowed"),
    ],
)
def test_t25_what_we_do_not_use_is_refused_and_its_block_named(inner, reason):
    refused = refusal(source(text("baik"), inner, text("baik")))

    assert (refused.reason, refused.block) == (reason, "b2")


def test_a_document_type_is_refused():
    bomb = '<!DOCTYPE mjml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'

    with pytest.raises(mjml.MjmlError, match="document type"):
        mjml.validate(bomb + "<mjml><mj-body></mj-body></mjml>")


@pytest.mark.parametrize(
    "part",
    [
        """<mj-section><mj-column><mj-image src="https://a.example/a.png" alt='" onerror=alert(1) x="' /></mj-column></mj-section>""",
        """<mj-section><mj-column><mj-text css-class='"&gt;&lt;script&gt;alert(1)&lt;/script&gt;'>x</mj-text></mj-column></mj-section>""",
        """<mj-section><mj-column><mj-text font-family='"&gt;&lt;img onerror=alert(1)&gt;'>x</mj-text></mj-column></mj-section>""",
    ],
)
def test_t25_quotes_in_single_quoted_attributes_cannot_break_out(part):
    html = mjml.to_html(source(part))

    assert "<script" not in html
    assert "<img onerror" not in html
    assert '" onerror' not in html


def test_t25_nothing_is_read_from_files_or_hosts():
    from mjml import mjml2html

    for path in ("/etc/passwd", "../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/x"):
        with pytest.raises(ValueError, match="include"):
            mjml2html(f'<mjml><mj-body><mj-include path="{path}" /></mj-body></mjml>', fonts={})


def test_quotes_in_the_title_cannot_break_out_of_the_label_the_compiler_makes_of_it():
    titled = mjml.MjmlSource(FRAME[0].replace("Judul", '" onerror="alert(1)'), (), FRAME[1])

    assert '" onerror=' not in mjml.to_html(titled)


@pytest.mark.parametrize("words", ["“&gt;“", "Ý&gt;é", "é]]&gt;é", "x &amp;#8220; é", "⟦u⟧ 日本 🙂\u2028"])
def test_words_beyond_ascii_do_not_upset_the_compiler(words):
    html = mjml.to_html(source(text(words), text(f'<a href="https://a.example/x" class="{words}">{words}</a>')))

    assert html.count(words) == 3


def test_a_panic_of_the_compiler_is_an_ordinary_refusal(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(source, **options):
        raise PanicException("start byte index 1 is not a char boundary")

    monkeypatch.setattr(mjml, "mjml2html", panic)

    assert refusal(source(text("x"))).reason == "crashed"


def test_no_font_host_is_ever_named():
    part = text("x").replace("<mj-text>", '<mj-text font-family="Roboto, Open Sans, Lato, Ubuntu">')

    assert "fonts.g" not in mjml.to_html(source(part))


def test_a_language_class_becomes_a_language():
    part = text("x").replace("<mj-text>", '<mj-text css-class="h lang-en b">') + text("y").replace(
        "<mj-section>", '<mj-section css-class="lang-ar">'
    )

    html = mjml.to_html(source(part))

    assert 'class="h b" lang="en" dir="ltr"' in html
    assert 'class="" lang="ar" dir="rtl"' in html
    assert "lang-en " not in html


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<&⟦⟧￾￿"), max_size=3000)
)
def test_lines_stay_short_and_no_word_is_lost(words):
    html = f'<td class="x">{words}</td><p>{words}</p>'

    lines = mjml.wrap_lines(html).split("\n")

    assert max(map(len, map(str.encode, lines))) < 900
    assert "".join("".join(lines).split()) == "".join(html.split())


def test_a_long_address_gets_a_line_of_its_own():
    html = (
        "<p>"
        + "kata " * 100
        + '<a href="https://kabar.example/'
        + "x" * 700
        + '" style="color:#111111">di sana</a></p>'
    )

    assert max(len(line) for line in mjml.wrap_lines(html).split("\n")) < 900


def test_another_process_compiles_the_same():
    good = source(text("satu"), text("dua"))

    assert mjml.to_html_in_subprocess(good) == mjml.to_html(good)


def test_another_process_names_the_guilty_block():
    with pytest.raises(mjml.MjmlError) as caught:
        mjml.to_html_in_subprocess(source(text("satu"), text("<p>")))

    assert (caught.value.reason, caught.value.block) == ("malformed", "b2")


@pytest.mark.parametrize(
    "inner",
    ["<mj-section>" * 2000 + "</mj-section>" * 2000, text("<div>" * 10_000 + "</div>" * 10_000)],
)
def test_t25_the_real_crash_stays_in_its_process(inner):
    unguarded = "import sys; from mjml import mjml2html; mjml2html(sys.stdin.read(), fonts={})"

    with pytest.raises(mjml.MjmlError, match="ended with -11"):
        mjml.run_subprocess([sys.executable, "-c", unguarded], f"{FRAME[0]}{inner}{FRAME[1]}", timeout_s=20)


def test_a_compiler_that_hangs_is_left_behind():
    with pytest.raises(mjml.MjmlError, match="within 0.2 s"):
        mjml.run_subprocess([sys.executable, "-c", "import time; time.sleep(20)"], "", timeout_s=0.2)


def test_a_line_never_breaks_within_the_value_of_an_attribute():
    tag = '<a href="https://kabar.example/" style="font-family:\'Segoe UI\', serif;color:#111111">satu</a> dua '

    lines = mjml.wrap_lines("<p>" + tag * 60 + "</p>").split("\n")

    assert len(lines) > 5
    assert all(line.count('"') % 2 == 0 for line in lines)
    assert " ".join(lines).replace("  ", " ").count("'Segoe UI', serif") == 60


@pytest.mark.parametrize("shift", range(0, 30, 3))
def test_a_line_never_breaks_where_there_was_no_blank_between_words_and_tags(shift):
    html = "<p>" + "x" * shift + " kata <strong>tebal</strong>, (<em>miring</em>)" * 60 + "</p>"

    assert mjml.wrap_lines(html).replace("\n", " ") == html


def test_a_long_description_breaks_at_blanks_and_a_word_without_any_where_no_reference_is_torn():
    description = " ".join(["uraian"] * 200) + " " + "“&”" * 300
    written = description.replace("&", "&amp;")
    image = f'<mj-image src="https://a.example/a.png" alt="{written}" />'

    html = mjml.to_html(source(f"<mj-section><mj-column>{image}</mj-column></mj-section>"))

    shown = re.search(r'alt="([^"]*)"', html)[1]
    assert max(len(line.encode()) for line in html.split("\n")) <= 900
    assert shown.replace("\n", "").replace(" ", "") == written.replace(" ", "")
    assert shown.count("&amp;") == 300
