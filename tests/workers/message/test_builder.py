"""The bytes of messages: standard headers and unchanged bodies for any input of readers and editors."""

from __future__ import annotations

import datetime
import re
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.models import Newsletter
from newsletter.rendering import slots
from subscribers import tokens
from tests.examples import examples
from tests.factories import NOW
from tests.workers.sending_helpers import HTML, TEXT, make_words, parse
from workers.message import builder, header_fields
from workers.routes import smtp_session

SITI = builder.Recipient(
    1234,
    "siti@pembaca.example",
    "Siti Rahma",
    NOW - datetime.timedelta(days=30),
    "https://kabarlintas.example/autogate",
)


def make_sender(**fields) -> Newsletter:
    given = {
        "pk": 1,
        "slug": "ringkasan",
        "brand": "Kabar Lintas",
        "title": "Ringkasan mingguan",
        "languages": ["id", "en"],
        "list_id": "ringkasan.kabarlintas.example",
        "from_name": "Kabar Lintas",
        "from_email": "redaksi@kabarlintas.example",
        "reply_to": "halo@kabarlintas.example",
    }
    return Newsletter(**{**given, **fields})


def make_copy(
    reader: builder.Recipient = SITI, *, eight_bit: bool = False, sender: Newsletter | None = None, **words
) -> builder.RenderedMessage:
    compiled = builder.compile_template(make_words(**words), sender or make_sender(), eight_bit=eight_bit)
    return builder.render(compiled, reader, now=NOW)


def headers_of(copy: builder.RenderedMessage) -> bytes:
    return copy.data.partition(b"\r\n\r\n")[0]


# --- format ----------------------------------------------------------------------------------------------------------


def test_s01_lines_end_in_crlf_and_none_is_too_long():
    copy = make_copy(reader=SITI, text=TEXT + "panjang " * 400)

    lines = copy.data.split(b"\r\n")
    assert max(len(line) for line in lines if b"<http" not in line) <= 78
    assert b"\n" not in copy.data.replace(b"\r\n", b"")
    assert b"\r" not in copy.data.replace(b"\r\n", b"")


def test_s02_each_required_header_is_there_once():
    message = parse(make_copy().data)

    for name in ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Id"):
        assert len(message.get_all(name)) == 1, name
    assert parsedate_to_datetime(message["Date"]) == NOW


def test_s03_message_id_is_ours_stays_the_same_and_says_nothing():
    first, again, other_issue = make_copy(), make_copy(eight_bit=True), make_copy(issue=8)

    assert re.fullmatch(r"<[0-9a-f]{40}@kabarlintas\.example>", first.message_id)
    assert first.message_id == again.message_id != other_issue.message_id
    assert parse(first.data)["Message-ID"] == first.message_id
    assert "1234" not in first.message_id


@pytest.mark.parametrize("eight_bit", [False, True])
def test_s04_both_parts_are_there_the_plain_one_first(eight_bit):
    message = parse(make_copy(eight_bit=eight_bit).data)

    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in message.iter_parts()} == {"utf-8"}
    assert {part["Content-Transfer-Encoding"] for part in message.iter_parts()} == {
        "8bit" if eight_bit else "quoted-printable"
    }


@pytest.mark.parametrize(
    "words",
    [
        "Autogate baru di 5 bandara",
        "Pelayanan paspor – buka Sabtu 🛂 dan Minggu, untuk semua pemohon yang sudah mendaftar lewat aplikasi",
        "خدمات الهجرة الجديدة في جاكرتا",
        "Apa itu =?utf-8?q?ITAS?=",
        "Kabar " * 40,
    ],
)
def test_s04_subjects_come_back_as_they_were(words):
    copy = make_copy(subject=words)

    assert parse(copy.data)["Subject"] == words.strip()
    assert all(len(line) <= 78 for line in headers_of(copy).split(b"\r\n") if b"<http" not in line)
    assert all(len(word) <= 75 for word in re.findall(rb"=\?.*?\?=", headers_of(copy)))


