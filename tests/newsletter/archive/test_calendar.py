"""Calendar files of events: valid in calendar programs, and served only with the key in their URL."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import content, editions
from newsletter.archive import calendar
from tests.factories import make_document, make_issue, make_newsletter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _secure_site(settings):
    settings.SITE_URL, settings.SITE_HOST = "https://surat.example", "surat.example"


def make_event(newsletter=None, **words: str):
    told = {"headline": "Paspor simpatik, gratis; bawa KTP", "place": "Jalan D.I. Panjaitan 3\\Denpasar", **words}
    event = content.CalendarEvent(
        id="bevent",
        starts_at="2026-11-28T08:00",
        ends_at="2026-11-28T12:00",
        words={"id": content.CalendarEventWords(url="https://kabarlintas.example/paspor", **told)},
    )
    document = make_document(stories=1)
    document.blocks.append(event)
    return make_issue(newsletter or make_newsletter(time_zone="Asia/Makassar"), document=document)


def address(issue, language: str = "id") -> str:
    return editions.calendar_url(issue, "bevent", language).removeprefix("https://surat.example")


def lines(response) -> list[str]:
    return response.content.decode().replace("\r\n ", "").split("\r\n")


def test_the_file_says_what_when_and_where(client):
    issue = make_event(summary="<p>Antre sejak pagi.</p><p>Bawa <strong>KTP</strong>, kartu keluarga.</p>")

    response = client.get(address(issue))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="bevent.ics"'
    assert lines(response) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Warta//Newsletter//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{issue.pk}-bevent@surat.example",
        "DTSTAMP:20261124T000000Z",
        "DTSTART:20261128T000000Z",
        "DTEND:20261128T040000Z",
        "SUMMARY;LANGUAGE=id:Paspor simpatik\\, gratis\\; bawa KTP",
        "DESCRIPTION:Antre sejak pagi.\\n\\nBawa KTP\\, kartu keluarga.",
        "LOCATION:Jalan D.I. Panjaitan 3\\\\Denpasar",
        "URL:https://kabarlintas.example/paspor",
        'ORGANIZER;CN="Kabar Lintas":mailto:redaksi@kabarlintas.example',
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


def test_an_event_without_an_end_has_none(client):
    issue = make_event()
    issue.content["blocks"][-1]["ends_at"] = ""
    issue.save()

    assert not [line for line in lines(client.get(address(issue))) if line.startswith("DTEND")]


def test_the_same_event_keeps_its_id_in_every_language_and_whatever_is_edited(client):
    issue = make_event()
    before = [line for line in lines(client.get(address(issue))) if line.startswith("UID:")]
    issue.content["blocks"][-1]["words"]["id"]["headline"] = "Judul lain"
    issue.save()

    after = [line for line in lines(client.get(address(issue, "en"))) if line.startswith("UID:")]

    assert before == after


@pytest.mark.parametrize(
    "other",
    [
        "/archive/events/{pk}/bevent/en/{key}.ics",
        "/archive/events/{pk}/b001/id/{key}.ics",
        "/archive/events/{pk}/bevent/id/{guess}.ics",
    ],
)
def test_nobody_can_guess_the_events_of_an_issue(client, other):
    issue = make_event()
    key = address(issue).rpartition("/")[2].removesuffix(".ics")

    assert client.get(other.format(pk=issue.pk, key=key, guess="0" * 32)).status_code == 404


def test_a_key_of_an_older_secret_still_opens_the_file(client, settings):
    old = address(make_event())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "kunci-baru-" * 5

    assert client.get(old).status_code == 200


@pytest.mark.parametrize("starts_at", ["", "2026-02-31T08:00"])
def test_what_has_no_date_has_no_file(client, starts_at):
    issue = make_event()
    issue.content["blocks"][-1]["starts_at"] = starts_at
    issue.save()

    assert client.get(address(issue)).status_code == 404
    assert "/archive/events/" not in editions.render(issue, "id").html


def test_what_is_no_event_or_gone_has_no_file(client):
    issue = make_event()
    path = address(issue)
    issue.content["blocks"].pop()
    issue.save()

    assert client.get(path).status_code == 404


@pytest.mark.parametrize("sign", ["\r\nBEGIN:VALARM", "\nX:1", "\u2028X"])
def test_words_cannot_start_a_line_of_their_own(client, sign):
    issue = make_event(make_newsletter(brand=f'Kabar"{sign}'), headline=f"Acara{sign}", place=f"Kota{sign}")

    found = client.get(address(issue)).content.decode()

    assert not re.search(r"^(?:X|BEGIN:VALARM)", found, re.MULTILINE)


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=300))
def test_folded_lines_have_at_most_75_octets_and_unfold_to_what_they_were(words):
    folded = calendar.fold_line(words)

    assert all(len(line.encode()) <= 75 for line in folded.split("\r\n"))
    assert folded.replace("\r\n ", "") == words


@pytest.mark.parametrize(
    ("zone", "starts_at", "ends_at", "day", "hours"),
    [
        ("Asia/Makassar", "2026-11-28T08:00", "2026-11-28T12:00", "Saturday, 28 November 2026", "08:00 to 12:00 WITA"),
        ("Asia/Jakarta", "2026-11-28T08:00", "", "Saturday, 28 November 2026", "08:00 WIB"),
        ("Europe/Berlin", "2026-07-01T19:30", "2026-07-01T19:30", "Wednesday, 1 July 2026", "19:30 CEST"),
        ("Asia/Dubai", "2026-07-01T19:30", "", "Wednesday, 1 July 2026", "19:30 UTC+04"),
        (
            "Asia/Jakarta",
            "2026-11-28T08:00",
            "2026-11-29T16:00",
            "Saturday, 28 November 2026, 08:00 to Sunday, 29 November 2026, 16:00 WIB",
            "",
        ),
        ("Asia/Jakarta", "", "", "", ""),
    ],
)
def test_the_time_is_in_words_and_in_the_zone_of_the_newsletter(zone, starts_at, ends_at, day, hours):
    from django.utils import translation

    issue = make_event(make_newsletter(time_zone=zone))
    event = content.CalendarEvent(starts_at=starts_at, ends_at=ends_at)

    with translation.override("en"):
        moment = editions.event_time(issue, event, "en")

    assert (moment.day, moment.hours) == (day, hours)


def test_a_file_of_an_hour_that_clocks_skip_is_still_a_moment(client):
    issue = make_event(make_newsletter(time_zone="Europe/Berlin"))
    issue.content["blocks"][-1] |= {"starts_at": "2026-03-29T02:30", "ends_at": ""}
    issue.edited_at = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    issue.save()

    assert "DTSTART:20260329T013000Z" in lines(client.get(address(issue)))
