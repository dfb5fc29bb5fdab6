"""Read what fallen senders of this host left behind, or give up a host that will not come back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from workers import ledger
from workers.sending import lifecycle


class Command(BaseCommand):
    help = (
        "Settles what senders that died on this host left in their spools (workers do this by themselves every 15 s). "
        "With --lost HOST, for a host whose disk is gone: all its readers without an answer become uncertain, "
        "and an editor decides about them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--lost", metavar="HOST", help="the name of a host that will not come back")

    def handle(self, *args: object, lost: str | None = None, **options: Any) -> None:
        now = timezone.now()
        ledger.expire_leases(now=now)
        if lost:
            batches, readers = ledger.settle_lost_host(lost, now=now)
            self.stdout.write(f"{lost}: {batches} batches settled, {readers} readers uncertain.")
            return
        self.stdout.write(f"Settled; {lifecycle.settle_orphaned(now=now)} readers uncertain.")