@pytest.mark.parametrize(
    "name", ["Siti Rahma", "Rahma, Siti", 'Siti "Ti" R.', "siti@rumah", "Sítí 🌺", "مريم", "=?utf-8?q?X?=", "Budi\\"]
)
def test_s04_display_names_come_back_as_they_were(name):
    copy = make_copy(builder.Recipient(1, "siti@pembaca.example", name), sender=make_sender(from_name=name))

    message = parse(copy.data)
    for header in ("To", "From"):
        assert message[header].addresses[0].display_name == name
    assert message["To"].addresses[0].addr_spec == "siti@pembaca.example"


def test_s05_the_domain_travels_in_idna_and_no_address_is_encoded():
    copy = make_copy(builder.Recipient(1, "siti@bücher.example", "Sítí"))

    assert copy.recipient == "siti@xn--bcher-kva.example"
    assert b"<siti@xn--bcher-kva.example>" in copy.data


@pytest.mark.parametrize(
    "email", ["dé@example.net", "a b@example.net", "a@b@example.net", "siti", "a>b@example.net", ""]
)
def test_s05_what_mail_cannot_carry_is_not_sendable(email):
    compiled = builder.compile_template(make_words(), make_sender())

    with pytest.raises(header_fields.Unsendable):
        builder.render(compiled, builder.Recipient(1, email), now=NOW)


@pytest.mark.parametrize("field", ["title", "from_name", "list_id", "slug"])
def test_s06_no_word_of_an_editor_starts_a_header(field):
    copy = make_copy(sender=make_sender(**{field: "kabar\r\nBcc: budi@lain.example"}))

    assert "Bcc" not in parse(copy.data)
    assert not re.search(rb"(?mi)^bcc:", headers_of(copy))


def test_s06_no_word_of_a_reader_or_subject_starts_a_header():
    siti = builder.Recipient(1, "siti@pembaca.example", "Siti\r\nBcc: budi@lain.example")

    message = parse(make_copy(siti, subject="Kabar\nBcc: budi@lain.example").data)

    assert "Bcc" not in message
    assert message["To"].addresses[0].display_name == "Siti Bcc: budi@lain.example"
    assert message["Subject"] == "Kabar Bcc: budi@lain.example"


# --- list headers ----------------------------------------------------------------------------------------------------


def test_s10_list_headers_are_addresses_in_angle_brackets(settings):
    settings.INBOUND_DOMAIN = "in.kabarlintas.example"

    message = parse(make_copy().data)

    web, mail = [part.strip() for part in message["List-Unsubscribe"].split(",")]
    assert re.fullmatch(r"<http://127\.0\.0\.1:8000/u/[\w-]+/>", web)
    assert re.fullmatch(r"<mailto:unsubscribe\+[\w-]+@in\.kabarlintas\.example\?subject=unsubscribe>", mail)
    assert message["List-Help"] == "<mailto:halo@kabarlintas.example?subject=help>"
    assert message["List-Owner"] == "<mailto:halo@kabarlintas.example>"
    assert message["List-Archive"] == "<http://127.0.0.1:8000/archive/>"
    assert message["List-Subscribe"] == "<http://127.0.0.1:8000/subscribe/>"
    assert message["List-Post"] == "NO"


def test_s10_no_unsubscribing_by_mail_where_nobody_reads_it():
    assert "mailto:" not in parse(make_copy().data)["List-Unsubscribe"]


def test_s11_list_id_stays_when_the_sender_changes():
    first = parse(make_copy().data)["List-Id"]
    later = parse(make_copy(issue=9, sender=make_sender(from_email="kabar@lain.example")).data)["List-Id"]

    assert first == later == "Ringkasan mingguan <ringkasan.kabarlintas.example>"


