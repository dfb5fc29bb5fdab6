"""Checks before an issue may begin: `newsletter.checks`, plus checks of the audience, the route and the finished mail.

The review page shows them; `workers.sending.lifecycle` enforces them. `workers.sending.slow_checks` makes the slow ones
beforehand and stores their results.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import checks, editions
from newsletter.checks import Check, link_results, mail_rules
from newsletter.issues import TEMPLATE_VERSION
from newsletter.models import Issue, Tracking
from newsletter.rendering import slots
from subscribers import audience, tokens
from workers import routes
from workers.message import builder, header_fields

HARD_LIMIT, SOFT_LIMIT = 102_000, 75_000
"""Bytes of the HTML part. Gmail clips a message at 102,000."""
MAX_LINE_LENGTH = 998
"""Bytes of a line without CRLF (RFC 5322, section 2.1.1)."""
MAX_SPAM_SCORE = 1.0
LONG_NAME = "Ñ" * 60
"""Two bytes a letter: the sample has the longest lines and headers that a reader's name can cause."""


def run_checks(issue: Issue, *, now: datetime | None = None) -> list[Check]:
    """Return all checks of `issue`, blocking ones first."""
    now = now or timezone.now()
    message_checks = [
        check for language in editions.languages(issue) for check in _check_message(issue, language, now=now)
    ]
    known = {(check.id, check.language) for check in message_checks}
    results = [
        *(check for check in checks.check_issue(issue, now=now) if (check.id, check.language) not in known),
        *_readers(issue),
        *_sender(issue),
        *_route(),
        *message_checks,
        *_spam(issue, now=now),
        _check_screenshots(),
    ]
    return checks.sort(results)


CRITERIA: dict[str, checks.Severity] = {
    **{rule.id: rule.severity for rule in mail_rules.RULES if rule.id.startswith("E")},
    "E19": "warns",
    "E26": "warns",
    "E29": "warns",
    "E30": "warns",
}
"""Every criterion of a mail, and its severity if it is not met."""


def blocking_checks(issue: Issue) -> list[Check]:
    return [check for check in run_checks(issue) if check.severity == "blocks" and not check.ok]


# --- readers, sender, route ------------------------------------------------------------------------------------------


def _readers(issue: Issue) -> Iterator[Check]:
    try:
        has_readers = audience.for_issue(issue).exists()
    except audience.UnknownFilter:
        yield Check("audience", "blocks", False, _("The audience is not valid. Choose the readers again."))
        return
    message = _("This issue has readers.") if has_readers else _("This issue has no readers, so nobody would get it.")
    yield Check("audience", "blocks", has_readers, message)


def _sender(issue: Issue) -> Iterator[Check]:
    newsletter = issue.newsletter
    if not newsletter.from_email:
        message = _("The sender’s address is missing. Enter it in the newsletter’s settings.")
        yield Check("sender", "blocks", False, message)
        return
    try:
        for address in filter(None, (newsletter.from_email, newsletter.reply_to)):
            header_fields.ascii_address(address)
    except header_fields.Unsendable:
        message = _("The sender's address has characters that email does not support. Correct it in the settings.")
        yield Check("sender", "blocks", False, message)
        return
    yield Check("sender", "blocks", True, _("The sender's address is valid."))


def _route() -> Iterator[Check]:
    try:
        configured = routes.configured()
    except ImproperlyConfigured:
        configured = []
    if configured:
        message = _("An email provider is set up.")
    else:
        message = _("No email provider is set up. Ask your administrator to set MAIL_URL.")
    yield Check("route", "blocks", bool(configured), message)


# --- the finished mail -------------------------------------------------------------------------------------------------


def _check_message(issue: Issue, language: str, *, now: datetime) -> Iterator[Check]:
    """E16, E23 and E28 on a finished mail with a long name and tokens of full length.

    They replace the checks of the same ids on the rendering alone.
    """
    try:
        sample = sample_message(issue, language, now=now)
    except (editions.RenderError, header_fields.Unsendable, slots.UnknownSlot):
        return  # another check reports it
    mail = message_from_bytes(sample.data, policy=policy.default)
    yield _size(mail, language)
    yield _unsubscribing(mail, language)
    yield _lines(sample.data, language)


