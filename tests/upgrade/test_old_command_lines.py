"""The units of the previous release, as they were copied to a server, start today's code on the previous release's data."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.utils import timezone

from tests.running_site import free_port, manage
from tests.upgrade import old as olds
from tests.workers.sending_helpers import parse

pytestmark = [pytest.mark.database, pytest.mark.processes]

ROOT = Path(__file__).resolve().parents[2]
UNITS = json.loads((olds.DATA / "contract.json").read_text())["units"]
WITHIN_S = 150.0


def command_of(unit: str, port: int) -> list[str]:
    """Its ExecStart line, with this environment's programs and a free port; systemd writes % as %%."""
    [line] = UNITS[unit]["ExecStart"]
    words = shlex.split(line.replace("%%", "%").replace("--port 8000", f"--port {port}"))
    return [str(Path(sys.executable).with_name(Path(words[0]).name)), *words[1:]]


def variables_of(unit: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in UNITS[unit]["Environment"] for pair in line.split())


@contextlib.contextmanager
def running(environment: dict[str, str], port: int, log: Path):
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for unit in UNITS:
            with log.with_name(f"{unit}.log").open("wb") as output:
                started[unit] = subprocess.Popen(
                    command_of(unit, port),
                    cwd=ROOT,
                    env={**environment, **variables_of(unit)},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        yield started
    finally:
        for process in started.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in started.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def wait_for(what: Callable[[], bool], *, said: Callable[[], str], seconds: float = WITHIN_S) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, said()
        time.sleep(0.3)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def status_of(pk: int) -> str:
    return str(apps.get_model("newsletter.Issue").objects.values_list("status", flat=True).get(pk=pk))


def test_the_old_units_finish_what_the_old_release_began(old, engine, mail_server, settings, tmp_path):
    """Migrate, start all four, and count: the half-sent issue and the scheduled one go out once to each reader."""
    port, half, scheduled = free_port(), old.issue("half_sent"), old.issue("scheduled")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {"VAR_DIR": str(old.var), "PORT": str(port), "MAIL_URL": settings.MAIL_ROUTES[0]}
    if engine == "postgresql":
        environment["DATABASE_URL"] = olds.beside(os.environ["DATABASE_URL"], old.database)
    manage(environment, "migrate", "--verbosity", "0")
    manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
    now = timezone.now()
    apps.get_model("newsletter.Issue").objects.filter(pk=scheduled).update(
        scheduled_at=now + timedelta(seconds=5), looked_at=now
    )
    waiting = {file.name for file in (old.var / "broker" / "messages").glob("*.msg")}
    hits, logs = list((old.var / "spool" / "hits").glob("*.hits")), tmp_path / "log"
    assert len(waiting) == 14
    assert len(hits) == 1

    def said() -> str:
        parts = [file.read_text(errors="replace")[-3000:] for file in tmp_path.glob("*.log")]
        return "\n".join([status_of(half), status_of(scheduled), *parts])

    with running(environment, port, logs) as processes:
        wait_for(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, said=said)
        wait_for(lambda: {status_of(half), status_of(scheduled)} == {"sent"}, said=said)
        wait_for(lambda: not any((old.var / "broker" / "messages" / name).exists() for name in waiting), said=said)
        raw = old.mail("siti01@pembaca.example", about="kuota akhir pekan")
        answers = {path: get(f"http://127.0.0.1:{port}{path}") for path in paths_of(raw)}
        wait_for(lambda: not any(file.exists() for file in hits), said=said)
        assert [unit for unit, process in processes.items() if process.poll() is not None] == [], said()

    output = "\n".join(file.read_text(errors="replace") for file in tmp_path.glob("*.log"))
    assert not re.search(r"unregistered task|Received unregistered|Traceback|ModuleNotFoundError", output), output[
        -4000:
    ]
    assert {path: answer for path, answer in answers.items() if answer[0] != 200} == {}
    assert doubled_or_lost(old, half, mail_server) == (set(), set())
    got = Counter(one.lower() for _from, [one], data in mail_server.received if is_about(data, scheduled))
    assert len(got) >= 50
    assert max(got.values()) == 1
    assert apps.get_model("workers.Batch").objects.filter(issue=half).exclude(status="done").count() == 0


def paths_of(raw: bytes) -> set[str]:
    """The reader's pages, and the pixel; clicks lead to other sites."""
    urls = {urlsplit(url) for url in re.findall(r'https?://[^\s<>"]+', olds.body_of(raw, "html"))}
    return {url.path for url in urls if url.path.startswith(("/u/", "/p/", "/t/", "/media/"))}


def is_about(data: bytes, pk: int) -> bool:
    subjects = apps.get_model("newsletter.Edition").objects.filter(issue=pk).values_list("subject", flat=True)
    return str(parse(data)["Subject"]) in set(subjects)


def doubled_or_lost(old, pk: int, mail_server) -> tuple[set[str], set[str]]:
    """By what arrived before and now. Uncertain readers are named, and get nothing more."""
    before = Counter(
        who.lower()
        for key, people in old.facts["arrived"].items()
        if "ringkasan" in key
        and key.endswith(("New autogates, online permits", "Autogate baru dan izin tinggal daring"))
        for who in people
    )
    now = Counter(one.lower() for _from, [one], data in mail_server.received if is_about(data, pk))
    deliveries = apps.get_model("workers.Delivery").objects.filter(issue=pk)
    address = {
        row.pk: row.subscriber.email_key
        for row in apps.get_model("subscribers.Subscription").objects.select_related("subscriber")
    }
    uncertain = {address[one.subscription] for one in deliveries.filter(outcome="uncertain")}
    audience = {address[reader] for batch in old.facts["half_sent_batches"] for reader in batch["readers"]}
    total = before + now
    return {who for who in total if total[who] > 1}, audience - set(total) - uncertain
