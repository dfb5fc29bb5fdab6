"""Print what an issue must satisfy before it may be sent, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from newsletter.models import Issue
from workers import preflight


class Command(BaseCommand):
    help = (
        "Prints the checks of an issue as a JSON list: id, severity, ok, block, message, language. "
        "Exit code 0 if nothing blocks it, 1 if something does, 2 if there is no such issue."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("issue", type=int, metavar="ID", help="the issue's id, as in its address in the studio")

    def handle(self, *args: object, issue: int, **options: Any) -> None:
        found = Issue.objects.select_related("newsletter").filter(pk=issue).first()
        if found is None:
            raise CommandError(f"There is no issue {issue}. Its id is in its address in the studio.", returncode=2)
        with translation.override("en"):
            checks = preflight.run(found)
        rows = [
            {
                "id": check.id,
                "severity": check.severity,
                "ok": check.ok,
                "block": check.block,
                "message": check.message,
                "language": check.language,
            }
            for check in checks
        ]
        self.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1))
        blocking = sum(check.severity == "blocks" and not check.ok for check in checks)
        if blocking:
            raise CommandError(f"Issue {issue} may not be sent: {blocking} checks block it.", returncode=1)
