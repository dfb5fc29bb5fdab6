"""Real sender processes, killed, stopped and doubled during a send. An independent mail server counts the messages."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from tests.running_site import ROOT, environment_for, manage, throwaway_database
from tests.workers.sending_helpers import smtp_server

pytestmark = pytest.mark.processes


class Site:
    """A database, a mail server, and sender processes."""

    def __init__(self, environment, sink):
        self.environment, self.sink, self.issue = environment, sink, 0

    def run(self, *arguments):
        done = subprocess.run(self.command(*arguments), cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, *arguments):
        process = subprocess.Popen(
            self.command("send", str(self.issue), *arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        return process

    def command(self, *arguments):
        return [sys.executable, "-m", "tests.processes.sender_process", *arguments]

    def state(self):
        return self.run("state", str(self.issue))

    def counts(self):
        return Counter(self.sink.recipients)


@contextmanager
def site(folder, *, readers):
    with throwaway_database(os.environ.get("DATABASE_URL", "")) as url, smtp_server() as sink:
        environment = environment_for(folder, 8000, url) | {"MAIL_URL": f"smtp://127.0.0.1:{sink.port}"}
        environment["PYTHONPATH"] = str(ROOT)
        manage(environment, "migrate", "-v0")
        made = Site(environment, sink)
        made.issue = made.run("prepare", str(readers))
        yield made


def test_t64_kill_9_in_mid_send_loses_and_doubles_nobody(tmp_path):
    """Each kill leaves at most one reader uncertain, and the ledger names that reader."""
    chance, readers, kills = random.Random(20261124), 400, 5
    with site(tmp_path, readers=readers) as here:
        victim = {}
        marks = sorted(chance.sample(range(5, readers - 5), kills))

        def kill_at_the_mark(_data):
            if marks and len(here.sink.received) >= marks[0]:
                marks.pop(0)
                os.kill(victim["pid"], signal.SIGKILL)

        here.sink.on_data = kill_at_the_mark
        killed = 0
        while here.state()["status"] != "sent":
            process = here.start()
            victim["pid"] = process.pid
            killed += process.wait() == -signal.SIGKILL
            process.stdout.close()

        told, counts = here.state(), here.counts()
        everybody = {f"n{place}@p.example" for place in range(readers)}
        assert killed == kills
        assert told["adds_up"]
        assert [who for who, times in counts.items() if times > 1] == []
        assert everybody - set(counts) <= set(told["uncertain"])
        assert len(told["uncertain"]) <= kills
        assert told["equation"][0] + len(told["uncertain"]) == readers


def test_t64_two_senders_at_once_double_nobody(tmp_path):
    with site(tmp_path, readers=1200) as here:
        first, second = here.start(), here.start()
        for process in (first, second):
            assert process.wait() == 0
            process.stdout.close()
        while here.state()["status"] != "sent":
            here.start().communicate()

        counts = here.counts()
        assert (len(counts), set(counts.values())) == (1200, {1})
        assert here.state()["equation"] == [1200, 0, 0, 0, 0, 0]


def test_t64_a_sender_that_slept_past_its_lease_sends_nothing_more(tmp_path):
    with site(tmp_path, readers=30) as here:
        here.sink.on_data = lambda _data: time.sleep(0.05)
        sleeper = here.start("2")
        while len(here.sink.received) < 3:
            time.sleep(0.01)
        os.kill(sleeper.pid, signal.SIGSTOP)
        time.sleep(0.2)
        before = len(here.sink.received)
        time.sleep(2)
        here.run("send", str(here.issue))
        assert len(here.sink.received) == before

        os.kill(sleeper.pid, signal.SIGCONT)
        sleeper.communicate()
        assert len(here.sink.received) <= before + 1

        here.run("send", str(here.issue))
        assert set(here.counts().values()) == {1}
        told = here.state()
        assert told["adds_up"]
        assert told["equation"][4] <= 1
        assert told["equation"][5] == 0
