"""What the keys of an installation have produced before: links in old mails, ids at providers, stored hashes, records.

The answers were written down at commit f96955b. An entry may be added; one that changes breaks what is stored or sent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.upgrade import names

RECORD = json.loads((Path(__file__).parents[1] / "data" / "upgrade" / "known_answers.json").read_text())
ANSWERS = RECORD["answers"]


@pytest.fixture(autouse=True)
def _the_recorded_key(settings):
    settings.SECRET_KEY = RECORD["secret_key"]
    settings.SECRET_KEY_FALLBACKS = []


@pytest.mark.parametrize(
    "known",
    ANSWERS,
    ids=[f"{place}-{one['call']}-{one['purpose']}".replace(" ", "-") for place, one in enumerate(ANSWERS)],
)
def test_the_answer_is_the_recorded_one(known):
    assert names.CALLS[known["call"]](*known["inputs"]) == known["output"]


def test_every_key_purpose_has_a_known_answer():
    asked = {known["inputs"][0] for known in ANSWERS if known["call"] == "key"}

    assert set(names.PURPOSES) <= asked


@pytest.mark.parametrize(
    "known", [one for one in ANSWERS if one["call"].startswith("read ")], ids=lambda one: one["call"]
)
def test_what_was_made_under_an_older_key_can_still_be_read(known, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a-new-key-" * 5, [RECORD["secret_key"]]

    assert names.CALLS[known["call"]](*known["inputs"]) == known["output"]
