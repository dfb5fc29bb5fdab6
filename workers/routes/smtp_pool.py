"""Several SMTP connections in one thread, each with one mail transaction at a time.

One thread, because results must be written to the spool one after another, and the checks of readers use this thread's
database connection. Most time is spent waiting, and one select waits for all connections.
"""

from __future__ import annotations

import math
import select
import smtplib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from workers.routes import base, smtp_session

READ_BYTES = 1 << 16
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(slots=True)
class SendJob:
    letter: base.OutgoingMessage
    deadline: float
    may_leave: Callable[[], bool] = base.always
    future: Future[base.SendResult] = field(default_factory=Future)


class PooledConnection:
    """One connection after its greeting. `is_usable` turns False when it may carry no further message."""

    def __init__(self, session: smtplib.SMTP, sock: socket.socket, timeout_s: float) -> None:
        self.session, self.sock, self.timeout_s = session, sock, timeout_s
        self.is_used, self.is_usable = False, True
        self.task: SendJob | None = None
        self.due_at = 0.0
        self._pipelining = session.has_extn("pipelining")
        self._received, self._unsent = b"", memoryview(b"")
        self._transaction: smtp_session.MailTransaction

    def send_and_wait(self, letter: base.OutgoingMessage, *, deadline: float) -> base.SendResult:
        """Send one message and wait for each reply. Raises what `mail_transaction` raises; the connection is closed then."""
        self._start_transaction(letter, deadline, wait_s=self.timeout_s)
        try:
            result = self._say(None)
            while result is None:
                result = self._say(self._exchange())
        except BaseException:
            self.abort()
            raise
        return result

    def _exchange(self) -> smtp_session.Reply | OSError:
        try:
            if self._unsent:
                self.sock.sendall(self._unsent)
            return self._receive_reply()
        except OSError as error:
            return error

    def _start_transaction(self, letter: base.OutgoingMessage, deadline: float, *, wait_s: float) -> None:
        if self.sock.gettimeout() != wait_s:
            self.sock.settimeout(wait_s)
        self._transaction = smtp_session.mail_transaction(
            letter, deadline=deadline, is_used=self.is_used, pipelining=self._pipelining
        )

    def _say(self, heard: smtp_session.Reply | OSError | None) -> base.SendResult | None:
        """Pass a reply or error to the transaction and keep the bytes it wants to send. Returns its result at the end."""
        if isinstance(heard, OSError) or (heard is not None and heard.code == 421):
            self.is_usable = False
        try:
            wanted = self._transaction.throw(heard) if isinstance(heard, OSError) else self._transaction.send(heard)  # type: ignore[arg-type]
        except StopIteration as done:
            result: base.SendResult = done.value
            self._ended()
            return result
        self._unsent = memoryview(wanted)
        return None

    def _ended(self) -> None:
        self.is_used = True
        if not self.is_usable:
            self.abort()

    def _receive_reply(self) -> smtp_session.Reply:
        while (found := smtp_session.parse_reply(self._received)) is None:
            piece = self.sock.recv(READ_BYTES)
            if not piece:
                raise smtp_session.ConnectionClosed("The connection was closed")
            self._received += piece
        self._received = found[1]
        return found[0]

    def abort(self) -> None:
        self.is_usable, self._unsent = False, memoryview(b"")
        self.session.close()

    def quit(self) -> None:
        try:
            self.sock.settimeout(self.timeout_s)
            self.session.quit()
        except (smtplib.SMTPException, OSError):
            self.session.close()

    # --- without waiting ---

    @property
    def wants_to_send(self) -> bool:
        return bool(self._unsent)

    def begin(self, task: SendJob) -> base.SendResult | None:
        """Start a message; call `go_on` whenever the socket is ready. Raises what `mail_transaction` raises."""
        self.task = task
        self._start_transaction(task.letter, task.deadline, wait_s=0.0)
        return self._say(None) or self.go_on(may_read=False)

    def go_on(self, *, may_read: bool) -> base.SendResult | None:
        """Send and receive without waiting. Returns the result once there is one."""
        result = None
        while result is None and (heard := self._exchange_without_waiting(may_read=may_read)) is not None:
            result = self._say(heard)
        return result

    def time_out(self) -> base.SendResult | None:
        return self._say(TimeoutError())

    def _exchange_without_waiting(self, *, may_read: bool) -> smtp_session.Reply | OSError | None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
            return self._receive_reply() if may_read or self._received else None
        except WOULD_BLOCK:
            return None
        except OSError as error:
            return error
        finally:
            self.due_at = base.boottime() + self.timeout_s


