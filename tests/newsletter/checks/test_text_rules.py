"""What the words, hosts, dates and pictures of a document give away, apart from how its mail looks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import checks, content
from newsletter.checks import hosts, text_rules
from newsletter.models import Issue, IssueStatus, MediaFile
from newsletter.rendering import links
from tests.factories import NOW, make_document, make_issue, make_newsletter, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


def one_block(block: content.Block, **fields) -> Issue:
    document = make_document(stories=1, languages=("id",))
    document.blocks.append(block)
    return make_issue(make_newsletter(languages=["id"], **fields), document=document)


def found(issue: Issue, *, now=NOW) -> list[tuple[str, str, str | None]]:
    """(check, severity, block) of all that is wrong."""
    return [
        (one.id, one.severity, one.block)
        for one in checks.check_issue(issue, now=now)
        if not one.ok and not one.is_pending
    ]


# --- subjects --------------------------------------------------------------------------------------------------------


def test_the_subject_of_the_last_issue_is_noticed_in_its_language():
    newsletter = make_newsletter()
    last = make_issue(newsletter)
    Issue.objects.filter(pk=last.pk).update(status=IssueStatus.SENT, sent_at=NOW)
    document = make_document()
    document.envelopes["id"].subject = "AUTOGATE baru, dan izin tinggal: daring!"
    document.envelopes["en"].subject = "Something else entirely"

    [check] = [
        one for one in checks.check_issue(make_issue(newsletter, document=document), now=NOW) if one.id == "subject"
    ]

    assert (check.ok, check.severity, check.language) == (False, "warns", "id")
    assert check.message == f"Issue {last.number} had the same subject. Readers would take this for the same mail."


def test_a_correction_that_went_out_in_between_hides_no_used_subject():
    newsletter = make_newsletter()
    own = make_document()
    for envelope in own.envelopes.values():
        envelope.subject = f"Ralat: {envelope.subject}"
    last, note = make_issue(newsletter), make_issue(newsletter, document=own)
    Issue.objects.filter(pk=last.pk).update(status=IssueStatus.SENT, sent_at=NOW - timedelta(days=2))
    Issue.objects.filter(pk=note.pk).update(status=IssueStatus.SENT, sent_at=NOW, audience={"got_issue": last.pk})

    found = [one for one in checks.check_issue(make_issue(newsletter), now=NOW) if one.id == "subject"]

    assert [(one.ok, one.language) for one in found] == [(False, "id"), (False, "en")]
    assert all(one.message.startswith(f"Issue {last.number} had the same subject.") for one in found)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Visa pelajar: yang berubah mulai Januari dan siapa yang berhak", "id"),
        ("What changes in January and who may use the new lanes", "en"),
        ("Autogate Soekarno-Hatta", ""),
        ("Golden visa", ""),
        ("Cara memakai the new autogate di bandara", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_subject_is_named_only_where_there_is_no_doubt(text, language):
    assert text_rules.detect_language(text) == language


def test_an_english_subject_for_indonesian_readers_is_noticed():
    document = make_document()
    document.envelopes["id"].subject = "What changes in January and who may use it"

    assert found(make_issue(document=document)) == [("tongue", "warns", None)]


# --- hosts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "kabar1intas.example",
        "kabarlimtas.example",
        "kabarlintsa.example",
        "kabarlinta.example",
        "kabar-lintas.example",
        "kabarlintas.net",
        "kabarlintas.example.masuk.net",
        "kabarlintas-promo.com",
        "xn--kbarlintas-zqi.example",
    ],
)
def test_hosts_that_can_be_taken_for_the_publishers_are_known(host):
    assert hosts.find_imitated_host(host, ["kabarlintas.example"]) == "kabarlintas.example"


@pytest.mark.parametrize(
    "host",
    [
        "kabarlintas.example",
        "foto.kabarlintas.example",
        "imigrasi.go.id",
        "kabarsatu.example",
        "127.0.0.1",
        "x.com",
        "",
    ],
)
def test_the_publishers_own_and_other_hosts_are_no_look_alikes(host):
    assert hosts.find_imitated_host(host, ["kabarlintas.example", "127.0.0.1"]) == ""


def test_short_names_are_alike_by_chance():
    assert hosts.find_imitated_host("cnm.com", ["cnn.com"]) == ""


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_host_however_odd_breaks_the_comparison(one, other):
    hosts.find_imitated_host(one, [other])
    links.host(f"https://{one}/")
    hosts.host_in_label(one)


@pytest.mark.parametrize(
    ("url", "label", "message"),
    [
        ("https://kabarlintas.net/a", "Syarat baru", "leads to kabarlintas.net, which can be taken for kabarlintas"),
        ("https://93.184.216.34/a", "Syarat baru", "leads to a number, 93.184.216.34, rather than to a site"),
        ("https://a.example/x", "imigrasi.go.id", "The link says imigrasi.go.id, but leads to a.example."),
    ],
)
def test_e18_links_that_are_not_what_they_seem_are_named(url, label, message):
    block = content.Text(id="btext", words={"id": content.TextWords(body=f'<p>Lihat <a href="{url}">{label}</a>.</p>')})
    issue = one_block(block)

    assert found(issue) == [("E18", "warns", "btext")]
    [check] = [one for one in checks.check_issue(issue, now=NOW) if one.id == "E18" and not one.ok]
    assert message in check.message
    assert check.about == url


def test_e18_a_link_that_says_where_it_leads_is_fine():
    body = '<p><a href="https://www.imigrasi.go.id/x">imigrasi.go.id</a></p>'

    assert found(one_block(content.Text(id="btext", words={"id": content.TextWords(body=body)}))) == []


# --- tips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("© 2024 Kabar Lintas", "year"),
        ("Hak cipta 2019–2023 Kabar Lintas", "year"),
        ("© 2019–2026 Kabar Lintas", None),
        ("Pada 2019 imigrasi membuka kantor", None),
        ("Formulir terlampir", "attached"),
        ("The form is attached", "attached"),
        ("Lampiran peraturan memuat tarif", None),
    ],
)
def test_last_years_date_and_a_promised_file_are_tips(text, check):
    issue = one_block(content.Text(id="btext", words={"id": content.TextWords(body=f"<p>{text}</p>")}))

    assert found(issue) == ([(check, "suggests", "btext")] if check else [])


@pytest.mark.parametrize(("accent", "is_pale"), [("#0E5A55", False), ("#FFCC00", True)])
def test_an_accent_too_pale_for_words_is_named(accent, is_pale):
    issue = make_issue(make_newsletter(accent=accent))

    assert found(issue) == ([("accent", "warns", None)] if is_pale else [])


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "severity"),
    [
        ("2026-11-28T08:00", "2026-11-28T12:00", None),
        ("2026-11-24T06:00", "2026-11-24T08:00", None),
        ("2026-11-23T08:00", "", "warns"),
        ("2026-11-24T05:00", "2026-11-24T06:59", "warns"),
        ("2026-11-28T08:00", "2026-11-28T07:00", "blocks"),
        ("", "", "blocks"),
        ("2026-02-31T08:00", "", "blocks"),
    ],
)
def test_an_event_has_a_time_that_is_still_to_come(starts_at, ends_at, severity):
    """It is 07:00 in Jakarta on 24 November."""
    block = content.CalendarEvent(
        id="bevent",
        starts_at=starts_at,
        ends_at=ends_at,
        words={"id": content.CalendarEventWords(headline="Paspor simpatik")},
    )

    assert [one for one in found(one_block(block)) if one[0] == "event"] == (
        [("event", severity, "bevent")] if severity else []
    )


def test_an_event_counts_as_over_by_when_the_issue_goes_out():
    block = content.CalendarEvent(
        id="bevent", starts_at="2026-11-25T08:00", words={"id": content.CalendarEventWords(headline="Paspor simpatik")}
    )
    issue = one_block(block)
    issue.scheduled_at = NOW + timedelta(days=3)

    assert found(issue) == [("event", "warns", "bevent")]


# --- pictures, videos, questions -------------------------------------------------------------------------------------


def test_a_story_with_a_picture_nobody_described_is_asked_about():
    block = content.Story(id="bstory", picture=gallery.make_picture(), words={"id": story_words(2)})

    assert found(one_block(block)) == [("alt", "warns", "bstory")]


@pytest.mark.parametrize("caption", ["", "Foto: redaksi"])
def test_a_picture_without_a_description_stops_the_issue_rather_than_vanish(caption):
    words = {"id": content.ImageWords(caption=caption)} if caption else {}
    issue = one_block(content.Image(id="bimage", picture=gallery.make_picture(), words=words))

    assert found(issue) == [("headline", "blocks", "bimage")]


def test_an_image_block_needs_a_picture():
    issue = one_block(content.Image(id="bimage", words={"id": content.ImageWords(image_alt="Gerbang")}))

    assert ("headline", "blocks", "bimage") in found(issue)


def test_decoration_needs_no_words_and_may_not_be_a_link():
    picture = gallery.make_picture()
    bare = one_block(content.Image(id="bimage", picture=picture, is_decorative=True))
    words = {"id": content.ImageWords(url="https://kabarlintas.example/")}
    linked = one_block(content.Image(id="bimage", picture=picture, is_decorative=True, words=words))

    assert found(bare) == []
    assert found(linked) == [("decoration", "blocks", "bimage")]


def test_a_drawing_with_facts_in_it_gets_a_tip():
    words = {"id": content.ImageWords(image_alt="Bagan alur permohonan visa")}
    drawing = one_block(content.Image(id="bimage", picture=gallery.make_picture(), words=words))
    words = {"id": content.ImageWords(image_alt="Bagan alur", facts="<p>Isi formulir, lalu bayar.</p>")}
    told = one_block(content.Image(id="bimage", picture=content.parse(drawing.content).blocks[1].picture, words=words))

    assert found(drawing) == [("alternative", "suggests", "bimage")]
    assert found(told) == []


def video(**fields) -> content.Video:
    words = {
        "headline": "Cara memakai autogate",
        "url": "https://video.example/a",
        "transcript_url": "https://a.example/",
    }
    return content.Video(id="bvideo", words={"id": content.VideoWords(**{**words, **fields})})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"transcript_url": ""}, [("alternative", "suggests", "bvideo")]),
        ({"url": ""}, [("headline", "blocks", "bvideo")]),
        ({"headline": ""}, [("headline", "blocks", "bvideo")]),
    ],
)
def test_a_video_needs_a_headline_and_an_address_and_better_has_a_transcript(fields, expected):
    assert found(one_block(video(**fields))) == expected


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([("Siapa yang berhak?", "<p>Pemegang paspor elektronik.</p>")], None),
        ([("Siapa?", "<p>Semua.</p>"), ("Kapan dimulai?", "")], "“Kapan dimulai?” has no answer."),
        ([("Siapa?", "<p>Semua.</p>"), ("Kapan dimulai?", "<p></p>")], "“Kapan dimulai?” has no answer."),
        ([("Siapa?", "<p>Semua.</p>"), ("", "<p>Besok.</p>")], "An answer has no question."),
        ([("Siapa?", "")], "No question here has an answer."),
    ],
)
def test_a_question_without_an_answer_stops_the_issue(questions, message):
    words = content.FaqWords(questions=[content.FaqEntry(question=q, answer=a) for q, a in questions])
    issue = one_block(content.Faq(id="bfaq", words={"id": words}))

    told = [one.message for one in checks.check_issue(issue, now=NOW) if not one.ok and one.block == "bfaq"]
    assert told == ([message] if message else [])


def test_what_is_left_of_a_language_that_was_dropped_asks_for_nothing():
    document = make_document(stories=1)
    document.blocks[0].words["en"].headline = ""
    document.envelopes["en"].subject = "x"

    assert found(make_issue(make_newsletter(languages=["id"]), document=document)) == []


def test_e17_a_picture_wider_than_any_screen_needs_is_named():
    picture = gallery.make_picture()
    MediaFile.objects.update(width=2400)
    words = {"id": story_words(2).model_copy(update={"image_alt": "Gerbang"})}

    assert found(one_block(content.Story(id="bstory", picture=picture, words=words))) == [("E17", "warns", "bstory")]


# --- the criteria ----------------------------------------------------------------------------------------------------


def test_every_rule_blocks_warns_or_suggests_as_the_design_says():
    from workers.sending.preflight import CRITERIA

    blocking = {"E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E10", "E16", "E22", "E23", "E28"}

    assert sorted(CRITERIA) == [f"E{number:02d}" for number in range(1, 31)]
    assert {name for name, severity in CRITERIA.items() if severity == "blocks"} == blocking


@pytest.mark.parametrize("blocks", [5, 40])
def test_the_checks_take_as_many_queries_for_many_blocks_as_for_few(django_assert_max_num_queries, blocks):
    issue = make_issue(document=make_document(stories=blocks))

    with django_assert_max_num_queries(4):
        checks.check_issue(issue, now=NOW)


def test_words_that_two_languages_show_are_complained_of_once():
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2).model_copy(update={"url": "https://bit.ly/abc"})}
    issue = make_issue(document=document)

    assert found(issue) == [("E18", "warns", "b002")]
