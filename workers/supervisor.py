"""Keeping processes: start parts, watch them, start the fallen again, stop all; and the promise that none outlives us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1
SUPERVISED_ENV = "WARTA_SUPERVISED"
"""Set for every process below `run`, so that grandchildren also ask to die with their parent."""

POLL_INTERVAL_S = 0.2
SECOND_SIGNAL_AFTER_S = 6.0
KILL_AFTER_S = 8.5
RESET_BACKOFF_AFTER_S = 30.0
"""A part that ran this long was well: its next fall starts the backoff anew."""
MAX_BACKOFF_S = 30.0
MAX_READY_WAIT_S = 5.0


def die_with_parent(sig: signal.Signals = signal.SIGTERM, *, parent: int = 0) -> None:
    """Ask the kernel for `sig` when our parent dies, even by kill -9. Linux only; elsewhere nothing happens.

    `parent` is the pid we expect: if it is gone before we could ask, we end here.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(1)


def die_with_supervised_parent() -> None:
    """For processes that our parts start themselves; outside `run` nothing happens."""
    if os.environ.get(SUPERVISED_ENV):
        die_with_parent(signal.SIGKILL)


@dataclass(frozen=True)
class Program:
    name: str
    command: tuple[str, ...]
    second_signal: signal.Signals = signal.SIGTERM
    """What makes it stop sooner when SIGTERM alone has not within HURRY_AFTER_S."""
    waits: bool = False
    """Starts when the service answers, so that it does not slow down the parts that people wait for."""


@dataclass
class _RunningProgram:
    part: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    start_at: float = 0.0
    rest: bytes = field(default=b"", repr=False)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs parts until it is told to stop. Each has a session of its own, so Ctrl-C reaches only us."""

    def __init__(
        self,
        parts: Sequence[Program],
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        is_ready: Callable[[], bool],
        when_ready: Callable[[], None],
    ) -> None:
        patient = time.monotonic() + MAX_READY_WAIT_S
        self.running = [_RunningProgram(part, start_at=patient if part.waits else 0) for part in parts]
        self.environment = {**environment, SUPERVISED_ENV: "1", "PYTHONUNBUFFERED": "1"}
        self.say, self.is_ready, self.when_ready = say, is_ready, when_ready
        self.selector = selectors.DefaultSelector()
        self.width = max(len(part.name) for part in parts)
        self.ready = False
        self.stops = 0

    def run(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self._ask_to_stop)
        while not self.stops:
            self._start_due(time.monotonic())
            self._read(POLL_INTERVAL_S)
            self._check_ready()
            self._restart_exited(time.monotonic())
        self._stop_all()

    def _ask_to_stop(self, _sig: int, _frame: object) -> None:
        self.stops += 1

    def _start_due(self, moment: float) -> None:
        for one in self.running:
            if one.process is None and moment >= one.start_at:
                self._start(one, moment)

    def _start(self, one: _RunningProgram, moment: float) -> None:
        parent = os.getpid()
        one.process = subprocess.Popen(  # noqa: S603 (our own fixed commands)
            one.part.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # We have no threads, so code between fork and exec is safe here.
            preexec_fn=lambda: die_with_parent(parent=parent),
        )
        one.started = moment
        assert one.process.stdout is not None  # noqa: S101
        os.set_blocking(one.process.stdout.fileno(), False)
        self.selector.register(one.process.stdout, selectors.EVENT_READ, one)

    def _read(self, seconds: float) -> None:
        for key, _events in self.selector.select(seconds):
            chunk = os.read(key.fd, 65536)
            if chunk:
                self._print(key.data, chunk)
            else:
                self.selector.unregister(key.fileobj)

    def _print(self, one: _RunningProgram, chunk: bytes) -> None:
        *lines, one.rest = (one.rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                self.say(f"{one.part.name:<{self.width}} | {line.decode(errors='replace').rstrip()}")

    def _check_ready(self) -> None:
        if not self.ready and self.is_ready():
            self.ready = True
            for one in self.running:
                one.start_at = min(one.start_at, time.monotonic())
            self.when_ready()

    def _restart_exited(self, moment: float) -> None:
        for one in self.running:
            if one.process is not None and one.process.poll() is not None:
                self._schedule_restart(one, one.process, moment)

    def _schedule_restart(self, one: _RunningProgram, process: subprocess.Popen[bytes], moment: float) -> None:
        one.crashes = 1 if moment - one.started > RESET_BACKOFF_AFTER_S else one.crashes + 1
        wait_s = min(0.5 * 2 ** (one.crashes - 1), MAX_BACKOFF_S)
        self._clear(one, process)
        one.process, one.start_at = None, moment + wait_s
        self.say(f"{one.part.name} ended with code {process.returncode}; it starts again in {wait_s:g} s.")

    def _clear(self, one: _RunningProgram, process: subprocess.Popen[bytes]) -> None:
        """Print what is left in the pipe and end what the part has left behind in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(process.stdout.fileno(), 65536):
                self._print(one, chunk)
        with contextlib.suppress(KeyError):
            self.selector.unregister(process.stdout)
        process.stdout.close()

    def _stop_all(self) -> None:
        begun, hurried = time.monotonic(), False
        self._send(signal.SIGTERM)
        while any(one.is_alive for one in self.running):
            self._read(POLL_INTERVAL_S / 4)
            waited = time.monotonic() - begun
            if self.stops > 1 or waited > KILL_AFTER_S:
                break
            if waited > SECOND_SIGNAL_AFTER_S and not hurried:
                hurried = True
                self._send(None)
        for one in self.running:
            if one.process is not None:
                self._end(one, one.process)

    def _send(self, sig: signal.Signals | None) -> None:
        for one in self.running:
            if one.is_alive and one.process is not None:
                one.process.send_signal(sig or one.part.second_signal)

    def _end(self, one: _RunningProgram, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
            process.wait()
        self._clear(one, process)
