"""What other programs, stored rows and people rely on, read from the running code as plain values.

`missing(recorded, today)` compares: what was recorded has to be there and be the same; more may be there.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.checks.registry import registry
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.urls import URLPattern, URLResolver, get_resolver

from tests.upgrade import names

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("newsletter", "subscribers", "workers")
EXAMPLE = {
    "SITE_URL": "https://news.kabarlintas.example",
    "SECRET_KEY": "a-key-of-at-least-thirty-two-characters",
    "SECRET_KEY_FALLBACKS": "an-older-key-of-thirty-two-characters, the-oldest-key-of-thirty-two-characters",
    "DATABASE_URL": "postgres://warta:secret@db.example:5432/warta",
    "BROKER_URL": "redis://mq.example:6379/0",
    "MAIL_URL": "smtp://user:password@mail.example:587, mailgun://key@news.example",
    "MAIL_ONLY_TO": "@kabarlintas.example,Ani@partner.example",
    "INBOUND_DOMAIN": "in.kabarlintas.example",
    "TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16",
    "SEND_SLOTS": "4",
    "MOST_LATE_H": "5",
    "PORT": "8123",
    "WEBHOOK_SECRET": "all:secret",
    "POSTMARK_WEBHOOK_SECRET": "postmark:secret",
    "MAILGUN_WEBHOOK_SIGNING_KEY": "mailgun-key",
    "MAILERSEND_SIGNING_SECRET": "mailersend-key",
    "MANDRILL_WEBHOOK_KEY": "mandrill-key",
    "RESEND_SIGNING_SECRET": "whsec_c2VjcmV0",
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": "sendgrid-key",
    "WEBHOOK_MOST_AGE_MIN": "7",
    "SES_TOPICS": "arn:aws:sns:eu-west-1:123456789012:warta",
    "DEFAULT_FROM_EMAIL": "warta@kabarlintas.example",
    "LOG_LEVEL": "warning",
}
"""An environment with every variable that docs/install.md names."""
_READ = """
import importlib, json, os, sys
import environ, csp.constants, django.conf, django.core.exceptions, django.utils.translation
names = set()

class Recording(dict):
    def get(self, name, default=None):
        names.add(name)
        return super().get(name, default)
    def __contains__(self, name):
        names.add(name)
        return super().__contains__(name)
    def __getitem__(self, name):
        names.add(name)
        return super().__getitem__(name)

os.environ = Recording(os.environ)
module = importlib.import_module("newsletter.settings")
values = {name: getattr(module, name) for name in dir(module) if name.isupper()}

def plain(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value) if isinstance(value, os.PathLike) else "..."

