"""The slow checks, taken by a worker: articles and links (`newsletter.checks.link_checker`), and the spam score of the finished mail (E29).

What is found is kept in the issue; `workers.sending.preflight` and `newsletter.checks` read it there.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.cache import cache

from newsletter import editions
from newsletter.checks import link_checker
from newsletter.models import Issue
from newsletter.rendering import slots
from workers.message import header_fields
from workers.sending import preflight

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 120
"""A look that takes longer was lost with its worker; another one may take it."""
SPAM_TIMEOUT_S = 20
_STATUS = re.compile(
    r"^X-Spam-Status:.*?score=(-?\d+(?:\.\d+)?).*?tests=(.*?)(?: autolearn|\r?\n[^ \t]|\Z)", re.M | re.S
)


def due_issues(*, now: datetime) -> list[int]:
    """Ids of the issues that wait for a look and that no worker is looking at; asks for those that go out soon."""
    link_checker.request_upcoming_checks(now=now)
    waiting = list(link_checker.pending_issues(now=now).values_list("pk", flat=True))
    taken = cache.get_many([_lock_key(pk) for pk in waiting]) if waiting else {}
    return [pk for pk in waiting if _lock_key(pk) not in taken]


def check(issue_id: int, *, now: datetime) -> int:
    """Take the look at one issue, unless another worker is at it. Returns how many links are not fine."""
    issue = Issue.objects.select_related("newsletter").filter(pk=issue_id).first()
    if issue is None or not cache.add(_lock_key(issue_id), 1, timeout=LOCK_TIMEOUT_S):
        return 0
    failed = link_checker.run_check(issue, now=now)
    if issue.started_at is None:
        link_checker.store_results(issue, {"spam": check_spam(issue, now=now)}, now=now)
    cache.delete(_lock_key(issue_id))
    return failed


def _lock_key(issue_id: int) -> str:
    return f"look-{issue_id}"


# --- SpamAssassin ----------------------------------------------------------------------------------------------------


def check_spam(issue: Issue, *, now: datetime) -> dict[str, Any]:
    """The score of each language's finished mail, as `preflight` reads it. An unchanged mail is not scored again."""
    program = shutil.which("spamassassin")
    if program is None:
        return {"is_installed": False}
    before = (issue.look or {}).get("spam", {})
    if before.get("is_installed") and before.get("version") == issue.version:
        return dict(before)
    return {"is_installed": True, "version": issue.version, "scores": dict(_scores(issue, program, now=now))}


def _scores(issue: Issue, program: str, *, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    for language in editions.languages(issue):
        try:
            data = preflight.sample_message(issue, language, now=now).data
        except (editions.RenderError, header_fields.Unsendable, slots.UnknownSlot):
            continue  # said by another check
        found = spam_score(data, program=program)
        if found is not None:
            yield language, {"score": found[0], "rules": found[1], "at": now.isoformat()}


def spam_score(data: bytes, *, program: str = "spamassassin") -> tuple[float, list[str]] | None:
    """SpamAssassin's score by its local rules, and the rules that met; None if it gave no answer."""
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command; the mail is its input)
            [program, "-L", "-t"], input=data, capture_output=True, timeout=SPAM_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        logger.warning("spamassassin gave no answer")
        return None
    found = _STATUS.search(done.stdout.decode("utf-8", "replace"))
    if found is None:
        logger.warning("spamassassin gave no score", extra={"code": done.returncode})
        return None
    rules = re.findall(r"[A-Z][A-Z0-9_]+", found[2])
    return float(found[1]), rules
