"""Send complete messages over persistent SMTP connections, each with one unanswered message at a time.

smtplib connects, starts TLS and logs in. `smtp_session` does the rest; the message is sent as it is, without parsing it.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass

from workers.routes import base, smtp_pool, smtp_session

TIMEOUT_S = 30.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPTIONS = frozenset({"tls", "ca", "timeout", "helo", "connections"})
MAX_CONNECTIONS = 10
REMOTE_CONNECTIONS = 4
"""Connections to another host. With a round trip of 10 ms, one carries 25 to 50 messages a second, whatever the
bandwidth. Many servers allow a client 10 to 20 connections, and each sender has its own pool, so more could be refused."""
SEND_BUFFER_BYTES = 1 << 20
"""Size of the socket's send buffer, so that one write takes a whole message if the kernel allows it."""


@dataclass(frozen=True, slots=True)
class _Settings:
    host: str
    port: int
    user: str
    password: str
    implicit_tls: bool
    tls_required: bool
    tls_off: bool
    ca: str
    timeout_s: float
    helo: str
    connections: int


class SmtpRoute:
    """`smtp://user:password@host:port?tls=required&connections=4` or `smtps://…`.

    TLS is used where it is offered; it is required, with a valid certificate, by `tls=required`, by smtps, and
    wherever a password would leave this machine.
    """

    def __init__(self, name: str, url: str) -> None:
        address = base.parse_url(url, options=OPTIONS)
        self.name, self.kind, self.rate = name, address.kind, address.number("rate", 0)
        self._settings = _settings(address)
        self.capabilities = base.Capabilities(window=self._settings.connections, stuffed=True)
        self._pool = smtp_pool.ConnectionPool(self._new_connection, most=self._settings.connections)

    def open(self) -> None:
        self._pool.open()

    def eight_bit(self) -> bool:
        return bool(self._pool.lines) and self._pool.lines[0].session.has_extn("8bitmime")

    def send(self, letter: base.OutgoingMessage, *, deadline: float = base.NO_DEADLINE) -> base.SendResult:
        """Send one message. If the server has closed the idle connection, try a new one, once."""
        while True:
            self.open()
            line = self._pool.lines[0]
            may_be_stale = line.is_used
            try:
                return line.send_and_wait(letter, deadline=deadline)
            except OSError as error:
                if not may_be_stale:
                    raise base.RouteUnavailable(
                        f"The mail server did not take the message: {smtp_session.describe_error(error)}"
                    ) from None

    def begin(
        self,
        letter: base.OutgoingMessage,
        *,
        deadline: float = base.NO_DEADLINE,
        may_leave: Callable[[], bool] = base.always,
    ) -> Future[base.SendResult]:
        return self._pool.begin(letter, deadline=deadline, may_leave=may_leave)

    def finished(self, flying: Collection[Future[base.SendResult]], *, wait: bool) -> set[Future[base.SendResult]]:
        return self._pool.finished(flying, wait=wait)

    def close(self) -> None:
        self._pool.close()

    # --- a connection ---

    def _new_connection(self) -> smtp_pool.PooledConnection:
        session = self._connect()
        try:
            self._greet(session)
            if session.sock is None:
                raise base.RouteUnavailable("The mail server closed the connection.")
            session.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        except BaseException:
            session.close()
            raise
        return smtp_pool.PooledConnection(session, session.sock, self._settings.timeout_s)

    def _connect(self) -> smtplib.SMTP:
        wanted = self._settings
        try:
            if wanted.implicit_tls:
                context = _verifying_context(wanted.ca)
                return smtplib.SMTP_SSL(
                    wanted.host, wanted.port, wanted.helo or None, timeout=wanted.timeout_s, context=context
                )
            return smtplib.SMTP(wanted.host, wanted.port, wanted.helo or None, timeout=wanted.timeout_s)
        except ssl.SSLError as error:
            raise base.AccountRefused(f"The mail server's certificate or TLS is not valid: {error.reason}") from None
        except smtplib.SMTPResponseException as error:
            raise base.RouteUnavailable(_describe_reply(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            raise base.RouteUnavailable(
                f"The mail server does not answer: {smtp_session.describe_error(error)}"
            ) from None

    def _greet(self, session: smtplib.SMTP) -> None:
        try:
            session.ehlo_or_helo_if_needed()
            self._secure(session)
            if self._settings.user:
                session.login(self._settings.user, self._settings.password)
        except ssl.SSLError as error:
            raise base.AccountRefused(f"The mail server's certificate or TLS is not valid: {error.reason}") from None
        except smtplib.SMTPResponseException as error:
            family = base.AccountRefused if error.smtp_code >= 500 else base.RouteUnavailable
            raise family(_describe_reply(error)) from None
        except smtplib.SMTPNotSupportedError:
            raise base.AccountRefused("The mail server offers no login that we know.") from None
        except (smtplib.SMTPException, OSError) as error:
            raise base.RouteUnavailable(
                f"The mail server does not answer: {smtp_session.describe_error(error)}"
            ) from None

    def _secure(self, session: smtplib.SMTP) -> None:
        wanted = self._settings
        if wanted.implicit_tls or wanted.tls_off:
            return
        if session.has_extn("starttls"):
            session.starttls(context=_verifying_context(wanted.ca) if wanted.tls_required else _opportunistic_context())
            session.ehlo()
        elif wanted.tls_required:
            raise base.AccountRefused("The mail server offers no TLS, and without it nothing may be sent.")


def _describe_reply(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    return f"{base.format_code(error.smtp_code, words)} {base.redact_addresses(words)}"


def _verifying_context(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca or None)


def _opportunistic_context() -> ssl.SSLContext:
    """Encrypt without verifying the server (RFC 7435), where the alternative is no encryption."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _settings(address: base.RouteUrl) -> _Settings:
    if not address.host:
        raise base.mail_url_error(f"{address.kind} names no host", f"Write {address.kind}://user:password@host:587.")
    tls = address.option("tls", "offered")
    if tls not in {"required", "offered", "off"}:
        raise base.mail_url_error(f"tls={tls} is unknown", "Write ?tls=required, ?tls=offered or ?tls=off.")
    is_here = address.host in LOOPBACK
    if tls == "off" and address.user and not is_here:
        raise base.mail_url_error("a password would travel unprotected", "Leave ?tls=off away.")
    implicit = address.kind == "smtps"
    return _Settings(
        host=address.host,
        port=address.port or (465 if implicit else 587 if address.user else 25),
        user=address.user,
        password=address.password,
        implicit_tls=implicit,
        tls_required=tls == "required" or (bool(address.user) and not is_here),
        tls_off=tls == "off",
        ca=address.option("ca"),
        timeout_s=address.number("timeout", TIMEOUT_S),
        helo=address.option("helo"),
        connections=_connections(address, is_here=is_here),
    )


def _connections(address: base.RouteUrl, *, is_here: bool) -> int:
    wanted = address.number("connections", 1 if is_here else REMOTE_CONNECTIONS)
    if not 1 <= wanted <= MAX_CONNECTIONS or wanted != int(wanted):
        raise base.mail_url_error(
            f"connections={address.option('connections')} is too few or too many",
            f"Write a number from 1 to {MAX_CONNECTIONS}.",
        )
    return int(wanted)