def test_s11_list_id_drops_a_name_that_makes_it_too_long():
    assert parse(make_copy(sender=make_sender(title="é" * 80)).data)["List-Id"].endswith(
        "<ringkasan.kabarlintas.example>"
    )
    assert len(builder.list_id(make_sender(title="é" * 80))) <= 255


def test_s12_one_click_headers(settings):
    settings.SITE_URL = "https://kabar.example"

    message = parse(make_copy().data)

    token = re.fullmatch(r"<https://kabar\.example/u/([\w-]+)/>", message["List-Unsubscribe"]).group(1)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert tokens.read_unsubscribe(token) == (1234, 7)


def test_s21_issues_are_bulk():
    assert parse(make_copy().data)["Precedence"] == "bulk"


def test_s22_feedback_id_ends_in_a_sender_that_never_changes(settings):
    settings.SITE_HOST = "newsletter.kabarlintas.example"

    first, other = parse(make_copy().data)["Feedback-ID"], parse(make_copy(issue=9).data)["Feedback-ID"]

    assert first == "7:ringkasan:issue:kabarlintasexam"
    assert other.rpartition(":")[2] == first.rpartition(":")[2]


@pytest.mark.parametrize("site", ["https://kabar.example", "https://newsletter." + "sangat-panjang." * 12 + "example"])
def test_s24_addresses_in_headers_are_neither_encoded_nor_folded(settings, site):
    settings.SITE_URL, settings.INBOUND_DOMAIN = site, "in.kabarlintas.example"

    headers = headers_of(make_copy(sender=make_sender(title="Ringkasan – é")))

    unsubscribe = next(line for line in headers.split(b"\r\n") if line.startswith(b"List-Unsubscribe: "))
    assert re.fullmatch(rb"List-Unsubscribe: <https://[\w.-]+/u/[\w-]{20,180}/>,", unsubscribe)
    assert b"=?" not in unsubscribe
    assert max(map(len, headers.split(b"\r\n"))) <= 998


def test_s30_bounces_come_back_to_an_address_that_names_the_delivery(settings):
    settings.INBOUND_DOMAIN = "in.kabarlintas.example"

    local, _at, domain = make_copy().sender.rpartition("@")

    assert (domain, len(local) <= 64) == ("in.kabarlintas.example", True)
    assert tokens.read_event_token(local.removeprefix("bounce+")) == (7, 1234)


def test_s05_letters_beyond_ascii_before_the_at_are_refused_in_words():
    with pytest.raises(header_fields.Unsendable, match="SMTPUTF8"):
        make_copy(builder.Recipient(1, "dé@pembaca.example"))


# --- bodies ----------------------------------------------------------------------------------------------------------


def body(copy: builder.RenderedMessage, kind: str) -> str:
    return parse(copy.data).get_body(preferencelist=(kind,)).get_content().replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize("eight_bit", [False, True])
def test_the_bodies_say_what_a_plain_filling_says(eight_bit):
    copy = make_copy(eight_bit=eight_bit)

    values = {"hit": tokens.make_hit(7, 0), "u": tokens.make_unsubscribe(1234, 7), "p": tokens.make_preferences(1234)}
    own = builder.subscription_reason(builder.compile_template(make_words(), make_sender()), SITI)[0]
    assert body(copy, "plain") == slots.fill(slots.split(TEXT.rstrip("\n")), {**values, "why": own})
    assert body(copy, "html") == slots.fill(slots.split(HTML.rstrip("\n")), {**values, "why": own})


