"""`manage.py verify_consent`: verify the chain of consent events."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from subscribers import consent
from subscribers.models import ConsentEvent


class Command(BaseCommand):
    help = (
        "Check the chain of consent events. Exit code 0: all is as it was written. 1: names the first row that is not."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = consent.verify_chain()
        if broken:
            where = f"Consent event {broken.event}" if broken.event else "The end of the consent chain"
            self.stderr.write(f"{where}: {broken.reason}. Compare with a backup before you change anything.")
            sys.exit(1)
        count = ConsentEvent.objects.count()
        self.stdout.write(f"{count} consent events, every one as it was written.")