print(json.dumps({"names": sorted(names), "values": values}, default=plain))
"""


def missing(recorded: Any, today: Any, place: str = "") -> list[str]:
    """Where `today` lacks or contradicts what was recorded. Lists of values are compared as sets."""
    if isinstance(recorded, dict):
        if not isinstance(today, dict):
            return [f"{place}: {today!r} instead of {recorded!r}"]
        return [
            line
            for key, value in recorded.items()
            for line in (
                missing(value, today[key], f"{place}/{key}") if key in today else [f"{place}/{key}: it is not there"]
            )
        ]
    if _is_wider(recorded, today, place):
        return []
    if isinstance(recorded, list) and isinstance(today, list):
        return [f"{place}: {one!r} is not there" for one in recorded if one not in today]
    return [] if recorded == today else [f"{place}: {today!r} instead of {recorded!r}"]


# --- settings --------------------------------------------------------------------------------------------------------


def _is_wider(recorded: Any, today: Any, place: str) -> bool:
    """Whether a text column or its field takes longer texts than before, and is the same otherwise."""
    if place.endswith("/most") and isinstance(recorded, int) and isinstance(today, int):
        return today > recorded
    if not (isinstance(recorded, str) and isinstance(today, str)):
        return False
    length = re.compile(r"(varchar|character varying)\((\d+)\)")
    before, after = length.search(recorded), length.search(today)
    if not (before and after and int(after[2]) > int(before[2])):
        return False
    return length.sub("", recorded) == length.sub("", today)


def settings_read(var_dir: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Names of the variables that the settings ask for, and the settings that follow from `environment`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", _READ],
        cwd=ROOT,
        env={**kept, "VAR_DIR": str(var_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.replace(str(var_dir), "VAR_DIR")))


# --- addresses -------------------------------------------------------------------------------------------------------


def addresses() -> list[list[str]]:
    """[path, name] of every address; those of Django's admin pages are Django's."""
    return sorted([path, name] for path, name in _walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for one in patterns:
        path = f"{before}{one.pattern}"
        if isinstance(one, URLPattern):
            yield path, one.name or ""
        elif isinstance(one, URLResolver) and one.namespace:
            yield path, f"{one.namespace}:"
        else:
            yield from _walk(one.url_patterns, path)


# --- tasks -----------------------------------------------------------------------------------------------------------


def celery() -> dict[str, Any]:
    app = names.celery_app()
    return {
        "tasks": {name: _task(app, task) for name, task in app.tasks.items() if not name.startswith("celery.")},
        "beat": {name: _beat(entry) for name, entry in app.conf.beat_schedule.items()},
        "queues": [queue.name for queue in app.conf.task_queues],
        "default_queue": str(app.conf.task_default_queue),
        "serializer": app.conf.task_serializer,
        "accept_content": list(app.conf.accept_content),
        "folders": {
            key: Path(value).name
            for key, value in names.transport_options("filesystem://").items()
            if isinstance(value, str) and value.startswith("/")
        },
        "beat_file": Path(app.conf.beat_schedule_filename).name,
    }


def _task(app: Any, task: Any) -> dict[str, Any]:
    parameters = inspect.signature(task.run).parameters.values()
    named = [one for one in parameters if one.kind in {one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD}]
    return {
        "queue": _queue(app, task),
        "arguments": {one.name: "required" if one.default is one.empty else "optional" for one in named},
        "takes_unknown_arguments": any(one.kind is one.VAR_KEYWORD for one in parameters),
    }


def _queue(app: Any, task: Any) -> str:
    """Where a message of the task goes, whether the task or the routes of the app say so."""
    route = app.amqp.router.route(dict(task._get_exec_options()), task.name)
    return str(getattr(route["queue"], "name", route["queue"]))


def _beat(entry: dict[str, Any]) -> dict[str, Any]:
    return {"task": entry["task"], "schedule": str(entry["schedule"]), "expires": entry["options"]["expires"]}


# --- commands --------------------------------------------------------------------------------------------------------


def commands() -> dict[str, dict[str, Any]]:
    own = {apps.get_app_config(label).name for label in LABELS}
    return {name: _options(load_command_class(app, name), name) for name, app in get_commands().items() if app in own}


def _options(command: BaseCommand, name: str) -> dict[str, Any]:
    parser = command.create_parser("manage.py", name)
    base = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
    return {
        " ".join(action.option_strings) or action.dest: _option(action)
        for action in parser._actions
        if action.dest not in base
    }


def _option(action: argparse.Action) -> dict[str, Any]:
    is_plain = isinstance(action.default, str | int | float | bool | None)
    return {
        "dest": action.dest,
        "required": action.required,
        "nargs": action.nargs,
        "choices": sorted(map(str, action.choices)) if action.choices else None,
        "default": action.default if is_plain else str(action.default),
        "type": getattr(action.type, "__name__", None),
    }


# --- models and database ---------------------------------------------------------------------------------------------


def models() -> dict[str, Any]:
    return {
        model._meta.label: {
            "table": model._meta.db_table,
            "fields": {field.name: _field(field) for field in model._meta.get_fields() if hasattr(field, "column")},
            "links": {
                field.name: field.remote_field.through._meta.db_table for field in model._meta.local_many_to_many
            },
        }
        for label in LABELS
        for model in apps.get_app_config(label).get_models()
    }


def _field(field: Any) -> dict[str, Any]:
    return {
        "column": field.column,
        "kind": field.get_internal_type(),
        "null": field.null,
        "unique": field.unique,
        "most": getattr(field, "max_length", None),
        "choices": [value for value, _words in field.flatchoices],
        "upload_to": getattr(field, "upload_to", None),
    }


def importable() -> dict[str, list[str]]:
    """Names of classes that are imported from `<app>.models`: models, and the choices of their fields."""
    return {
        label: sorted(
            name
            for name, value in vars(importlib.import_module(f"{label}.models")).items()
            if inspect.isclass(value) and getattr(value, "__module__", "").startswith(label)
        )
        for label in LABELS
    }


def migrations() -> list[str]:
    loader = MigrationLoader(None)
    return sorted(f"{label}.{name}" for label, name in loader.disk_migrations if label in LABELS)


def database() -> dict[str, Any]:
    """Tables of ours with columns, constraints, indexes and triggers, as the database has them."""
    with connection.cursor() as cursor:
        tables = [
            table
            for table in connection.introspection.table_names(cursor)
            if table.startswith(tuple(f"{label}_" for label in LABELS)) or table == "django_cache"
        ]
        return {
            "tables": {
                table: {"columns": _columns(cursor, table), "constraints": _constraints(cursor, table)}
                for table in sorted(tables)
            },
            "triggers": _triggers(cursor),
        }


def _columns(cursor: Any, table: str) -> dict[str, str]:
    if connection.vendor == "sqlite":
        cursor.execute(f"PRAGMA table_info('{table}')")
        return {row[1]: f"{row[2]}{' not null' if row[3] else ''}" for row in cursor.fetchall()}
    cursor.execute(
        "SELECT column_name, data_type, character_maximum_length, is_nullable FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = %s",
        [table],
    )
    return {
        name: f"{kind}{f'({most})' if most else ''}{' not null' if null == 'NO' else ''}"
        for name, kind, most, null in cursor.fetchall()
    }


def _constraints(cursor: Any, table: str) -> dict[str, Any]:
    found = connection.introspection.get_constraints(cursor, table)
    kinds = ("primary_key", "unique", "foreign_key", "check", "index")
    return {
        name: {"columns": one["columns"], "kind": [kind for kind in kinds if one[kind]]}
        for name, one in found.items()
        if not name.startswith(("__", "sqlite_autoindex", "fk_"))
    }


def _triggers(cursor: Any) -> dict[str, str]:
    query = (
        "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    )
    cursor.execute(query)
    return dict(cursor.fetchall())


# --- words that are stored or shown ----------------------------------------------------------------------------------


def words() -> dict[str, Any]:
    return {
        "audit_actions": sorted(names.ACTION_LABELS),
        "criteria": dict(names.preflight.CRITERIA),
        "system_checks": sorted(set(_system_checks())),
        "blocks": {kind: _block(model) for kind, model in names.content.BLOCK_TYPES.items()},
        "document": sorted(names.content.Document.model_fields),
        "document_version": names.content.VERSION,
    }


def _block(model: Any) -> dict[str, Any]:
    schema = model.model_json_schema()
    ref = schema["properties"]["words"]["additionalProperties"].get("$ref", "").rpartition("/")[2]
    return {
        "fields": sorted(schema["properties"]),
        "words": sorted(schema.get("$defs", {}).get(ref, {}).get("properties", {})),
    }


def _system_checks() -> Iterator[str]:
    for check in registry.registered_checks:
        if check.__module__.startswith(LABELS):
            yield from re.findall(rf'"((?:{"|".join(LABELS)})\.[EWI]\d+)"', inspect.getsource(inspect.getmodule(check)))


def spools() -> dict[str, list[str]]:
    """In the order in which they are written."""
    return {
        "send_header": names.header_fields(),
        "send_answer": names.answer_fields(),
        "send_outcomes": names.outcomes(),
    }


def entry_points() -> dict[str, Any]:
    """What the command lines of the units name."""
    found: dict[str, Any] = {}
    for dotted in ("workers.hits:application", "newsletter.wsgi:application", "workers.celery:app"):
        module, _, name = dotted.partition(":")
        found[dotted] = callable(getattr(importlib.import_module(module), name)) or hasattr(
            getattr(importlib.import_module(module), name), "tasks"
        )
    found["newsletter.settings"] = hasattr(importlib.import_module("newsletter.settings"), "INSTALLED_APPS")
    found["manage.py"] = (ROOT / "manage.py").is_file()
    return found


def everything() -> dict[str, Any]:
    """All of it but settings and database, which need a place of their own."""
    return {
        "addresses": addresses(),
        "celery": celery(),
        "commands": commands(),
        "models": models(),
        "importable": importable(),
        "migrations": migrations(),
        "words": words(),
        "spools": spools(),
        "entry_points": entry_points(),
    }
