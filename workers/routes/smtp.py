"""Ready bytes over one kept SMTP connection, one unanswered message at a time, every reply accounted for.

smtplib makes the connection, TLS and the login; the message itself goes out as it is, without being parsed again.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, replace
from typing import NamedTuple

from workers.routes import base

TIMEOUT_S = 30.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPTIONS = frozenset({"tls", "ca", "timeout", "helo"})
_THROTTLED = re.compile(r"\b4\.7\.\d{1,3}\b")


class Reply(NamedTuple):
    code: int
    words: str

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 400

    @property
    def wants_less(self) -> bool:
        return self.code == 421 or (self.code // 100 == 4 and bool(_THROTTLED.search(self.words)))


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


class Smtp:
    """`smtp://user:password@host:port?tls=required` or `smtps://…`.

    TLS is used where it is offered; it is required, with a valid certificate, by `tls=required`, by smtps, and
    wherever a password would leave this machine.
    """

    capabilities = base.Capabilities()

    def __init__(self, name: str, url: str) -> None:
        address = base.read(url, options=OPTIONS)
        self.name, self.kind, self.rate = name, address.kind, address.number("rate", 0)
        self._settings = _settings(address)
        self._session: smtplib.SMTP | None = None
        self._used = False

    def open(self) -> None:
        if self._session is not None:
            return
        session = self._connect()
        try:
            self._greet(session)
            if session.sock is not None:
                session.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            session.close()
            raise
        self._session, self._used = session, False

    def eight_bit(self) -> bool:
        return self._session is not None and self._session.has_extn("8bitmime")

    def send(self, letter: base.Letter, *, deadline: float = base.NO_DEADLINE) -> base.Result:
        """A kept connection may have been closed meanwhile by the server; then a new one is tried, once."""
        may_be_stale = self._used
        while True:
            try:
                return self._offer(letter, deadline)
            except base.TooLate:
                self._drop()
                raise
            except (smtplib.SMTPException, OSError) as error:
                self._drop()
                if not may_be_stale:
                    raise base.TryLater(f"The mail server did not take the message: {_why(error)}") from None
                may_be_stale = False

    def close(self) -> None:
        if self._session is not None:
            try:
                self._session.quit()
            except (smtplib.SMTPException, OSError):
                self._session.close()
        self._session = None

    def _offer(self, letter: base.Letter, deadline: float) -> base.Result:
        """MAIL, RCPT, DATA. Connection errors up to here mean that the letter has not left."""
        self.open()
        reply = self._say(self._mail_line(letter), deadline)
        if reply.code == 421 and self._used:
            raise smtplib.SMTPServerDisconnected("enough messages on one connection")
        if not reply.is_good:
            return self._not_even_started(reply)
        reply = self._say(f"RCPT TO:<{letter.recipient}>", deadline)
        if reply.is_good:
            reply = self._say("DATA", deadline)
            if reply.code == 354:
                return self._body(letter, deadline)
        return self._declined(reply)

    def _mail_line(self, letter: base.Letter) -> str:
        line = f"MAIL FROM:<{letter.sender}>"
        if not letter.data.isascii():
            line += " BODY=8BITMIME"
        return line

    def _body(self, letter: base.Letter, deadline: float) -> base.Result:
        """The point of no return: without an answer from here on, nobody knows whether the letter has left."""
        base.in_time(deadline)
        session = self._alive()
        try:
            session.send(stuffed(letter.data))
            reply = Reply(*_reply(session))
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return base.Result("uncertain", detail=_why(error), trouble=True)
        self._used = True
        if reply.is_good:
            return base.Result("accepted", base.code_of(*reply), provider_id=_queue_id(reply.words))
        return self._judged(reply)

    def _not_even_started(self, reply: Reply) -> base.Result:
        """A sender that is refused is refused for every reader."""
        if reply.code >= 500:
            self._drop()
            raise base.Refused(f"{base.code_of(*reply)} {base.without_addresses(reply.words)}")
        return replace(self._declined(reply), for_all=True)

    def _declined(self, reply: Reply) -> base.Result:
        """No body was sent; the session is ready for the next letter, or closed."""
        if reply.code == 421:
            self._drop()
        else:
            try:
                self._say("RSET", base.NO_DEADLINE)
                self._used = True
            except (smtplib.SMTPException, OSError):
                self._drop()
        return self._judged(reply)

    def _judged(self, reply: Reply) -> base.Result:
        if reply.code == 421:
            self._drop()
        outcome: base.Outcome = "refused" if reply.code >= 500 else "deferred"
        words = base.without_addresses(reply.words)
        return base.Result(outcome, base.code_of(*reply), words, slow_down=reply.wants_less)

    # --- the session ---

    def _connect(self) -> smtplib.SMTP:
        wanted = self._settings
        try:
            if wanted.implicit_tls:
                context = _verifying(wanted.ca)
                return smtplib.SMTP_SSL(
                    wanted.host, wanted.port, wanted.helo or None, timeout=wanted.timeout_s, context=context
                )
            return smtplib.SMTP(wanted.host, wanted.port, wanted.helo or None, timeout=wanted.timeout_s)
        except ssl.SSLError as error:
            raise base.Refused(f"The mail server's certificate or TLS is not valid: {error.reason}") from None
        except smtplib.SMTPResponseException as error:
            raise base.TryLater(_said(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            raise base.TryLater(f"The mail server does not answer: {_why(error)}") from None

    def _greet(self, session: smtplib.SMTP) -> None:
        try:
            session.ehlo_or_helo_if_needed()
            self._secure(session)
            if self._settings.user:
                session.login(self._settings.user, self._settings.password)
        except ssl.SSLError as error:
            raise base.Refused(f"The mail server's certificate or TLS is not valid: {error.reason}") from None
        except smtplib.SMTPResponseException as error:
            family = base.Refused if error.smtp_code >= 500 else base.TryLater
            raise family(_said(error)) from None
        except smtplib.SMTPNotSupportedError:
            raise base.Refused("The mail server offers no login that we know.") from None
        except (smtplib.SMTPException, OSError) as error:
            raise base.TryLater(f"The mail server does not answer: {_why(error)}") from None

    def _secure(self, session: smtplib.SMTP) -> None:
        wanted = self._settings
        if wanted.implicit_tls or wanted.tls_off:
            return
        if session.has_extn("starttls"):
            session.starttls(context=_verifying(wanted.ca) if wanted.tls_required else _opportunistic())
            session.ehlo()
        elif wanted.tls_required:
            raise base.Refused("The mail server offers no TLS, and without it nothing may be sent.")

    def _say(self, line: str, deadline: float) -> Reply:
        session = self._alive()
        if deadline != base.NO_DEADLINE:
            base.in_time(deadline)
        session.putcmd(line)
        return Reply(*_reply(session))

    def _alive(self) -> smtplib.SMTP:
        if self._session is None or self._session.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session, self._used = None, False


def stuffed(data: bytes) -> bytes:
    """`data`, whose lines end in CRLF, with doubled leading dots (RFC 5321 section 4.5.2) and its end mark."""
    data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")


def _reply(session: smtplib.SMTP) -> tuple[int, str]:
    code, words = session.getreply()
    if code == -1:
        raise smtplib.SMTPServerDisconnected("The reply makes no sense")
    return code, words.decode("utf-8", "replace")


def _queue_id(words: str) -> str:
    found = re.search(r"queued as ([\w.-]+)", words, re.IGNORECASE)
    return found.group(1)[:200] if found else ""


def _said(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    return f"{base.code_of(error.smtp_code, words)} {base.without_addresses(words)}"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection was closed"
    if isinstance(error, socket.gaierror):
        return "its name is unknown"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _verifying(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca or None)


def _opportunistic() -> ssl.SSLContext:
    """Encrypts without asking who is there (RFC 7435): better than nothing, and nothing was the alternative."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _settings(address: base.Address) -> _Settings:
    if not address.host:
        raise base.wrong(f"{address.kind} names no host", f"Write {address.kind}://user:password@host:587.")
    tls = address.option("tls", "offered")
    if tls not in {"required", "offered", "off"}:
        raise base.wrong(f"tls={tls} is unknown", "Write ?tls=required, ?tls=offered or ?tls=off.")
    is_here = address.host in LOOPBACK
    if tls == "off" and address.user and not is_here:
        raise base.wrong("a password would travel unprotected", "Leave ?tls=off away.")
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
    )
