"""The real workers of a crash test, as `run` starts them; whoever is killed is started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from workers import supervisor


class WorkerProcesses:
    """Worker processes by name, each the leader of a group of its own."""

    def __init__(self, parts: Mapping[str, tuple[str, ...]], *, environment: Mapping[str, str], log: Path) -> None:
        self._parts, self._environment, self._log = parts, {**environment, supervisor.SUPERVISED_ENV: "1"}, log
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start whoever does not run."""
        for name, command in self._parts.items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                self._running[name] = self._started(command)

    def _started(self, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (our own fixed commands)
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: supervisor.die_with_parent(parent=parent),
            )

    def kill(self, name: str) -> bool:
        """kill -9 of a worker with all its processes. False if it was not running."""
        process = self._running.get(name)
        if process is None or process.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True

    def kill_child(self, name: str, pid: int) -> bool:
        """kill -9 of one process of a worker's pool; False if it is none of ours or gone."""
        process = self._running.get(name)
        try:
            ours = process is not None and pid != process.pid and os.getpgid(pid) == process.pid
            if ours:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return ours

    def stop(self, *, seconds: float = 15.0) -> None:
        """Ask everybody to end, then make them."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + seconds
        for name, process in self._running.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, until - time.monotonic()))
            self.kill(name)
