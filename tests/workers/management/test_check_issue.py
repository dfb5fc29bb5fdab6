"""`check_issue`: every criterion once at least, as JSON, with an exit code for scripts."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from newsletter import content
from newsletter.models import Issue
from tests.factories import make_document, make_issue, make_newsletter, make_reader

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_network")]

CRITERIA = {f"E{number:02d}" for number in range(1, 31)}


def printed(*arguments: object) -> tuple[int, list[dict]]:
    """The exit code and what was printed."""
    out = io.StringIO()
    try:
        call_command("check_issue", *(str(part) for part in arguments), stdout=out)
    except CommandError as error:
        return error.returncode, json.loads(out.getvalue() or "[]")
    return 0, json.loads(out.getvalue())


def ready_issue() -> Issue:
    newsletter = make_newsletter()
    make_reader(newsletter)
    return make_issue(newsletter)


def test_a_good_issue_prints_every_criterion_and_exits_with_zero():
    code, rows = printed(ready_issue().pk)

    assert code == 0
    assert {row["id"] for row in rows} >= CRITERIA
    assert set(rows[0]) == {"id", "severity", "ok", "block", "message", "language", "pending"}
    assert [row["id"] for row in rows if not row["ok"]] == ["E19", "E29", "E29"]
    assert all(row["pending"] for row in rows if not row["ok"])


@pytest.mark.parametrize("option", ["--slow", "--wait"])
def test_it_looks_itself_where_it_is_asked_to(option):
    code, rows = printed(ready_issue().pk, option)

    assert code == 0
    assert [row["id"] for row in rows if not row["ok"]] == []
    assert "All 6 links answer. Checked just now." in [row["message"] for row in rows]


def test_what_blocks_an_issue_is_first_and_exits_with_one():
    issue = ready_issue()
    document = content.parse(issue.content)
    document.blocks[1].words["id"].summary = "<p>Tarif [TK] rupiah</p>"
    Issue.objects.filter(pk=issue.pk).update(content=content.dump(document))

    code, rows = printed(issue.pk)

    assert code == 1
    assert (rows[0]["id"], rows[0]["severity"], rows[0]["ok"], rows[0]["block"]) == ("E22", "blocks", False, "b002")
    assert rows[0]["message"] == "“[TK]” is still to be filled in."


def test_where_no_mail_can_be_made_the_criteria_are_unknown_and_it_exits_with_one():
    document = make_document(stories=1, languages=("id",))
    document.blocks[0].words["id"].summary = "<em>" * 5000

    code, rows = printed(make_issue(make_newsletter(languages=["id"]), document=document).pk)

    assert code == 1
    assert {row["id"] for row in rows} >= CRITERIA
    assert [row["pending"] for row in rows if row["id"] == "E10"] == [True]


def test_an_issue_that_is_none_is_wrong_use():
    assert printed(999) == (2, [])
