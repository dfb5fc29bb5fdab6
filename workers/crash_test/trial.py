"""One trial: let the issue go, kill at random counts, wait for the end, and compare the ledger with the mail server."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, connections

from newsletter.models import AuditEntry, Issue, IssueStatus
from subscribers.models import Subscription
from workers import ledger
from workers.crash_test import throwaway_environment
from workers.crash_test.counting_server import ControlClient, PausePoint
from workers.crash_test.worker_processes import WorkerProcesses
from workers.models import Batch, BatchStatus, Delivery, Outcome

POLL_S = 0.25
SETTLED_WITHIN_S = 120.0
LOOKED_UP_WITHIN_S = 75.0
"""The provider is asked ten and thirty seconds after, and after a minute; what it has not by then stays uncertain here."""
PAUSE_KINDS = ("before", "after", "cut")
BEAT_WORKERS = ("prompt", "second prompt")
"""Two schedulers at once: the issue must begin once all the same."""
BAR_WIDTH = 24
UNSETTLED = (BatchStatus.CLAIMED, BatchStatus.UNCERTAIN, BatchStatus.WAITING)
PrintLine = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """What both sides say in the end, in readers."""

    readers: int
    kills: int
    accepted: int
    lost: int
    """Neither at the mail server nor named as uncertain, refused or left out; or said to be accepted, and not there."""
    doubled: int
    """Mails beyond the first to the same reader."""
    uncertain: int
    """Named in the ledger; a person decides."""

    @property
    def holds(self) -> bool:
        return self.lost == 0 and self.doubled == 0


class TrialFailed(Exception):
    """The trial came to no end; the message says where it stands."""


class Trial:
    """A running send with people who pull plugs."""

    def __init__(
        self, issue: Issue, crew: WorkerProcesses, orders: ControlClient, *, chance: random.Random, say: PrintLine
    ) -> None:
        self.issue, self.crew, self.orders = issue, crew, orders
        self._chance, self._say = chance, say
        self.kills = self.arrived = 0

    def run(self, *, readers: int, kills: int, within_s: float) -> Verdict:
        """Raises Broken if the issue is not sent and settled in time."""
        edge = max(1, readers // 50)
        marks = self._chance.sample(range(edge, readers - edge), kills)
        self.orders.pause_at({mark: self._chance.choice(PAUSE_KINDS) for mark in marks})
        self._readers = readers
        self.crew.start()
        until = time.monotonic() + within_s
        while (status := self._status()) == IssueStatus.SENDING or status == IssueStatus.SCHEDULED:
            if time.monotonic() > until:
                raise TrialFailed(f"Not sent within {within_s:.0f} s: {self._standing()}")
            if (mark := self.orders.wait_for_pause(seconds=POLL_S)) is not None:
                self._kill(mark)
                self.orders.go_on()
            self.crew.start()
        if status != IssueStatus.SENT:
            reason = Issue.objects.get(pk=self.issue.pk).pause_reason
            raise TrialFailed(f"The issue is “{status}” instead of sent. {reason}")
        self._settle()
        self._ask_around()
        return self._verdict(readers)

    def _status(self) -> str:
        return Issue.objects.values_list("status", flat=True).get(pk=self.issue.pk)

    def _standing(self) -> str:
        told = ledger.count_deliveries(self.issue)
        return ", ".join(f"{count} {name}" for name, count in asdict(told).items())

    # --- pulling plugs ---

    def _kill(self, mark: PausePoint) -> None:
        if mark.where == "cut":
            self._pulled(mark.taken, "the connection cut after they took it, instead of an answer")
            return
        ways = [self._kill_sender, self._kill_bulk, self._kill_clock, self._lose_messages]
        if connection.vendor == "postgresql":
            ways.append(self._cut_database)
        self._chance.shuffle(ways)
        for way in ways:
            if said := way():
                self._pulled(mark.taken, said)
                return

    def _pulled(self, count: int, said: str) -> None:
        self.kills += 1
        self._say(f"{progress_bar(count, self._readers)} {count:>9,} taken   {said}")

    def _kill_sender(self) -> str:
        holders = Batch.objects.filter(issue=self.issue.pk, status=BatchStatus.CLAIMED).values_list("worker", flat=True)
        pids = [int(holder.split(":")[1]) for holder in holders]
        for pid in pids:
            if self.crew.kill_child("bulk", pid):
                return f"kill -9 of a process that was sending ({pid})"
        return ""

    def _kill_bulk(self) -> str:
        return "kill -9 of the bulk worker with all its processes" if self.crew.kill("bulk") else ""

    def _kill_clock(self) -> str:
        name = self._chance.choice(BEAT_WORKERS)
        return f"kill -9 of the {name} worker with its clock" if self.crew.kill(name) else ""

    def _lose_messages(self) -> str:
        scheme = urlsplit(settings.BROKER_URL).scheme
        if scheme.startswith("redis"):
            _flush_redis(settings.BROKER_URL)
            return "every message thrown away and every connection cut, at Redis"
        if scheme in {"amqp", "pyamqp"}:
            _recreate_vhost(settings.BROKER_URL)
            return "the virtual host deleted with its queues and connections, and made anew, at RabbitMQ"
        for file in Path(settings.BROKER_DIR, "messages").glob("*.msg"):
            file.unlink(missing_ok=True)
        return "every message thrown away, at the broker of files"

    def _cut_database(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            cut = cursor.fetchone()[0]
        return f"{cut} connections to the database cut" if cut else ""

    # --- the end ---

    def _settle(self) -> None:
        """Wait until no batch is open: what was left in spools is read."""
        until = time.monotonic() + SETTLED_WITHIN_S
        while Batch.objects.filter(issue=self.issue.pk, status__in=UNSETTLED).exists():
            if time.monotonic() > until:
                raise TrialFailed(f"Not settled within {SETTLED_WITHIN_S:.0f} s: {self._standing()}")
            self.crew.start()
            time.sleep(POLL_S)

    def _ask_around(self) -> None:
        """Give a provider that can be asked the time to answer for those who are uncertain."""
        until = time.monotonic() + LOOKED_UP_WITHIN_S
        waiting = Delivery.objects.filter(issue=self.issue.pk, outcome=Outcome.UNCERTAIN, provider_id__startswith="?")
        while waiting.exists() and time.monotonic() < until:
            self.crew.start()
            time.sleep(POLL_S)

    def _verdict(self, readers: int) -> Verdict:
        told = ledger.count_deliveries(self.issue)
        if not told.is_consistent or told.audience != readers or told.waiting:
            raise TrialFailed(f"The ledger does not add up: {self._standing()}")
        begun = AuditEntry.objects.filter(action="issue-begun", subject=f"issue {self.issue.pk}").count()
        if begun != 1:
            raise TrialFailed(f"The issue began {begun} times instead of once.")
        taken = Counter({str(who): int(times) for who, times in self.orders.report()["recipients"].items()})
        addresses = dict(Subscription.objects.values_list("pk", "subscriber__email"))
        outcomes = dict(Delivery.objects.filter(issue=self.issue.pk).values_list("subscription", "outcome"))
        named = {Outcome.UNCERTAIN, Outcome.REFUSED, Outcome.SKIPPED}
        self.arrived = sum(
            taken[email] > 0 for key, email in addresses.items() if outcomes.get(key) == Outcome.UNCERTAIN
        )
        missing = [key for key, email in addresses.items() if not taken[email] and outcomes.get(key) not in named]
        return Verdict(
            readers=readers,
            kills=self.kills,
            accepted=told.accepted,
            lost=len(missing),
            doubled=sum(times - 1 for times in taken.values()),
            uncertain=told.uncertain,
        )

    def looked_up(self) -> int:
        """Readers who were uncertain until the provider was asked whether it has their copy."""
        rows = Delivery.objects.filter(issue=self.issue.pk, provider_id__startswith="?")
        return rows.exclude(outcome=Outcome.UNCERTAIN).count()


def progress_bar(count: int, total: int) -> str:
    done = BAR_WIDTH * count // total
    return "█" * done + "░" * (BAR_WIDTH - done)


def _flush_redis(url: str) -> None:
    import redis

    number = urlsplit(url).path.strip("/")
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.flushdb()
        own = client.client_id()
        for row in client.client_list():
            if row["db"] == number and int(row["id"]) != own:
                client.client_kill_filter(_id=row["id"])


def _recreate_vhost(url: str) -> None:
    parts = urlsplit(url)
    name = parts.path.strip("/")
    throwaway_environment.run_rabbitmqctl("delete_vhost", name)
    throwaway_environment.run_rabbitmqctl("add_vhost", name)
    throwaway_environment.run_rabbitmqctl("set_permissions", "-p", name, parts.username or "guest", ".*", ".*", ".*")


def close_connections() -> None:
    connections.close_all()
