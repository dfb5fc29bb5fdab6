"""What is said for one letter over SMTP, and what the answers mean. No socket: bytes to send out, replies in.

A talk is a generator: it yields what is to be sent, takes each reply, and returns the Result. What goes wrong with the
connection is thrown into it, for only the talk knows whether the letter may have left by then.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
from collections.abc import Generator
from dataclasses import replace
from typing import NamedTuple

from workers.routes import base

MailTransaction = Generator[bytes, "Reply", base.SendResult]
_REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*|\r)?\n")
_THROTTLED = re.compile(r"\b4\.7\.\d{1,3}\b")
MAX_REPLY_BYTES = 65536
READ_NEXT_REPLY = b""
"""Nothing to send: only the next reply is wanted."""


class ConnectionClosed(OSError):
    """The other side has gone, or makes no sense."""


class ConnectionExhausted(ConnectionClosed):
    """It takes no more letters on this connection, and would take them on another."""


class Reply(NamedTuple):
    code: int
    words: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def asks_to_slow_down(self) -> bool:
        return self.code == 421 or (self.code // 100 == 4 and bool(_THROTTLED.search(self.words)))


def parse_reply(got: bytes) -> tuple[Reply, bytes] | None:
    """The first whole reply (RFC 5321 section 4.2) and what came after it; None while it is not whole. Raises Closed."""
    found = _REPLY.match(got)
    if found is None:
        first = got.partition(b"\n")[0]
        if len(got) > MAX_REPLY_BYTES or not (first[:3].isdigit() or b"\n" not in got):
            raise ConnectionClosed("The reply makes no sense")
        return None
    lines = found.group().decode("utf-8", "replace").splitlines()
    return Reply(int(found.group(1)), "\n".join([line[4:].strip() for line in lines])), got[found.end() :]


def dot_stuff(data: bytes) -> bytes:
    """`data`, whose lines end in CRLF, with doubled leading dots (RFC 5321 section 4.5.2) and its end mark."""
    data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")


def mail_transaction(
    letter: base.OutgoingMessage, *, deadline: float, is_used: bool, pipelining: bool
) -> MailTransaction:
    """One letter on a connection; `is_used` if it carried others before. The connection is fit for the next letter
    afterwards, unless the last reply was 421 or an OSError came.

    With `pipelining` (RFC 2920) the three commands before the body go as one. Raises AccountRefused if the sender is refused,
    DeadlineExceeded, and OSError or EnoughOnOne if the message was not sent.
    """
    mail, rcpt = _mail_command(letter), _encode_command(f"RCPT TO:<{letter.recipient}>")
    replies = _pipeline_commands(mail, rcpt) if pipelining else _send_commands(mail, rcpt, deadline)
    base.check_deadline(deadline)
    refusal = yield from replies
    if refusal is not None and refusal.of_sender:
        if refusal.reply.code == 421 and is_used:
            raise ConnectionExhausted("enough letters on one connection")
        if refusal.reply.code >= 500:
            raise base.AccountRefused(
                f"{base.format_code(*refusal.reply)} {base.redact_addresses(refusal.reply.words)}"
            )
    if refusal is not None:
        return replace(result_from_reply(refusal.reply), is_route_wide=refusal.of_sender)
    base.check_deadline(deadline)
    try:
        reply = yield letter.data if letter.stuffed else dot_stuff(letter.data)
    except OSError as error:  # the point of no return is behind us: nobody knows whether the letter has left
        return base.SendResult("uncertain", detail=describe_error(error), is_outage=True)
    if reply.is_positive:
        return base.SendResult("accepted", base.format_code(*reply), provider_id=_queue_id(reply.words))
    return result_from_reply(reply)


class _Refusal(NamedTuple):
    reply: Reply
    of_sender: bool


def _send_commands(mail: bytes, rcpt: bytes, deadline: float) -> Generator[bytes, Reply, _Refusal | None]:
    """MAIL, RCPT, DATA; the first of them that was refused, after which the session is as new."""
    for line in (mail, rcpt, b"DATA\r\n"):
        base.check_deadline(deadline)
        reply = yield line
        if not (reply.code == 354 if line == b"DATA\r\n" else reply.is_positive):
            yield from _reset(reply)
            return _Refusal(reply, line == mail)
    return None


def _pipeline_commands(mail: bytes, rcpt: bytes) -> Generator[bytes, Reply, _Refusal | None]:
    """The same in one go. Whoever refuses the reader and yet asks for the body gets an empty one, for nobody."""
    replies = [(yield mail + rcpt + b"DATA\r\n")]
    try:
        for _reply in range(2):
            replies.append((yield READ_NEXT_REPLY))  # one by one: what came before the connection was cut counts
    except OSError:
        if all(reply.is_positive for reply in replies):
            raise
    refused = next((place for place, reply in enumerate(replies[:2]) if not reply.is_positive), None)
    if refused is None and replies[2].code == 354:
        return None
    if len(replies) == 3 and replies[2].code == 354:
        yield b".\r\n"
    place = 2 if refused is None else refused
    yield from _reset(replies[place])
    return _Refusal(replies[place], place == 0)


def _reset(reply: Reply) -> Generator[bytes, Reply, None]:
    """No body was sent: make the session ready for the next letter, unless it is over."""
    if reply.code != 421:
        with contextlib.suppress(OSError):
            yield b"RSET\r\n"


def _mail_command(letter: base.OutgoingMessage) -> bytes:
    return _encode_command(f"MAIL FROM:<{letter.sender}>" + ("" if letter.data.isascii() else " BODY=8BITMIME"))


def _encode_command(words: str) -> bytes:
    if not words.isprintable():
        raise ValueError("An address with control characters")  # would be a command of its own
    return f"{words}\r\n".encode()


def result_from_reply(reply: Reply) -> base.SendResult:
    outcome: base.SendOutcome = "refused" if reply.code >= 500 else "deferred"
    words = base.redact_addresses(reply.words)
    return base.SendResult(outcome, base.format_code(*reply), words, asks_to_slow_down=reply.asks_to_slow_down)


def _queue_id(words: str) -> str:
    found = re.search(r"queued as ([\w.-]+)", words, re.IGNORECASE)
    return found.group(1)[:200] if found else ""


def describe_error(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionClosed | smtplib.SMTPServerDisconnected):
        return "the connection was closed"
    if isinstance(error, socket.gaierror):
        return "its name is unknown"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
