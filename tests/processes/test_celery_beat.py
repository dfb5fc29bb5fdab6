"""The scheduler of a worker (Celery beat). Without it no issue would begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.running_site import ROOT, environment_for, manage
from workers.management.commands import run

pytestmark = pytest.mark.processes


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc to find the clock's process")
def test_a_worker_whose_clock_dies_ends_so_that_it_is_started_again(tmp_path):
    environment = environment_for(tmp_path, 8000, "") | {"BROKER_URL": "filesystem://"}
    manage(environment, "migrate", "-v0")
    prompt = next(part for part in run.service_processes("127.0.0.1", 8000) if part.name == "prompt")
    log = tmp_path / "prompt.log"
    with log.open("w") as output:
        worker = subprocess.Popen(prompt.command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not (clocks := children(worker.pid)):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        os.kill(clocks[0], signal.SIGKILL)

        assert worker.wait(timeout=60) == 0
        assert "beat has ended" in log.read_text()
    finally:
        worker.kill()
        worker.wait()
