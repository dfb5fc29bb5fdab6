"""Helpers for tests of sending: frozen editions, readers, and an SMTP server that can refuse or fail."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP

from newsletter.models import Edition, Issue, IssueStatus, Newsletter
from subscribers.models import Subscription
from tests.factories import NOW, make_issue, make_newsletter, make_reader
from workers import ledger
from workers.message import builder

HTML = """<!doctype html>
<html lang="id"><head><title>Autogate</title></head><body>
<h1>Autogate baru: kurang dari 30 detik</h1>
<p><a href="http://127.0.0.1:8000/l/1/⟦hit⟧">Baca cara memakai autogate</a></p>
<p>⟦why⟧</p>
<p><a href="http://127.0.0.1:8000/p/⟦p⟧/">Atur</a> <a href="http://127.0.0.1:8000/u/⟦u⟧/">Berhenti berlangganan</a></p>
<img src="http://127.0.0.1:8000/t/⟦hit⟧.gif" alt="" width="1" height="1">
</body></html>
"""
TEXT = """Autogate baru: kurang dari 30 detik – untuk paspor elektronik
.sebuah baris yang mulai dengan titik

Baca cara memakai autogate: http://127.0.0.1:8000/l/1/⟦hit⟧

⟦why⟧
Berhenti berlangganan: http://127.0.0.1:8000/u/⟦u⟧/
Atur: http://127.0.0.1:8000/p/⟦p⟧/
"""


def make_words(issue: int = 7, **fields: Any) -> builder.MessageContent:
    given = {"language": "id", "subject": "Autogate baru dan izin tinggal daring", "html": HTML, "text": TEXT}
    return builder.MessageContent(issue, **{**given, **fields})


def make_edition(issue: Issue, language: str = "id", **fields: Any) -> Edition:
    given = {"subject": "Autogate baru", "html": HTML, "text": TEXT, "template_version": "1", "frozen_at": NOW}
    return Edition.objects.create(issue=issue, language=language, **{**given, **fields})


def equation(issue: Issue) -> tuple[int, ...]:
    """Return the counts accepted, refused, deferred, skipped, uncertain, waiting; assert that they are consistent."""
    told = ledger.count_deliveries(issue)
    assert told.is_consistent
    return (told.accepted, told.refused, told.deferred, told.skipped, told.uncertain, told.waiting)


def make_sending_issue(
    *, readers: int = 3, newsletter: Newsletter | None = None, **fields: Any
) -> tuple[Issue, list[Subscription]]:
    """Return an issue in status sending: frozen in two languages, with a plan for its readers."""
    newsletter = newsletter or make_newsletter(**fields)
    people = [make_reader(newsletter) for _ in range(readers)]
    issue = make_issue(newsletter, stories=1)
    for language in newsletter.languages:
        make_edition(issue, language)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SCHEDULED, scheduled_at=NOW)
    issue.refresh_from_db()
    from newsletter import issues

    Issue.objects.filter(pk=issue.pk).update(approved_hash=issues.approval_digest(issue), approved_at=NOW)
    issue.refresh_from_db()
    ledger.begin(issue, now=NOW)
    issue.refresh_from_db()
    return issue, people


# --- SMTP server ---------------------------------------------------------------------------------------------------


@dataclass
class Sink:
    """An aiosmtpd handler that keeps accepted messages. `on_rcpt` and `on_data` may return another answer."""

    received: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    on_mail: Callable[[str], str | None] = lambda _address: None
    on_rcpt: Callable[[str], str | None] = lambda _address: None
    on_data: Callable[[bytes], str | None] = lambda _data: None
    sessions: int = 0
    port: int = 0
    stop: Any = None
    transports: set[Any] = field(default_factory=set)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.sessions += 1
        self.transports.add(server.transport)
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        if answer := self.on_mail(address):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self.on_rcpt(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.on_data(envelope.content)
        if answer == "cut":
            server.transport.abort()
            return "250 never heard"
        if answer is None or answer == "keep and cut":
            self.received.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        if answer == "keep and cut":
            server.transport.abort()
            return "250 never heard"
        return answer or "250 2.0.0 Ok: queued as 4XyZ"

    @property
    def recipients(self) -> list[str]:
        return [rcpts[0] for _sender, rcpts, _data in self.received]

    @property
    def message_ids(self) -> list[str]:
        return [str(parse(data)["Message-ID"]) for _sender, _rcpts, data in self.received]


@contextmanager
def smtp_server(**options: Any) -> Iterator[Sink]:
    """Run the sink in a thread, on a free port of 127.0.0.1."""
    sink, loop, ready = Sink(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        server = await loop.create_server(
            lambda: SMTP(sink, enable_SMTPUTF8=False, ident="sink", loop=loop, **options), "127.0.0.1", 0
        )
        sink.port = server.sockets[0].getsockname()[1]
        sink.stop = asyncio.Event()
        ready.set()
        await sink.stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for transport in sink.transports:
            transport.abort()
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(5)
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(sink.stop.set)
        thread.join()
        loop.close()


def parse(data: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(data, policy=email.policy.default)
