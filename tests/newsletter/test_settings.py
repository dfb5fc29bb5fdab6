"""An invalid environment variable stops the start with one line that names the variable, the mistake and the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD_KEY = "k" * 50
PRODUCTION = {"SITE_URL": "https://news.example", "SECRET_KEY": GOOD_KEY, "MAIL_URL": "smtp://mail.example"}


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**clean, "VAR_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PORT": "eighty"}, "PORT: 'eighty' is not a whole number from 1 to 65535"),
        ({"PORT": "70000"}, "PORT: '70000' is not a whole number from 1 to 65535"),
        ({"SEND_SLOTS": "0"}, "SEND_SLOTS: '0' is not a whole number from 1 to 256"),
        ({"MOST_LATE_H": "0"}, "MOST_LATE_H: '0' is not a whole number from 1 to 720"),
        ({"MAIL_ONLY_TO": " "}, "MAIL_ONLY_TO: it is empty"),
        ({"MAIL_ONLY_TO": "kabar.example"}, "MAIL_ONLY_TO: 'kabar.example' is neither an address nor a domain"),
        ({"MAIL_ONLY_TO": "@*"}, "MAIL_ONLY_TO: '@*' is neither an address nor a domain"),
        ({"SITE_URL": "news.example"}, "SITE_URL: 'news.example' is not a web address"),
        ({"SITE_URL": "http://news.example"}, "MAIL_URL: it is not set"),
        ({**PRODUCTION, "SITE_URL": "http://news.example"}, "SITE_URL: http is not safe for links in mail"),
        ({**PRODUCTION, "SECRET_KEY": ""}, "SECRET_KEY: it is not set"),
        ({**PRODUCTION, "SECRET_KEY": "short"}, "SECRET_KEY: it has fewer than 32 characters"),
        ({**PRODUCTION, "MAIL_URL": "pigeon://coop"}, "MAIL_URL: 'pigeon' is not a kind of route"),
        (
            {**PRODUCTION, "MAIL_URL": "sparkpost://key@"},
            "MAIL_URL: newsletters cannot be sent by sparkpost: it drops",
        ),
        ({"MAIL_URL": "postmark://token@"}, "SITE_URL: mail would leave this machine with http links"),
        ({"DATABASE_URL": "mysql://root@localhost/warta"}, "DATABASE_URL: it names no supported database"),
        ({"TRUSTED_PROXIES": "10.0.0.5,proxy"}, "TRUSTED_PROXIES: 'proxy' is not a network"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: 'LOUD' is not a log level"),
        ({"VAR_DIR": "/proc/nowhere"}, "VAR_DIR: cannot make the folder /proc/nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_names_its_variable_and_the_fact(tmp_path, environment, words):
    result = start(tmp_path, **environment)

    assert result.returncode != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_nothing_set_gives_a_working_embedded_site(tmp_path):
    result = start(tmp_path)

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_production_environment_starts(tmp_path):
    result = start(tmp_path, **PRODUCTION)

    assert result.returncode == 0, result.stderr


def test_outside_of_tests_a_frozen_edition_is_compiled_in_a_process_of_its_own(tmp_path):
    environment = {**os.environ, **PRODUCTION, "VAR_DIR": str(tmp_path), "PYTEST_CURRENT_TEST": "a test that starts it"}
    command = [sys.executable, "-c", "from newsletter import settings; print(settings.COMPILE_MJML_IN_SUBPROCESS)"]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "True"
