"""Start, watch, restart and stop the processes of `manage.py run`. No process outlives the supervisor (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
SUPERVISED_ENV = "WARTA_SUPERVISED"
"""Set in every process below `run`, so that their own children also end when their parent dies."""

POLL_INTERVAL_S = 0.2
SECOND_SIGNAL_AFTER_S = 6.0
KILL_AFTER_S = 8.5
RESET_BACKOFF_AFTER_S = 30.0
"""A program that ran this long counts as healthy: its next exit starts the backoff at its shortest wait."""
MAX_BACKOFF_S = 30.0
MAX_READY_WAIT_S = 5.0


def die_with_parent(sig: signal.Signals = signal.SIGTERM, *, parent: int = 0) -> None:
    """Make the kernel send `sig` to this process when its parent dies, even by kill -9. Does nothing outside Linux.

    `parent` is the expected parent pid. The process exits at once if that parent has already died.
    """
    if not sys.platform.startswith("linux"):
        return
    # Linux clears this setting in a fork's child, so each process has to set it itself (prctl(2)).
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(1)


def die_with_supervised_parent() -> None:
    """Call `die_with_parent` with SIGKILL in a process below `run`. Does nothing elsewhere."""
    if os.environ.get(SUPERVISED_ENV):
        die_with_parent(signal.SIGKILL)


def set_process_name(name: str) -> None:
    """Set what `ps -o comm` and `top` show for this process: at most 15 bytes. Does nothing outside Linux."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


@dataclass(frozen=True)
class Program:
    """One process to keep running: a command to execute, or a function that a fork of this process calls."""

    name: str
    command: tuple[str, ...] = ()
    function: Callable[[], None] | None = None
    """Called in a fork, which shares the memory of all modules that the supervisor has imported."""
    second_signal: signal.Signals = signal.SIGTERM
    """Sent if the process still runs SECOND_SIGNAL_AFTER_S after SIGTERM."""
    waits: bool = False
    """Start only once the site answers, so that the web process starts faster."""


class Process(Protocol):
    """A started program, as `subprocess.Popen` describes one."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def send_signal(self, sig: int) -> None: ...
    def wait(self) -> int: ...


class ForkedProcess:
    """A fork that calls a function in a session of its own; its output goes to `output`."""

    def __init__(self, function: Callable[[], None], *, output: int, environment: Mapping[str, str]) -> None:
        parent = os.getpid()
        self._process = multiprocessing.get_context("fork").Process(
            target=_run_in_fork, args=(function, output, parent, dict(environment))
        )
        # Buffered output would be written twice: by this process and by the fork.
        sys.stdout.flush()
        sys.stderr.flush()
        self._process.start()
        assert self._process.pid is not None  # noqa: S101
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        # Reading the exit code first reaps the process; its pid may belong to another process afterwards.
        if self._process.exitcode is None:
            os.kill(self.pid, sig)

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None  # noqa: S101
        return self._process.exitcode


def _run_in_fork(function: Callable[[], None], output: int, parent: int, environment: dict[str, str]) -> None:
    """Detach the fork from its parent's session, signals, output and file descriptors, then call `function`."""
    os.setsid()
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_DFL)
    die_with_parent(parent=parent)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.update(environment)
    # A process that this one forks (granian's worker) ends with it; it would never run the start of a command.
    os.register_at_fork(after_in_child=die_with_supervised_parent)
    function()