def test_long_lines_are_never_sent_as_eight_bit():
    copy = make_copy(eight_bit=True, html=HTML.replace("<h1>", f"<p>{'kata ' * 250}</p><h1>"))

    assert max(map(len, copy.data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    assert "kata kata" in body(copy, "html")


GREETING = "Halo {field}, <b>apa</b> kabar?"


def greeted(name: str, *, kind: str, eight_bit: bool = False) -> str:
    words = make_words(
        text=GREETING.format(field=slots.format_field("name", "Sahabat & kawan")),
        html=GREETING.format(field=slots.format_field("name", "Sahabat &amp; kawan")),
    )
    reader = builder.Recipient(5, "siti@pembaca.example", name, NOW)
    return body(
        builder.render(builder.compile_template(words, make_sender(), eight_bit=eight_bit), reader, now=NOW), kind
    )


@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "html"),
    [
        ("", "Sahabat & kawan", "Sahabat &amp; kawan"),
        ("Siti Nurhaliza", "Siti Nurhaliza", "Siti Nurhaliza"),
        ("  Ñandú\r\n\tBudi ", "Ñandú Budi", "Ñandú Budi"),
        ("{{7*7}} {% load x %}", "{{7*7}} {% load x %}", "{{7*7}} {% load x %}"),
        ("<mj-raw>", "<mj-raw>", "&lt;mj-raw&gt;"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('" onload="x', '" onload="x', "&quot; onload=&quot;x"),
        ("⟦u⟧", "⟦u⟧", "⟦u⟧"),
        ("Si\u202eti", "Siti", "Siti"),
        ("x" * 61, "Sahabat & kawan", "Sahabat &amp; kawan"),
    ],
)
def test_t24_a_readers_name_stands_in_a_mail_exactly_as_it_is(name, text, html, eight_bit):
    assert greeted(name, kind="plain", eight_bit=eight_bit) == f"Halo {text}, <b>apa</b> kabar?"
    assert greeted(name, kind="html", eight_bit=eight_bit) == f"Halo {html}, <b>apa</b> kabar?"


def test_providers_get_the_same_name():
    words = make_words(
        text=f"Halo {slots.format_field('name', 'kawan')}", html=f"<p>Halo {slots.format_field('name', 'kawan')}</p>"
    )
    compiled = builder.compile_template(words, make_sender())

    named = builder.build_email(compiled, builder.Recipient(5, "siti@pembaca.example", "A & B", NOW))
    unnamed = builder.build_email(compiled, builder.Recipient(5, "siti@pembaca.example", "", NOW))

    assert (named.body, named.alternatives[0][0]) == ("Halo A & B", "<p>Halo A &amp; B</p>")
    assert (unnamed.body, unnamed.alternatives[0][0]) == ("Halo kawan", "<p>Halo kawan</p>")


hostile = st.sampled_from(
    [
        "",
        ".",
        "..titik",
        ".\r\n.",
        "Siti\r\nBcc: lain@contoh.example",
        "Siti\n.\nBudi",
        "\u202eterbalik\u202c 🎉",
        '"Budi" <bukan@alamat.example>',
        "=?utf-8?q?palsu?=",
        "=2E=\r\n",
        "Nama yang sangat panjang " * 3,
    ]
)
names = st.one_of(hostile, st.text(max_size=60))
lines = st.lists(
    st.one_of(
        st.sampled_from([".", "..", ".titik", "=", "⟦why⟧.", "⟦u⟧.", slots.format_field("name", "") + ".", "From x"]),
        st.sampled_from(
            [
                slots.format_field("name", "kawan"),
                slots.format_field("name", ""),
                f"Halo {slots.format_field('name', '.')}",
            ]
        ),
        st.text(st.characters(exclude_characters="\r\n\x00⟦⟧", exclude_categories=("Cs", "Cc")), max_size=120),
    )
).map("\n".join)


def unstuffed(data: bytes) -> bytes:
    """Undo dot-stuffing, as a mail server does (RFC 5321 section 4.5.2)."""
    assert data.endswith(b"\r\n.\r\n")
    lines = data[:-3].split(b"\r\n")
    assert b"." not in lines
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


@hypothesis_settings(max_examples=examples(80), deadline=None)
@given(name=names, subject=names, before=lines, after=lines, eight_bit=st.booleans(), stuffed=st.booleans())
def test_wire_bytes_parse_back_to_what_django_would_have_sent(name, subject, before, after, eight_bit, stuffed):
    template = f"{before}\n.titik ⟦u⟧ {after}⟦why⟧⟦p⟧\n{before}"
    words = make_words(text=template, html=template, subject=subject)
    compiled = builder.compile_template(words, make_sender(), eight_bit=eight_bit, stuffed=stuffed)
    reader = builder.Recipient(5, "budi@pembaca.example", name, NOW)

    copy = builder.render(compiled, reader, now=NOW)

    data = unstuffed(copy.data) if copy.stuffed else copy.data
    message, plain = parse(data), builder.build_email(compiled, reader)
    expected = parse(plain.message().as_bytes())
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    # The standard library's parser folds a no-break space beside a space into one space.
    assert [(one.display_name.split(), one.addr_spec) for one in message["To"].addresses] == [
        (header_fields.clean(name).split(), "budi@pembaca.example")
    ]
    assert unfolded(message, "Subject") == ["".join(header_fields.clean(subject).split())]
    for header in ("From", "Reply-To", "Message-ID", "List-Id", "List-Unsubscribe", "Bcc"):
        assert unfolded(message, header) == unfolded(expected, header), header
    bodies = (("plain", plain.body), ("html", plain.alternatives[0][0]))
    for kind, said in bodies:
        got = message.get_body(preferencelist=(kind,)).get_payload(decode=True).decode().replace("\r\n", "\n")
        assert got.rstrip("\n") == said.rstrip("\n")


def unfolded(message, header: str) -> list[str]:
    return [re.sub(r"\s+", "", value) for value in message.get_all(header, [])]


@hypothesis_settings(max_examples=examples(40), deadline=None)
@given(name=names, text=lines, eight_bit=st.booleans())
def test_bytes_stuffed_beforehand_are_those_stuffed_at_last(name, text, eight_bit):
    words = make_words(text=text, html=f"{text}\n.")
    reader = builder.Recipient(5, "budi@pembaca.example", name, NOW)

    beforehand, plain = (
        builder.render(
            builder.compile_template(words, make_sender(), eight_bit=eight_bit, stuffed=stuffed), reader, now=NOW
        )
        for stuffed in (True, False)
    )

    assert smtp_session.dot_stuff(plain.data) == (
        beforehand.data if beforehand.stuffed else smtp_session.dot_stuff(beforehand.data)
    )


def test_an_ordinary_mail_is_stuffed_beforehand():
    template = f".titik\n{slots.format_field('name', 'kawan')}.\n⟦why⟧"
    words = make_words(text=template, html=template)

    assert builder.compile_template(words, make_sender(), eight_bit=True, stuffed=True).stuffed


@pytest.mark.parametrize(
    ("tracking", "may_track", "needs_consent", "owner"),
    [
        ("individual", True, True, 1234),
        ("individual", False, True, 0),
        ("individual", False, False, 1234),
        ("aggregate", True, True, 0),
    ],
)
def test_c05_only_readers_who_agreed_get_a_token_of_their_own(tracking, may_track, needs_consent, owner):
    sender = make_sender(tracking=tracking, tracking_needs_consent=needs_consent)
    reader = builder.Recipient(1234, "siti@pembaca.example", may_track=may_track)

    token = builder.hit_token(builder.compile_template(make_words(), sender), reader)

    assert tokens.read_hit(token) == (7, owner)


def test_a_message_for_an_api_says_the_same():
    compiled = builder.compile_template(make_words(), make_sender(title="Ringkasan – é"))

    message = builder.build_email(compiled, SITI)

    copy = builder.render(compiled, SITI, now=NOW)
    assert message.body.rstrip() == body(copy, "plain")
    assert message.alternatives[0][0].rstrip() == body(copy, "html")
    assert message.to == ["Siti Rahma <siti@pembaca.example>"]
    assert message.extra_headers["Message-ID"] == copy.message_id
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert all(value.isascii() and "\n" not in value for value in message.extra_headers.values())
    assert tokens.read_event_token(message.metadata["warta"]) == (7, 1234)
