"""Every name of a module that the upgrade tests import. When a module moves, change its line here and nothing else.

Where an entry point exists that does not move, the tests use it: the app registry, addresses, task names, commands.
"""

from __future__ import annotations

import dataclasses
import socket
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from celery.exceptions import CDeprecationWarning
from django.test import RequestFactory

from newsletter import content, editions, issues
from newsletter.articles.article_data import ArticleData
from newsletter.articles.extraction.article import content_hash
from newsletter.checks import link_checker
from newsletter.fetching import http_client
from newsletter.rendering.links import percent_encode
from newsletter.studio.settings.audit_log import ACTION_LABELS
from subscribers import consent, keys, suppression, tokens
from subscribers.consent import database_triggers
from subscribers.signup import limits
from workers import ledger, providers, routes, spool
from workers.ledger import look_ups
from workers.provider_events import signatures
from workers.routes import base as routes_base
from workers.sending import lifecycle, preflight
from workers.tracking import loader

__all__ = [
    "ACTION_LABELS",
    "CALLS",
    "consent",
    "content",
    "database_triggers",
    "http_client",
    "issues",
    "ledger",
    "preflight",
    "lifecycle",
    "spool",
    "suppression",
]

moment = datetime.fromisoformat
PURPOSES = {
    "hit": tokens.HIT,
    "unsubscribe": tokens.UNSUBSCRIBE,
    "preferences": tokens.PREFERENCES,
    "confirm": tokens.CONFIRM,
    "event": tokens.EVENT,
    "message id": tokens.MESSAGE_ID,
    "notice id": tokens.NOTICE_ID,
    "suppression": suppression.KEY_PURPOSE,
    "sign-up form": limits.STAMP_KEY_PURPOSE,
    "consent chain": consent.CHAIN,
    "personal fields": consent.PERSONAL,
}


def _send_spool(header: dict[str, Any], answers: list[dict[str, Any]]) -> str:
    """The bytes of a spool with this header and these answers."""
    with tempfile.TemporaryDirectory() as folder:
        own = spool.SpoolHeader(**{**header, "ids": tuple(header["ids"])})
        written = spool.SendSpool(Path(folder), own)
        for answer in answers:
            written.append(spool.SpooledResult(**answer))
        written.close(has_in_flight=False)
        return written.file.name + " " + written.file.read_bytes().hex()


def _read_send_spool(name_and_bytes: str) -> dict[str, Any]:
    name, _, data = name_and_bytes.partition(" ")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(bytes.fromhex(data))
        [left] = spool.find_orphaned(Path(folder))
        assert left.header is not None
        found = dataclasses.asdict(left)
    return {
        **{key: found[key] for key in ("batch", "attempt")},
        "under_way": found["has_in_flight"],
        "header": {**found["header"], "ids": list(found["header"]["ids"])},
        "answers": list(found["answers"]),
    }


def _hit(fields: dict[str, Any]) -> str:
    return loader.Hit(**{**fields, "occurred_at": moment(fields["occurred_at"])}).pack().hex()


def _read_hit(data: str) -> dict[str, Any]:
    found = dataclasses.asdict(loader.Hit.unpack(bytes.fromhex(data)))
    return {**found, "occurred_at": found["occurred_at"].isoformat(), "agent_class": str(found["agent_class"])}


def _session_hash(password: str, epoch: int) -> str:
    from django.contrib.auth import get_user_model

    return str(get_user_model()(password=password, session_epoch=epoch).get_session_auth_hash())


def _account(url: str) -> str:
    return routes_base.parse_url(url, options=frozenset({"region", "api_url"})).account


def _has_secret(header: str, secret: str) -> bool:
    return signatures.has_valid_secret(RequestFactory().post("/", headers={"Authorization": header}), secret)


def _read_look_up(text: str) -> dict[str, Any]:
    found = dataclasses.asdict(look_ups.parse(text))
    found["asked"] = found.pop("times_asked")
    return found


CALLS = {
    "key": lambda purpose, length: keys.current_key(PURPOSES[purpose], length).hex(),
    "key id": keys.current_key_id,
    "hit": tokens.make_hit,
    "read hit": lambda token: list(tokens.read_hit(token)),
    "unsubscribe": tokens.make_unsubscribe,
    "read unsubscribe": lambda token: list(tokens.read_unsubscribe(token)),
    "preferences": tokens.make_preferences,
    "read preferences": tokens.read_preferences,
    "confirm": lambda request, expires: tokens.make_confirm(request, moment(expires)),
    "read confirm": lambda token, now: tokens.read_confirm(token, moment(now)),
    "event": tokens.make_event_token,
    "read event": lambda token: list(tokens.read_event_token(token)),
    "message id": tokens.message_id,
    "notice message id": tokens.notice_message_id,
    "of readers": lambda issue, readers: {
        str(key): list(own) for key, own in tokens.make_for_subscribers(issue, readers).items()
    },
    "stamp": lambda shown_at: limits.make_stamp(moment(shown_at)),
    "read stamp": lambda stamp: limits.read_stamp(stamp).isoformat(),
    "suppression hash": lambda email_key: suppression.email_hashes(email_key)[0].hex(),
    "calendar key": lambda issue, block, language: editions.calendar_key(issue, block, language),
    "session hash": _session_hash,
    "account of a route": _account,
    "basic authentication": _has_secret,
    "question": lambda route, account, batch, attempt: look_ups.encode(route, account, batch, attempt),
    "read question": _read_look_up,
    "reader ids": lambda ids: ledger.pack(ids).hex(),
    "read reader ids": lambda data: list(ledger.unpack(bytes.fromhex(data))),
    "spool record": lambda text: spool.encode_record(text.encode()).hex(),
    "send spool": _send_spool,
    "read send spool": _read_send_spool,
    "hit record": _hit,
    "read hit record": _read_hit,
    "content hash": lambda title, summary, text: content_hash(
        ArticleData(url="https://kabarlintas.example/", title=title, summary=summary), text
    ),
    "address of a link": percent_encode,
}
"""What known answers are about, by the name they have in the record. Inputs and outputs are JSON."""


def header_fields() -> list[str]:
    return [field.name for field in dataclasses.fields(spool.SpoolHeader)]


def answer_fields() -> list[str]:
    return [field.name for field in dataclasses.fields(spool.SpooledResult)]


def outcomes() -> list[str]:
    return list(spool.OUTCOMES)


def as_host(monkeypatch, name: str, boot_id: str = "another-boot") -> None:
    """The host is called `name`, and it was last started as `boot_id`."""
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    monkeypatch.setattr(spool, "boot_id", lambda: boot_id)


def without_network(monkeypatch) -> None:
    monkeypatch.setattr(http_client, "check_link", lambda url, **_: url)
    monkeypatch.setattr(link_checker, "PAUSE_S", 0)


def wsgi_application():
    """Return the application of the web process without its cache of link targets."""
    from workers.hits import application

    return type(application)(application.fallback)


def close_routes() -> None:
    routes.first().close()


def celery_app():
    from workers.celery import app

    with warnings.catch_warnings(category=CDeprecationWarning, action="ignore"):
        app.loader.import_default_modules()
        app.finalize()
    return app


def transport_options(url: str) -> dict[str, Any]:
    from workers.celery import transport_options

    return transport_options(url)


def mail_kinds() -> set[str]:
    return providers.PLAIN_KINDS | set(providers.PROVIDERS)
