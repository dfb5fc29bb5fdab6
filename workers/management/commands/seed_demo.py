"""`seed_demo`: an invented publication to look around in; `seed_demo --remove` takes all of it away."""

from __future__ import annotations

import argparse
import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.models import AuditEntry
from workers.demo import history, publication, removal, web_server


class Command(BaseCommand):
    help = (
        "Make an invented publication: newsletters, articles, readers and issues sent to nowhere, all marked as demo "
        "data. Does nothing if it is there. With --remove: delete all of it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="delete everything that the seed made")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.INFO)  # half a year in half a minute: one line per step would bury what we say
        try:
            self._run(remove=options["remove"])
        finally:
            logging.disable(logging.NOTSET)

    def _run(self, *, remove: bool) -> None:
        if remove:
            self._remove(now=timezone.now())
            (settings.VAR_DIR / removal.OPT_OUT_FILE).touch()
            return
        if not settings.EMBEDDED:
            raise CommandError(
                "Demo data is for a site on this machine only. Set SITE_URL to http://127.0.0.1:8000 to look around.",
                returncode=2,
            )
        if removal.is_complete():
            self.stdout.write("The demo data is there; nothing to do.")
            return
        if removal.exists():
            self.stdout.write("The demo data is incomplete; starting over.")
            self._remove(now=timezone.now())
        self._seed(now=timezone.now())
        (settings.VAR_DIR / removal.OPT_OUT_FILE).unlink(missing_ok=True)

    def _remove(self, *, now: datetime) -> None:
        if not removal.exists():
            self.stdout.write("There is no demo data; nothing to do.")
            return
        self.stdout.write("Removing the demo data …")
        try:
            removal.remove(now=now, tell=self._tell)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The demo data is gone.")

    def _seed(self, *, now: datetime) -> None:
        self.stdout.write("Making demo data; all people, addresses and events in it are invented.")
        made = publication.create(now=now, texts_from=now - history.LENGTH - history.CONSENT_MARGIN)
        self._tell("2 newsletters, 4 editors, the sign-up box “artikel”")
        try:
            with web_server.ensure_running():
                count = publication.collect(made.weekly, made.rules, now=now)
            self._tell(f"{count} articles read from {settings.SITE_URL}/demo/")
            history.replay(made, now=now, tell=self._tell)
        except (web_server.PortInUse, RuntimeError) as error:
            raise CommandError(str(error)) from error
        self._tell(f"{history.READER_COUNT} readers who joined over half a year")
        AuditEntry.objects.create(
            action=removal.SEEDED_ACTION, newsletter=made.weekly, subject="demo data", occurred_at=now
        )
        self.stdout.write(f"The demo site is at {settings.SITE_URL}/demo/, the studio at {settings.SITE_URL}/studio/")
        if made.password:
            self.stdout.write(f"Log in as {publication.ADMINISTRATOR} with the password {made.password}")
            self.stdout.write("This password is shown only now. Change it under “Account”.")

    def _tell(self, line: str) -> None:
        self.stdout.write(f"  {line}")
        self.stdout.flush()
