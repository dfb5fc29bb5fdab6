"""What the tests of the composer share: the form as the page shows it, posting it, and what is stored then."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import content
from newsletter.models import Issue
from newsletter.studio.shared import document_form

HTMX = {"HX-Request": "true"}
either_way = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
"""As a plain form, and by script."""


def form_of(issue, language="id", **changes):
    """What the browser would post: the whole form as the page shows it, with `changes`."""
    issue = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    document = content.parse(issue.content)
    default = issue.newsletter.default_language
    cards = document_form.build_cards(document, language=language, default=default)
    form = {"version": issue.version, "language": language, "block": [card.id for card in cards]}
    form |= {bound.name: bound.value for bound in document_form.envelope_fields(document, language=language)}
    form |= {bound.name: bound.value for card in cards for bound in card.bound_fields}
    return {**form, **changes}


def post(client, name, issue, form, *, htmx=False):
    return client.post(reverse(name, args=[issue.pk]), form, headers=HTMX if htmx else {})


def step(client, issue, do, *, htmx=False, language="id", **changes):
    """Press a button of the composer, with `changes` typed just before."""
    return post(client, "issue-autosave", issue, form_of(issue, language, do=do, **changes), htmx=htmx)


def stored(issue):
    return content.parse(Issue.objects.get(pk=issue.pk).content)


def ids(issue):
    return [block.id for block in stored(issue).blocks]
