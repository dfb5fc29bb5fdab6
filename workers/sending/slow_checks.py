"""Slow checks by a worker: articles and links (`newsletter.checks.link_checker`), and the spam score (E29).

The results are stored in the issue; `workers.sending.preflight` and `newsletter.checks` read them there.
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
"""Seconds after which another worker may check the issue: the worker that took the lock has died."""
SPAM_TIMEOUT_S = 20
_STATUS = re.compile(
    r"^X-Spam-Status:.*?score=(-?\d+(?:\.\d+)?).*?tests=(.*?)(?: autolearn|\r?\n[^ \t]|\Z)", re.M | re.S
)


def due_issues(*, now: datetime) -> list[int]:
    """Return the ids of issues that wait for a check and have no worker. Requests checks of issues that are due soon."""
    link_checker.request_upcoming_checks(now=now)
    waiting = list(link_checker.pending_issues(now=now).values_list("pk", flat=True))
    taken = cache.get_many([_lock_key(pk) for pk in waiting]) if waiting else {}
    return [pk for pk in waiting if _lock_key(pk) not in taken]


def check(issue_id: int, *, now: datetime) -> int:
    """Check one issue, unless another worker is doing it. Return the number of failed links.

    `cache.add` is the lock: only one worker can add the key. If it expires early, an issue is checked twice, which is
    harmless.
    """
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
    """Return the spam score of the finished mail in each language, for `preflight`. An unchanged mail is not rescored."""
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
            continue  # another check reports it
        result = spam_score(data, program=program)
        if result is not None:
            yield language, {"score": result[0], "rules": result[1], "at": now.isoformat()}


def spam_score(data: bytes, *, program: str = "spamassassin") -> tuple[float, list[str]] | None:
    """Return SpamAssassin's score by its local rules (no network), and the matching rules; None without an answer."""
    try:
        process = subprocess.run(  # noqa: S603 (a fixed command; the mail is its input)
            [program, "-L", "-t"], input=data, capture_output=True, timeout=SPAM_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        logger.warning("spamassassin gave no answer")
        return None
    match = _STATUS.search(process.stdout.decode("utf-8", "replace"))
    if match is None:
        logger.warning("spamassassin gave no score", extra={"code": process.returncode})
        return None
    rules = re.findall(r"[A-Z][A-Z0-9_]+", match[2])
    return float(match[1]), rules