class ConnectionPool:
    """Parallel connections. The caller begins at most `most` messages at once."""

    def __init__(self, open_connection: Callable[[], PooledConnection], *, most: int) -> None:
        self.open_connection, self.most = open_connection, most
        self.lines: list[PooledConnection] = []
        self._current_limit = most
        self._waiting: deque[SendJob] = deque()

    def open(self) -> None:
        """Make sure of a line. What was begun and left alone is dropped; a server that wanted fewer lines is asked again.

        Raises RouteUnavailable or AccountRefused.
        """
        for line in [line for line in self.lines if line.task is not None or not line.is_usable]:
            self._remove(line)
        self._current_limit = self.most
        self._waiting.clear()
        if not self.lines:
            self.lines.append(self.open_connection())

    def begin(
        self, letter: base.OutgoingMessage, *, deadline: float, may_leave: Callable[[], bool] = base.always
    ) -> Future[base.SendResult]:
        task = SendJob(letter, deadline, may_leave)
        self._assign(task)
        return task.future

    def finished(self, flying: Collection[Future[base.SendResult]], *, wait: bool) -> set[Future[base.SendResult]]:
        """Those that are done; with `wait`, once there is one."""
        self._poll(0.0)
        while wait and not any(future.done() for future in flying):
            self._poll(None)
        return {future for future in flying if future.done()}

    def close(self) -> None:
        for line in self.lines:
            line.quit()
        self.lines = []

    def _assign(self, task: SendJob) -> None:
        """To a line that is idle, to a new one, or to the first that will be."""
        line = next((line for line in self.lines if line.task is None), None)
        if line is None and len(self.lines) < self._current_limit:
            line = self._add_connection(task)
        if line is not None:
            self._advance_connection(line, partial(line.begin, task))
        elif not task.future.done():
            self._waiting.append(task)

    def _add_connection(self, task: SendJob) -> PooledConnection | None:
        try:
            line = self.open_connection()
        except (base.RouteUnavailable, base.AccountRefused) as problem:
            if self.lines:
                self._current_limit = len(self.lines)
            else:
                for lost in (task, *self._waiting):
                    lost.future.set_exception(problem)
                self._waiting.clear()
            return None
        self.lines.append(line)
        return line

    def _poll(self, wait_s: float | None) -> None:
        """Let every line go on that has something to hear or may send; without `wait_s` after waiting for one of them."""
        busy = {line.sock.fileno(): line for line in self.lines if line.task is not None}
        if wait_s is None:
            wait_s = max(0.0, min((line.due_at for line in busy.values()), default=0.0) - base.boottime())
        ready = select.poll()
        for descriptor, line in busy.items():
            ready.register(descriptor, select.POLLIN | (select.POLLOUT if line.wants_to_send else 0))
        heard = dict(ready.poll(math.ceil(wait_s * 1000)))
        for descriptor, line in busy.items():
            if events := heard.get(descriptor, 0):
                self._advance_connection(line, partial(line.go_on, may_read=bool(events & ~select.POLLOUT)))
            elif line.due_at <= base.boottime():
                self._advance_connection(line, line.time_out)

    def _advance_connection(self, line: PooledConnection, act: Callable[[], base.SendResult | None]) -> None:
        was_used = line.is_used
        try:
            result = act()
        except OSError as error:
            task = self._remove(line)
            if task is not None and was_used:
                self._waiting.appendleft(task)  # it has not left: the line was stale
            elif task is not None:
                words = f"The mail server did not take the message: {smtp_session.describe_error(error)}"
                task.future.set_exception(base.RouteUnavailable(words))
        except (base.RouteUnavailable, base.AccountRefused, base.DeadlineExceeded) as problem:
            if task := self._remove(line):
                task.future.set_exception(problem)
        else:
            if result is None:
                return
            self._ended(line, result)
        self._assign_waiting()

    def _assign_waiting(self) -> None:
        """Nobody waits while a line is idle or may be made. Time has passed: whoever may not get it any more stays."""
        while self._waiting and (
            len(self.lines) < self._current_limit or any(line.task is None for line in self.lines)
        ):
            task = self._waiting.popleft()
            if task.may_leave():
                self._assign(task)
            else:
                task.future.cancel()

    def _ended(self, line: PooledConnection, result: base.SendResult) -> None:
        task, line.task = line.task, None
        if not line.is_usable:
            self._remove(line)
        if task is not None:
            task.future.set_result(result)

    def _remove(self, line: PooledConnection) -> SendJob | None:
        task, line.task = line.task, None
        line.abort()
        self.lines.remove(line)
        return task
