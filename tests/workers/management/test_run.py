"""`manage.py run` with real processes: it starts, answers, mends and stops; and what the workers promise about messages."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from workers.routes import anymail_single, smtp
from workers.sending import lifecycle

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PATIENCE_S = 60


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(claim, *, patience_s=PATIENCE_S):
    """Wait for `claim()` to hold, and return what it returned."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if found := claim():
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {claim.__name__} within {patience_s} s")


def descendants(pid):
    found = []
    for line in subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split("\n"):
        if line.strip():
            child, parent = map(int, line.split())
            if parent == pid:
                found += [child, *descendants(child)]
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def name_of(pid):
    """The name that `run` gave a process, which its own children inherit."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


NAMES = ("warta-web", "warta-prompt", "warta-bulk", "warta-fetch")
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks and process names of Linux")


class Service:
    """One `manage.py run` with a folder, a database and a port of its own."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {**kept, "VAR_DIR": str(folder), "PORT": str(port), "SEND_SLOTS": "1"}
        self.log = folder / "run.log"

    def manage(self, *arguments):
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, cwd=ROOT)

    def start(self, *arguments):
        command = [sys.executable, str(ROOT / "manage.py"), "run", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=ROOT)
        until(self.is_announced)

    def is_announced(self):
        assert self.process.poll() is None, self.log.read_text()
        return "Warta is running" in self.log.read_text()

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def parts(self):
        return [pid for pid in descendants(self.process.pid) if is_alive(pid)]

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        if self.process.poll() is None:
            self.process.kill()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with an empty database and the static files, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    service = Service(folder, free_port())
    for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
        done = service.manage(*command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def service(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    service = Service(tmp_path, free_port())
    yield service
    if hasattr(service, "process"):
        service.end()


@pytest.mark.processes
def test_run_starts_answers_and_stops_within_ten_seconds(service):
    service.start()

    assert service.get("/healthz") == (200, b"ok\n")
    until(service.is_ready)
    parts = service.parts()
    began = time.monotonic()
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(15) == 0

    assert time.monotonic() - began < 10
    assert [pid for pid in parts if is_alive(pid)] == []
    log = service.log.read_text()
    assert f"http://127.0.0.1:{service.port}/studio/" in log
    assert re.search(r"Traceback|ERROR", log) is None, log


@linux_only
@pytest.mark.processes
def test_what_dies_is_started_again(service):
    service.start()
    until(service.is_ready)
    first = {name_of(pid): pid for pid in reversed(service.parts())}
    assert set(NAMES) <= set(first)

    for name in NAMES:
        os.kill(first[name], signal.SIGKILL)

    def all_are_back():
        now = {name_of(pid): pid for pid in reversed(service.parts())}
        return all(name in now and now[name] != first[name] for name in NAMES)

    until(all_are_back)
    until(lambda: service.get("/healthz")[0] == 200)
    assert "bulk ended with code -9; it starts again in 0.5 s." in service.log.read_text()


@linux_only
@pytest.mark.processes
def test_nothing_outlives_a_parent_that_was_killed(service):
    service.start()
    until(service.is_ready)
    parts = service.parts()
    assert sorted(map(name_of, parts)) == sorted([*NAMES, "warta-web"])  # granian and its worker

    service.process.kill()

    until(lambda: not [pid for pid in parts if is_alive(pid)], patience_s=20)


@linux_only
@pytest.mark.processes
def test_a_run_starts_while_the_killed_ones_processes_still_stop(service):
    """No fork may hold the lock of the folder."""
    service.start()
    until(service.is_ready)
    service.process.kill()
    service.process.wait()

    service.environment["PORT"] = str(free_port())
    service.port = int(service.environment["PORT"])
    service.start()

    until(service.is_ready)


@pytest.mark.processes
def test_a_taken_port_is_said_in_one_line(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = Service(tmp_path, port).manage("run")

    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"CommandError: Port {port} is taken. Stop the program that uses it, or choose another: PORT={port + 1} make run"
    ]


@pytest.mark.processes
def test_a_second_run_in_the_same_folder_is_refused(service):
    service.start()
    service.environment["PORT"] = str(free_port())

    done = service.manage("run")

    assert done.returncode == 1
    assert f"Warta already runs in {service.folder}" in done.stderr


@pytest.mark.processes
def test_port_as_an_option_moves_the_whole_site(service):
    service.port = free_port()

    service.start("--port", str(service.port))

    assert service.get("/healthz")[0] == 200
    assert f"http://127.0.0.1:{service.port}/studio/" in service.log.read_text()


MEASURED_ISSUE = """
from newsletter.models import Link, Tracking
from subscribers import tokens
from tests.factories import make_issue, make_newsletter
issue = make_issue(make_newsletter(tracking=Tracking.AGGREGATE))
Link.objects.create(issue=issue, issue_key=issue.pk, number=1, language="id", url="https://kabarlintas.example/a")
print("token", tokens.make_hit(issue.pk, 0))
"""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@pytest.mark.processes
def test_every_click_that_was_answered_is_counted_though_the_web_server_is_killed(service):
    token = re.search(r"token (\S+)", service.manage("shell", "-v0", "-c", MEASURED_ISSUE).stdout)[1]
    options = ["--interface", "wsgi", "--port", str(service.port), "--workers", "1", "--blocking-threads", "2"]
    command = [sys.executable, "-m", "granian", *options, "workers.hits:application"]
    environment = {**service.environment, "WARTA_SUPERVISED": "1"}
    web = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: service.get("/healthz")[0] == 200)
    opener = urllib.request.build_opener(NoRedirect)
    answered = 0

    def click():
        nonlocal answered
        try:
            opener.open(f"http://127.0.0.1:{service.port}/l/1/{token}", timeout=5)
        except urllib.error.HTTPError as error:
            answered += error.code == 302
        except OSError:
            return False
        return True

    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        click()
    processes = [*descendants(web.pid), web.pid]
    killers = threading.Timer(0.3, lambda: [os.kill(pid, signal.SIGKILL) for pid in processes])
    killers.start()
    while click():
        pass
    killers.join()
    web.wait()

    loaded = service.manage("drain", "--once").stdout
    counted = int(loaded.split()[0])
    # The last hit may have been written and its answer cut off; nothing that was answered may be missing.
    assert answered <= counted <= answered + 1
    assert answered > 50
    assert service.manage("drain", "--once").stdout == "0 hits loaded\n"


# --- what workers promise, without starting any ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def celery_facts(tmp_path_factory):
    """Read in a process of its own, so that Celery does not enter this one."""
    code = """
        import json
        from workers import celery, schedule, tasks
        conf, app = celery.app.conf, celery.app
        names = [name for name in app.tasks if not name.startswith("celery.")]
        print(json.dumps({
            "conf": {name: conf[name] for name in (
                "task_acks_late", "task_reject_on_worker_lost", "worker_prefetch_multiplier", "task_ignore_result",
                "task_serializer", "accept_content", "worker_enable_remote_control", "worker_soft_shutdown_timeout")},
            "queues": sorted(queue.name for queue in conf.task_queues),
            "redis": celery.transport_options("redis://localhost"),
            "tasks": {name: str(getattr(app.tasks[name], "queue", None) or conf.task_default_queue) for name in names},
            "limits": [app.tasks["send"].soft_time_limit, app.tasks["send"].time_limit],
            "unknown": [name for name in names if name != "send" and app.tasks[name].run.__kwdefaults__],
            "entries": [[e.task, e.every.total_seconds(), schedule.beat_schedule()[e.name]["options"]["expires"], e.why]
                        for e in schedule.PERIODIC_TASKS],
        }))
    """
    folder = tmp_path_factory.mktemp("var")
    environment = {**os.environ, "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "newsletter.settings"}
    import textwrap

    setup = "import django, os; django.setup()\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + textwrap.dedent(code)], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_t69_messages_are_late_acknowledged_json_of_ids(celery_facts):
    assert celery_facts["conf"] == {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_enable_remote_control": False,
        "worker_soft_shutdown_timeout": 3.0,
    }
    assert celery_facts["redis"] == {"visibility_timeout": 600}


def test_a_sender_outlives_a_silent_provider_and_ends_before_redis_gives_its_task_away(celery_facts):
    """So that the breaker hears of the silence: four replies of a mail server, or a call and one repetition."""
    silent_s = max(4 * smtp.TIMEOUT_S, 2 * anymail_single.TIMEOUT_S)
    soft, hard = celery_facts["limits"]

    assert lifecycle.MAX_TASK_S + silent_s < soft < hard < celery_facts["redis"]["visibility_timeout"]


def test_a_confirmation_mail_never_waits_behind_an_issue(celery_facts):
    assert celery_facts["queues"] == ["bulk", "fetch", "prompt"]
    assert celery_facts["tasks"] == {
        "admit": "prompt",
        "notify": "prompt",
        "begin": "prompt",
        "dispatch": "prompt",
        "look": "prompt",
        "prepare": "prompt",
        "check": "fetch",
        "send": "bulk",
        "beat": "prompt",
        "recover": "prompt",
        "recount": "prompt",
        "collect": "fetch",
        "forget": "prompt",
    }


def test_every_tick_has_a_reason_and_expires_after_its_period(celery_facts):
    entries = {task: (period, expires) for task, period, expires, _why in celery_facts["entries"]}

    assert entries["admit"] == (1, 1)
    assert entries["dispatch"] == (1, 1)
    assert entries["recover"] == (15, 15)
    assert entries["collect"] == (60, 60)
    assert entries["forget"] == (timedelta(days=1).total_seconds(),) * 2
    assert all(period == expires for period, expires in entries.values())
    assert all(why for *_rest, why in celery_facts["entries"])
