"""Kill what sends, at random, and count at a mail server of its own whether anybody got an issue twice or not at all."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workers.crash_test import counting_server, scenario, throwaway_environment
from workers.crash_test.trial import Trial, TrialFailed, Verdict, close_connections
from workers.crash_test.worker_processes import WorkerProcesses
from workers.management.commands import run

MIN_READERS = 100
WORKERS = ("prompt", "bulk", "fetch")
ROUTE_LABELS = {"smtp": "SMTP to a mail server of its own", "http": "calls of 20 readers to a provider of its own"}


class UncertainCounts(NamedTuple):
    looked_up: int
    arrived: int


def _second_worker(command: tuple[str, ...]) -> tuple[str, ...]:
    """The same worker once more, with a clock of its own."""
    named = tuple("second@%h" if word == "prompt@%h" else word for word in command)
    return (*named, "--schedule-filename", str(settings.VAR_DIR / "second-beat-schedule"))


class Command(BaseCommand):
    help = (
        "Sends an issue to made-up readers from a throwaway database, folder and broker, kills workers, broker and "
        "database connections with kill -9 at random moments, and compares the ledger with a mail server that knows "
        "nothing of it. Ends with one JSON line. Exit code 0 if nobody was lost and nobody got two, else 1. "
        "DATABASE_URL and BROKER_URL choose the kinds of database and broker; what is in them is never touched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--readers", type=int, default=2000, help="how many readers; default 2000")
        parser.add_argument("--kills", type=int, default=5, help="how often something is killed; default 5")
        parser.add_argument(
            "--route", choices=ROUTE_LABELS, default="smtp", help="SMTP, or a merge provider's API; default smtp"
        )
        parser.add_argument("--seed", type=int, help="repeats the choices of an earlier run; else a new one is drawn")
        parser.add_argument("--within", type=int, default=900, metavar="S", help="give up after; default 900 seconds")
        parser.add_argument("--inside", type=int, metavar="PORT", help="for its own use: go on in the throwaway place")

    def handle(
        self,
        *args: object,
        readers: int,
        kills: int,
        route: str,
        seed: int | None,
        within: int,
        inside: int | None,
        **options: Any,
    ) -> None:
        if readers < MIN_READERS or not 0 <= kills <= readers // 4:
            raise CommandError(
                f"--readers {readers} --kills {kills} cannot be done: take at least {MIN_READERS} readers, and at most "
                "a quarter as many kills.",
                returncode=2,
            )
        seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
        if inside is None:
            self._outside(readers=readers, kills=kills, route=route, seed=seed, within=within)
        else:
            self._inside(readers=readers, kills=kills, seed=seed, within=within, port=inside)

    # --- outside: make the place, and go on there in a process that knows nothing else ---

    def _outside(self, *, readers: int, kills: int, route: str, seed: int, within: int) -> None:
        try:
            urls = {"database_url": os.environ.get("DATABASE_URL", ""), "broker_url": settings.BROKER_URL}
            with throwaway_environment.create(**urls) as here, counting_server.start() as ports:
                self.say(
                    f"Crash test: {readers:,} readers, {kills} kills, seed {seed}; {here.database}, {here.broker}, "
                    f"{ROUTE_LABELS[route]}."
                )
                variables = here.environment | throwaway_environment.route_variables(
                    route, mail=ports.mail, api=ports.api
                )
                command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "crash_test"]
                command += ["--readers", str(readers), "--kills", str(kills), "--seed", str(seed)]
                command += ["--within", str(within), "--inside", str(ports.orders)]
                done = subprocess.run(command, env=variables, check=False)  # noqa: S603 (our own command)
        except throwaway_environment.CannotPrepare as error:
            raise CommandError(str(error)) from None
        if done.returncode:
            raise SystemExit(done.returncode)

    # --- inside ---

    def _inside(self, *, readers: int, kills: int, seed: int, within: int, port: int) -> None:
        call_command("migrate", verbosity=0)
        issue = scenario.schedule_issue(readers=readers, now=timezone.now())
        commands = {
            part.name: part.command
            for part in run.service_processes("127.0.0.1", settings.PORT)
            if part.name in WORKERS
        }
        commands["second prompt"] = _second_worker(commands["prompt"])
        log = settings.VAR_DIR / "workers.log"
        crew, orders = WorkerProcesses(commands, environment=os.environ, log=log), counting_server.ControlClient(port)
        trial, started = Trial(issue, crew, orders, chance=random.Random(seed), say=self.say), time.monotonic()  # noqa: S311
        try:
            verdict = trial.run(readers=readers, kills=kills, within_s=within)
            told = UncertainCounts(trial.looked_up(), trial.arrived)
        except TrialFailed as error:
            self.say(log.read_text(errors="replace")[-2000:])
            raise CommandError(str(error)) from None
        finally:
            crew.stop()
            orders.close()
            close_connections()
        self._tell(verdict, told, seconds=time.monotonic() - started)

    def _tell(self, verdict: Verdict, told: UncertainCounts, *, seconds: float) -> None:
        self.say(
            f"{verdict.readers:>9,} readers in {seconds:.0f} s: {verdict.accepted:,} accepted, {verdict.uncertain:,} uncertain and named."
        )
        if told.looked_up:
            self.say(f"{told.looked_up:>9,} of the accepted were uncertain until the provider was asked.")
        if verdict.uncertain:
            self.say(f"{told.arrived:>9,} of the uncertain did arrive; nobody is mailed twice to find out.")
        self.say(f"{verdict.lost:>9,} lost\n{verdict.doubled:>9,} doubled")
        self.say(json.dumps(asdict(verdict)))
        if not verdict.holds:
            raise SystemExit(1)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
