"""What other programs and stored rows rely on is as it was at commit f96955b. More may be there; nothing may be gone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from tests.upgrade import contract, names

DATA = Path(__file__).parents[1] / "data" / "upgrade"
RECORD = json.loads((DATA / "contract.json").read_text())
SETTINGS = json.loads((DATA / "contract_settings.json").read_text())


SECRET_ENDINGS = ("WEBHOOK_SECRET", "WEBHOOK_KEY", "SIGNING_KEY", "VERIFICATION_KEY", "SIGNING_SECRET")
"""Variables of providers. The settings read those that are set, whatever the provider."""


def _without_unset(values):
    """The recorded settings as this release has them.

    The previous release kept an empty text for each provider's secret that was not set; this one keeps nothing. The
    table of kinds has moved from the settings to the table of providers.
    """
    values = {name: value for name, value in values.items() if name != "MAIL_KINDS"}
    tables = {
        name: {key: value for key, value in values[name].items() if value}
        for name in ("WEBHOOK_SECRETS", "WEBHOOK_KEYS")
    }
    return {**values, **tables}


@pytest.mark.parametrize(
    "part", ["addresses", "celery", "commands", "models", "importable", "migrations", "words", "entry_points"]
)
def test_nothing_of_the_contract_is_gone_or_changed(part):
    assert contract.missing(RECORD[part], getattr(contract, part)()) == []


@pytest.mark.parametrize("part", ["send_header", "send_answer", "send_outcomes"])
def test_spool_fields_keep_their_order_and_new_ones_come_last(part):
    recorded = RECORD["spools"][part]

    assert contract.spools()[part][: len(recorded)] == recorded


def test_each_model_is_imported_from_the_models_of_its_app():
    for label in contract.LABELS:
        models = importlib.import_module(f"{label}.models")
        for model in apps.get_app_config(label).get_models():
            assert getattr(models, model.__name__) is model


def test_the_settings_read_every_recorded_variable(tmp_path):
    found = contract.settings_read(tmp_path, contract.EXAMPLE)
    secrets = [name for name in SETTINGS["names"] if name.endswith(SECRET_ENDINGS) and name not in contract.EXAMPLE]
    with_secrets = contract.settings_read(tmp_path, {**contract.EXAMPLE, **dict.fromkeys(secrets, "warta:secret")})

    assert len(secrets) > 5
    assert contract.missing(SETTINGS["names"], with_secrets["names"], "names") == []
    assert contract.missing(_without_unset(SETTINGS["with_the_example"]), found["values"]) == []


def test_every_kind_of_mail_url_is_still_known():
    assert set(SETTINGS["with_nothing_set"]["MAIL_KINDS"]) <= names.mail_kinds()


def test_without_any_variable_the_settings_are_what_they_were(tmp_path):
    found = contract.settings_read(tmp_path, {"SECRET_KEY": SETTINGS["with_nothing_set"]["SECRET_KEY"]})

    assert contract.missing(_without_unset(SETTINGS["with_nothing_set"]), found["values"]) == []


def test_a_secret_key_that_was_made_before_is_read_from_its_file(tmp_path):
    (tmp_path / "secret_key").write_text("a-key-that-an-older-release-has-made\n")

    assert contract.settings_read(tmp_path, {})["values"]["SECRET_KEY"] == "a-key-that-an-older-release-has-made"


@pytest.mark.django_db
def test_tables_columns_constraints_indexes_and_triggers_keep_their_names():
    recorded = json.loads((DATA / "contract_database.json").read_text())[connection.vendor]
    recorded["tables"].pop(
        "django_cache", None
    )  # tests keep their cache in memory; test_old_data.py looks at this table

    assert contract.missing(recorded, contract.database()) == []


def test_missing_allows_more_and_reports_less_or_other():
    recorded = {"kept": [1, 2], "field": {"null": False}}

    assert contract.missing(recorded, {"kept": [3, 2, 1], "field": {"null": False, "new": 1}, "more": 0}) == []
    assert contract.missing(recorded, {"kept": [1], "field": {"null": True}}) == [
        "/kept: 2 is not there",
        "/field/null: True instead of False",
    ]