def sample_message(issue: Issue, language: str, *, now: datetime) -> builder.RenderedMessage:
    """Return the message as a reader would get it, for subscription 0, which is nobody."""
    tracked = issue.newsletter.tracking != Tracking.OFF
    rendered = editions.render(issue, language, tracked=tracked)
    content = builder.MessageContent(issue.pk, language, rendered.subject, rendered.html, rendered.text)
    reader = builder.Recipient(0, "pembaca@contoh.example", LONG_NAME, now, f"https://{'a' * 60}.example/")
    return builder.render(builder.compile_template(content, issue.newsletter), reader, now=now)


def _size(mail: EmailMessage, language: str) -> Check:
    part = mail.get_body(preferencelist=("html",))
    size = len(part.get_payload(decode=True)) if part is not None else 0
    severity: checks.Severity = "blocks" if size > HARD_LIMIT else "warns"
    if size <= SOFT_LIMIT:
        return Check("E16", severity, True, _("The finished mail is short enough for Gmail."), None, language)
    message = _("The finished mail has %(size)s bytes; Gmail cuts it off at 102,000.") % {"size": size}
    return Check("E16", severity, False, message, None, language)


def _unsubscribing(mail: EmailMessage, language: str) -> Check:
    """E23: both List-Unsubscribe headers (RFC 8058), and the unsubscribe link in both bodies."""
    token = tokens.make_unsubscribe(0, _issue_of(mail))
    link = f"{settings.SITE_URL}/u/{token}/"
    first = str(mail["List-Unsubscribe"]).split(",")[0].strip()
    one_click = mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and first == f"<{link}>"
    bodies = (mail.get_body(preferencelist=(kind,)) for kind in ("plain", "html"))
    in_bodies = all(body is not None and link in body.get_content() for body in bodies)
    if one_click and in_bodies:
        return Check("E23", "blocks", True, _("Readers can unsubscribe with one click."), None, language)
    message = _("The finished mail offers no working way to unsubscribe.")
    return Check("E23", "blocks", False, message, None, language)


def _issue_of(mail: EmailMessage) -> int:
    return int(str(mail["Feedback-ID"]).partition(":")[0])


def _lines(raw: bytes, language: str) -> Check:
    longest = max(map(len, raw.split(b"\r\n")))
    if longest < MAX_LINE_LENGTH:
        return Check("E28", "blocks", True, _("No line of the finished mail is too long."), None, language)
    message = _("A line of the finished mail has %(length)s bytes; 997 are allowed.") % {"length": longest}
    return Check("E28", "blocks", False, message, None, language)


# --- stored results of slow checks -------------------------------------------------------------------------------------


def _spam(issue: Issue, *, now: datetime) -> Iterator[Check]:
    """E29, from the results that `workers.sending.slow_checks` stored."""
    stored = (issue.look or {}).get("spam", {})
    if stored.get("is_installed") is False:
        yield Check("E29", "warns", True, _("SpamAssassin is not installed here, so there is no spam score."))
        return
    for language in editions.languages(issue):
        result = stored.get("scores", {}).get(language)
        if result is None or stored.get("version") != issue.version:
            message = _("The finished mail has no spam score yet.")
            yield Check("E29", "suggests", False, message, None, language, is_pending=True)
            continue
        ok = result["score"] <= MAX_SPAM_SCORE
        figures = {
            "score": result["score"],
            "age": link_results.describe_age(datetime.fromisoformat(result["at"]), now=now),
        }
        if ok:
            message = _("The SpamAssassin score of the finished mail is %(score)s; up to 1 is good. %(age)s") % figures
        else:
            figures["rules"] = ", ".join(result["rules"])
            message = (
                _(
                    "The SpamAssassin score of the finished mail is %(score)s; up to 1 is good. Rules: %(rules)s. %(age)s"
                )
                % figures
            )
        yield Check("E29", "warns", ok, message, None, language)


def _check_screenshots() -> Check:
    """E30 is checked by tests: screenshots of sample mails in three widths, light, dark and without images."""
    message = _("All blocks of templates %(version)s were compared with their reference screenshots before release.")
    return Check("E30", "warns", True, message % {"version": TEMPLATE_VERSION})
