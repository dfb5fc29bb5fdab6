"""Read and check environment variables for `newsletter.settings`, which is the only caller.

Each function returns the parsed value, or raises ImproperlyConfigured with one line that names the variable, the
mistake and the remedy. This module must not import Django models or read settings.
"""

import os
import re
import secrets
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
LOCAL_MAIL_KINDS = frozenset({"mailbox", "discard"})


def configuration_error(name: str, fact: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: {fact}. {remedy}")


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_int(name: str, default: int, *, least: int, most: int) -> int:
    raw = env_text(name, str(default))
    if not raw.isdecimal() or not least <= int(raw) <= most:
        raise configuration_error(
            name, f"{raw!r} is not a whole number from {least} to {most}", f"Set for example {name}={default}."
        )
    return int(raw)


def env_list(name: str) -> list[str]:
    return [word.strip() for word in env_text(name).split(",") if word.strip()]


def env_networks(name: str) -> list[str]:
    for word in env_list(name):
        try:
            ip_network(word, strict=False)
        except ValueError:
            raise configuration_error(
                name, f"{word!r} is not a network", "Write addresses such as 10.0.0.5 or 10.0.0.0/24."
            ) from None
    return env_list(name)


def env_recipients(name: str) -> list[str]:
    """Addresses, and domains as @example.org, in lower case and ASCII. A variable that is set to an empty value is an
    error.
    """
    if name in os.environ and not env_list(name):
        raise configuration_error(
            name, "it is empty", "Name addresses or domains such as @example.org, or remove the variable."
        )
    return [_recipient(name, word.lower()) for word in env_list(name)]


def _recipient(name: str, word: str) -> str:
    local, _at, domain = word.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    if "@" not in word or "." not in ascii_domain or not ascii_domain.isascii() or set(word) & set(' <>"*'):
        raise configuration_error(
            name,
            f"{word!r} is neither an address nor a domain",
            "Write ani@example.org, or @example.org for all of it.",
        )
    return f"{local}@{ascii_domain}"


def env_sns_topics(name: str) -> list[str]:
    """ARNs of the SNS topics that SES publishes events to."""
    for word in env_list(name):
        if not re.fullmatch(r"arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?", word):
            raise configuration_error(
                name, f"{word!r} is not an SNS topic", "Copy its ARN, such as arn:aws:sns:eu-west-1:123456789012:warta."
            )
    return env_list(name)


def env_folder(name: str, default: Path) -> Path:
    path = Path(env_text(name, str(default))).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise configuration_error(
            name, f"cannot make the folder {path} ({error.strerror})", "Name a folder that this user may write to."
        ) from None
    return path


def env_web_origin(name: str, default: str) -> str:
    """An origin such as https://news.example, without a trailing slash."""
    raw = env_text(name, default).rstrip("/")
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.username:
        raise configuration_error(
            name, f"{raw!r} is not a web address", "Write scheme and host only, such as https://news.example."
        )
    return raw


def env_database(name: str, default_file: Path) -> dict[str, Any]:
    raw = env_text(name)
    if not raw:
        return sqlite_database(default_file)
    try:
        config: dict[str, Any] = environ.Env.db_url_config(raw)
    except (ValueError, KeyError, ImproperlyConfigured):
        config = {}
    engine = str(config.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        return sqlite_database(Path(config["NAME"]))
    if not engine.endswith("postgresql"):
        raise configuration_error(
            name, "it names no supported database", "Write postgres://user:password@host:5432/name."
        )
    return {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def sqlite_database(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
        },
        "TEST": {"NAME": env_text("TEST_DATABASE_FILE") or None},
    }


def env_secret_key(name: str, var_dir: Path, *, embedded: bool) -> str:
    """SECRET_KEY, from which other keys are derived. Embedded mode creates one on first use; production must set it."""
    given = env_text(name)
    if given:
        if len(given) < 32:
            raise configuration_error(
                name, "it has fewer than 32 characters", "Set a long random value and keep it secret."
            )
        return given
    if not embedded:
        raise configuration_error(name, "it is not set", "Set a long random value; it signs every link in a mail.")
    file = var_dir / "secret_key"
    if not file.exists():
        descriptor = os.open(file.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(48))
        file.with_suffix(".new").replace(file)
    return file.read_text().strip()


def env_mail_routes(name: str, default: str) -> list[str]:
    """Routes in order of priority. Each is a URL whose scheme is the kind of route.

    `workers.providers.check_mail_kinds` checks the kinds, because this module may not import the table of providers.
    """
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_webhook_secrets() -> dict[str, str]:
    """Return all `<KIND>_WEBHOOK_SECRET` by kind in lower case, and `WEBHOOK_SECRET` under ""."""
    names = [name for name in os.environ if re.fullmatch(r"([A-Z]+_)?WEBHOOK_SECRET", name)]
    return {name.removesuffix("WEBHOOK_SECRET").rstrip("_").lower(): env_text(name) for name in names}


def env_webhook_keys() -> dict[str, str]:
    """Return all variables whose name ends like a key for signed events; `workers.providers` uses those it knows."""
    ending = r"(_WEBHOOK_KEY|_WEBHOOK_SIGNING_KEY|_WEBHOOK_VERIFICATION_KEY|_SIGNING_SECRET)"
    return {name: env_text(name) for name in os.environ if re.fullmatch(rf"[A-Z_]+{ending}", name)}


def is_local_route(route: str) -> bool:
    parts = urlsplit(route)
    return parts.scheme in LOCAL_MAIL_KINDS or (parts.scheme == "smtp" and parts.hostname in LOOPBACK_HOSTS)