@dataclass
class _RunningProgram:
    program: Program
    process: Process | None = None
    output: int = -1
    """The end of the pipe that the supervisor reads."""
    started: float = 0.0
    crashes: int = 0
    start_at: float = 0.0
    unfinished_line: bytes = field(default=b"", repr=False)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs programs until SIGINT, SIGTERM or SIGHUP. Each gets its own session, so that Ctrl-C reaches only this one."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        is_ready: Callable[[], bool],
        when_ready: Callable[[], None],
        close_in_fork: Callable[[], None] = lambda: None,
    ) -> None:
        """`close_in_fork` closes what only the supervisor may hold, such as its lock file."""
        latest_start = time.monotonic() + MAX_READY_WAIT_S
        self.running = [_RunningProgram(one, start_at=latest_start if one.waits else 0) for one in programs]
        self.environment = {**environment, SUPERVISED_ENV: "1", "PYTHONUNBUFFERED": "1"}
        self.say, self.is_ready, self.when_ready, self.close_in_fork = say, is_ready, when_ready, close_in_fork
        self.selector = selectors.DefaultSelector()
        self.width = max(len(one.name) for one in programs)
        self.ready = False
        self.stops = 0

    def run(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self._ask_to_stop)
        try:
            while not self.stops:
                self._start_due(time.monotonic())
                self._read(POLL_INTERVAL_S)
                self._check_ready()
                self._restart_exited(time.monotonic())
        finally:
            self._stop_all()

    def _ask_to_stop(self, _sig: int, _frame: object) -> None:
        self.stops += 1

    def _start_due(self, moment: float) -> None:
        for one in self.running:
            if one.process is None and moment >= one.start_at:
                self._start(one, moment)

    def _start(self, one: _RunningProgram, moment: float) -> None:
        one.output, child_end = os.pipe()
        try:
            one.process = self._fork(one, child_end) if one.program.function else self._execute(one, child_end)
        finally:
            os.close(child_end)
        one.started = moment
        os.set_blocking(one.output, False)
        self.selector.register(one.output, selectors.EVENT_READ, one)

    def _execute(self, one: _RunningProgram, output: int) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        return subprocess.Popen(  # noqa: S603 (our own fixed commands)
            one.program.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # This process has no threads, so code between fork and exec is safe here.
            preexec_fn=lambda: die_with_parent(parent=parent),
        )

    def _fork(self, one: _RunningProgram, output: int) -> ForkedProcess:
        """Forking is safe as long as this process has no threads and no open database connection."""
        function = one.program.function
        assert function is not None  # noqa: S101

        def run_program() -> None:
            set_process_name(f"warta-{one.program.name}")
            self._close_files_of_supervisor()
            function()

        return ForkedProcess(run_program, output=output, environment=self.environment)

    def _close_files_of_supervisor(self) -> None:
        """Without this a fork would keep the lock and the other programs' pipes open when the supervisor dies."""
        self.selector.close()
        for one in self.running:
            if one.output >= 0:
                os.close(one.output)
        self.close_in_fork()

    def _read(self, seconds: float) -> None:
        for key, _events in self.selector.select(seconds):
            chunk = os.read(key.fd, 65536)
            if chunk:
                self._print(key.data, chunk)
            else:
                self.selector.unregister(key.fileobj)

    def _print(self, one: _RunningProgram, chunk: bytes) -> None:
        *lines, one.unfinished_line = (one.unfinished_line + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                self.say(f"{one.program.name:<{self.width}} | {line.decode(errors='replace').rstrip()}")

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

    def _schedule_restart(self, one: _RunningProgram, process: Process, moment: float) -> None:
        one.crashes = 1 if moment - one.started > RESET_BACKOFF_AFTER_S else one.crashes + 1
        wait_s = min(0.5 * 2 ** (one.crashes - 1), MAX_BACKOFF_S)
        self._clear(one, process)
        one.process, one.start_at = None, moment + wait_s
        self.say(f"{one.program.name} ended with code {process.returncode}; it starts again in {wait_s:g} s.")

    def _clear(self, one: _RunningProgram, process: Process) -> None:
        """Kill what the program left in its session, print the rest of its output and close the pipe."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(one.output, 65536):
                self._print(one, chunk)
        with contextlib.suppress(KeyError):
            self.selector.unregister(one.output)
        os.close(one.output)
        one.output = -1

    def _stop_all(self) -> None:
        """SIGTERM first, then the second signal, then SIGKILL. A second Ctrl-C kills at once."""
        started, has_sent_second = time.monotonic(), False
        self._send(signal.SIGTERM)
        while any(one.is_alive for one in self.running):
            self._read(POLL_INTERVAL_S / 4)
            waited = time.monotonic() - started
            if self.stops > 1 or waited > KILL_AFTER_S:
                break
            if waited > SECOND_SIGNAL_AFTER_S and not has_sent_second:
                has_sent_second = True
                self._send(None)
        for one in self.running:
            if one.process is not None:
                self._end(one, one.process)

    def _send(self, sig: signal.Signals | None) -> None:
        """Send `sig`, or each program's second signal, to all that still run."""
        for one in self.running:
            if one.is_alive and one.process is not None:
                one.process.send_signal(sig or one.program.second_signal)

    def _end(self, one: _RunningProgram, process: Process) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._clear(one, process)
