"""Memory of `make run` in embedded mode, by process: after all studio pages, one site and an issue to 1,000 readers.

The figure is the PSS of `run` and its descendants: memory that several processes share is counted once (proc(5)).
"""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve, reverse

from benchmarks import web
from benchmarks.figures import Findings
from benchmarks.throwaway_database import KEPT_VARIABLES, ROOT

READERS = 1_000
SETTLE_S = 60.0
MAX_START_S = 300.0
MAX_WAIT_S = 180.0
MOST_MB = 400

READ_SITE = """
from django.utils import timezone
from newsletter.models import Article, Source
Article.objects.all().delete()
print(Source.objects.update(next_at=timezone.now(), fetched_at=None, etag="", last_modified=""))
"""
COUNT_READ_SITES = """
from newsletter.models import Article, Source
print(Source.objects.filter(fetched_at__isnull=False).count() if Article.objects.exists() else 0)
"""
SEND_ISSUE = """
from django.utils import timezone
from benchmarks import bulk_subscribers, reference
newsletter, now = reference.create_newsletter(slug="benchmark", list_id="benchmark.kabarlintas.example"), timezone.now()
bulk_subscribers.create_readers(newsletter, {readers}, now=now)
print(reference.create_due_issue(newsletter, now=now).pk)
"""
ACCEPTED = """
from newsletter.models import Issue
from workers import ledger
print(ledger.count_deliveries(Issue.objects.get(pk={issue})).accepted)
"""


def measure(found: Findings, folder: Path) -> None:
    """Add the PSS by process and in sum to `found`. Linux only: elsewhere nothing is measured."""
    if not Path("/proc/self/smaps_rollup").exists():
        return
    with running(folder) as site:
        pages = site.open_studio_pages()
        site.read_source()
        site.send_issue()
        time.sleep(SETTLE_S)
        sizes = pss_by_process(site.process.pid)
    for name, size_mb in sizes.items():
        found.tell(f"pss_mb_{name}", size_mb, f"MB of memory (PSS) of {name.replace('_', ' ')}")
    total = sum(sizes.values())
    found.tell("pss_mb_total", total, f"MB of `make run`, after {pages} kinds of page and {READERS:,} readers")
    found.require(total <= MOST_MB, f"`make run` takes {total:.0f} MB; it may take {MOST_MB}")


# --- a running site --------------------------------------------------------------------------------------------------


class Site:
    """A running `manage.py run` with demo data."""

    def __init__(self, process: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
        self.process, self.environment, self.log = process, environment, log
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser = urllib.request.build_opener(cookies)

    def shell(self, code: str) -> str:
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]

    def get(self, path: str) -> str:
        with self.browser.open(urljoin(self.url, path), timeout=60) as answer:
            is_page = answer.headers.get_content_type() == "text/html"
            return answer.read().decode() if is_page else ""

    def log_in(self) -> None:
        login, words = reverse("account_login"), self.log.read_text()
        match = re.search(r"Log in as (\S+) with the password (\S+)", words)
        if match is None:
            raise RuntimeError("the first start printed no password")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(login))
        fields = {"login": match[1], "password": match[2], "csrfmiddlewaretoken": token[1] if token else ""}
        request = urllib.request.Request(
            urljoin(self.url, login),
            urllib.parse.urlencode(fields).encode(),
            {"Referer": urljoin(self.url, login)},
        )
        self.browser.open(request, timeout=60).close()

    def open_studio_pages(self) -> int:
        """Follow the links from the studio's start and open each kind of page once. Returns how many kinds."""
        self.log_in()
        seen, waiting = set[str](), ["/studio/"]
        while waiting:
            path = waiting.pop(0)
            name = view_name(path)
            if not name or name in seen:
                continue
            seen.add(name)
            waiting += [link for link in self.links(path) if view_name(link) not in seen]
        return len(seen)

    def links(self, path: str) -> list[str]:
        try:
            page = self.get(path)
        except urllib.error.HTTPError as error:
            if error.code >= 500:
                raise
            return []
        found = [urlsplit(urljoin(path, link)).path for link in re.findall(r'(?:href|hx-get|src)="([^"#]+)"', page)]
        return [link for link in found if link.startswith("/studio/")]

    def read_source(self) -> None:
        """Let the `fetch` process read the demo site once."""
        if self.shell(READ_SITE) == "0":
            raise RuntimeError("the demo data have no source")
        wait_until(lambda: self.shell(COUNT_READ_SITES) != "0", "the demo site was not read")

    def send_issue(self) -> None:
        issue = self.shell(SEND_ISSUE.format(readers=READERS))
        wait_until(
            lambda: self.shell(ACCEPTED.format(issue=issue)) == str(READERS), f"not all {READERS:,} readers got it"
        )

    def is_running(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"`run` ended:\n{self.log.read_text()[-2000:]}")
        return "Warta is running" in self.log.read_text()


def view_name(path: str) -> str:
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""


def wait_until(holds: Callable[[], bool], otherwise: str, *, seconds: float = MAX_WAIT_S) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(1.0)


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    folder.mkdir(parents=True)
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment |= {
        "VAR_DIR": str(folder),
        "PORT": str(web.free_port()),
        "DJANGO_SETTINGS_MODULE": "newsletter.settings",
    }
    log = folder / "run.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--prepare"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        site = Site(process, environment, log)
        wait_until(site.is_running, "`run` did not start", seconds=MAX_START_S)
        yield site
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


# --- memory ----------------------------------------------------------------------------------------------------------


def pss_by_process(pid: int) -> dict[str, float]:
    """MB by process of the tree below `pid`; processes of one name are numbered."""
    sizes, seen = dict[str, float](), Counter[str]()
    for one in process_tree(pid):
        name = "run" if one == pid else process_name(one)
        seen[name] += 1
        sizes[name if seen[name] == 1 else f"{name}_{seen[name]}"] = pss_mb(one)
    return sizes


def process_tree(pid: int) -> list[int]:
    tree = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            tree += process_tree(int(child))
    return tree


def process_name(pid: int) -> str:
    """The name that `run` gave its fork; else what its command line says."""
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    if name.startswith("warta-"):
        return name.removeprefix("warta-")
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return next((known for known in ("granian", "prompt", "bulk", "fetch", "drain") if known in command), name)


def pss_mb(pid: int) -> float:
    """MB of memory, where a page shared by n processes counts as a nth (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
