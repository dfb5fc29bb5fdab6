"""Print what an issue must satisfy before it may be sent, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from newsletter.checks import Check
from newsletter.models import Issue
from workers.sending import preflight, slow_checks


class Command(BaseCommand):
    help = (
        "Prints the checks of an issue, all of E01 to E30 among them, as a JSON list: id, severity (blocks, warns or "
        "suggests), ok, block, message, language, pending. With --slow its articles are read again, its links tried "
        "and its spam score asked for first; otherwise what workers found last is told, or that they have not looked. "
        "Exit code 0 if nothing blocks it, 1 if something does, 2 if there is no such issue."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("issue", type=int, metavar="ID", help="the issue's id, as in its address in the studio")
        parser.add_argument("--slow", "--wait", action="store_true", help="look at links and articles now, in here")

    def handle(self, *args: object, issue: int, slow: bool, **options: Any) -> None:
        found = Issue.objects.select_related("newsletter").filter(pk=issue).first()
        if found is None:
            raise CommandError(f"There is no issue {issue}. Its id is in its address in the studio.", returncode=2)
        if slow:
            slow_checks.check(found.pk, now=timezone.now())
            found.refresh_from_db()
        with translation.override("en"):
            checks = preflight.run_checks(found)
            checks += _missing_checks(checks)
        rows = [
            {
                "id": check.id,
                "severity": check.severity,
                "ok": check.ok,
                "block": check.block,
                "message": check.message,
                "language": check.language,
                "pending": check.is_pending,
            }
            for check in checks
        ]
        self.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1))
        blocking = sum(check.severity == "blocks" and not check.ok for check in checks)
        if blocking:
            raise CommandError(f"Issue {issue} may not be sent: {blocking} checks block it.", returncode=1)


def _missing_checks(found: list[Check]) -> list[Check]:
    """Criteria that nothing can be said about, because there is no mail to look at."""
    missing = preflight.CRITERIA.keys() - {check.id for check in found}
    words = "Not looked at: the mail cannot be made as it is."
    return [Check(name, preflight.CRITERIA[name], False, words, is_pending=True) for name in sorted(missing)]
