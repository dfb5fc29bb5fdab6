"""What must hold before an issue may begin: `newsletter.checks`, plus what needs readers or bytes on the wire.

The review page shows it; `sending.begin_due` enforces it. What takes long was found before by `workers.sending.slow_checks`.
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
MAX_LINE_LENGTH = 998
MAX_SPAM_SCORE = 1.0
LONG_NAME = "Ñ" * 60


def run_checks(issue: Issue, *, now: datetime | None = None) -> list[Check]:
    """All checks of `issue`, what blocks it first."""
    now = now or timezone.now()
    wired = [check for language in editions.languages(issue) for check in _check_message(issue, language, now=now)]
    known = {(check.id, check.language) for check in wired}
    found = [
        *(check for check in checks.check_issue(issue, now=now) if (check.id, check.language) not in known),
        *_readers(issue),
        *_sender(issue),
        *_route(),
        *wired,
        *_spam(issue, now=now),
        _check_screenshots(),
    ]
    return checks.sort(found)


CRITERIA: dict[str, checks.Severity] = {
    **{rule.id: rule.severity for rule in mail_rules.RULES if rule.id.startswith("E")},
    "E19": "warns",
    "E26": "warns",
    "E29": "warns",
    "E30": "warns",
}
"""Every criterion of a mail, and what it does where it is not met."""


def blocking_checks(issue: Issue) -> list[Check]:
    return [check for check in run_checks(issue) if check.severity == "blocks" and not check.ok]


# --- readers, sender, route ------------------------------------------------------------------------------------------


def _readers(issue: Issue) -> Iterator[Check]:
    try:
        has_readers = audience.for_issue(issue).exists()
    except audience.UnknownFilter:
        yield Check("audience", "blocks", False, _("The choice of readers cannot be understood. Choose them again."))
        return
    words = _("Somebody gets this issue.") if has_readers else _("Nobody would get this issue: there are no readers.")
    yield Check("audience", "blocks", has_readers, words)


def _sender(issue: Issue) -> Iterator[Check]:
    newsletter = issue.newsletter
    if not newsletter.from_email:
        message = _("The sender’s address is missing. Write it in the settings of the newsletter.")
        yield Check("sender", "blocks", False, message)
        return
    try:
        for address in filter(None, (newsletter.from_email, newsletter.reply_to)):
            header_fields.ascii_address(address)
    except header_fields.Unsendable:
        message = _("The sender's address has signs that mail cannot carry. Correct it in the settings.")
        yield Check("sender", "blocks", False, message)
        return
    yield Check("sender", "blocks", True, _("The sender's address can be used."))


def _route() -> Iterator[Check]:
    try:
        found = routes.configured()
    except ImproperlyConfigured:
        found = []
    words = _("There is a way out for mail.") if found else _("No mail can leave: ask your administrator to set it up.")
    yield Check("route", "blocks", bool(found), words)


# --- bytes -----------------------------------------------------------------------------------------------------------


def _check_message(issue: Issue, language: str, *, now: datetime) -> Iterator[Check]:
    """E16, E23 and E28 on a real copy with a long name and tokens of full length; instead of those on its rendering."""
    try:
        copy = sample_message(issue, language, now=now)
    except (editions.RenderError, header_fields.Unsendable, slots.UnknownSlot):
        return  # said by another check
    mail = message_from_bytes(copy.data, policy=policy.default)
    yield _size(mail, language)
    yield _unsubscribing(mail, language)
    yield _lines(copy.data, language)


def sample_message(issue: Issue, language: str, *, now: datetime) -> builder.RenderedMessage:
    """A copy as a reader would get it, for nobody (subscription 0)."""
    tracked = issue.newsletter.tracking != Tracking.OFF
    done = editions.render(issue, language, tracked=tracked)
    words = builder.MessageContent(issue.pk, language, done.subject, done.html, done.text)
    reader = builder.Recipient(0, "pembaca@contoh.example", LONG_NAME, now, f"https://{'a' * 60}.example/")
    return builder.render(builder.compile_template(words, issue.newsletter), reader, now=now)


def _size(mail: EmailMessage, language: str) -> Check:
    part = mail.get_body(preferencelist=("html",))
    size = len(part.get_payload(decode=True)) if part is not None else 0
    severity: checks.Severity = "blocks" if size > HARD_LIMIT else "warns"
    if size <= SOFT_LIMIT:
        return Check("E16", severity, True, _("The finished mail is short enough for Gmail."), None, language)
    message = _("The finished mail has %(size)s bytes; Gmail cuts it off at 102,000.") % {"size": size}
    return Check("E16", severity, False, message, None, language)


def _unsubscribing(mail: EmailMessage, language: str) -> Check:
    """Both headers, and the link in both bodies, with a token that opens."""
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


# --- what was found before -------------------------------------------------------------------------------------------


def _spam(issue: Issue, *, now: datetime) -> Iterator[Check]:
    """E29, from what `workers.sending.slow_checks` wrote."""
    said = (issue.look or {}).get("spam", {})
    if said.get("is_installed") is False:
        yield Check("E29", "warns", True, _("SpamAssassin is not installed here, so no score was asked for."))
        return
    for language in editions.languages(issue):
        found = said.get("scores", {}).get(language)
        if found is None or said.get("version") != issue.version:
            message = _("The finished mail has no spam score yet.")
            yield Check("E29", "suggests", False, message, None, language, is_pending=True)
            continue
        ok = found["score"] <= MAX_SPAM_SCORE
        figures = {
            "score": found["score"],
            "age": link_results.describe_age(datetime.fromisoformat(found["at"]), now=now),
        }
        if ok:
            words = _("SpamAssassin gives the finished mail %(score)s points; up to 1 is good. %(age)s") % figures
        else:
            figures["rules"] = ", ".join(found["rules"])
            words = (
                _("SpamAssassin gives the finished mail %(score)s points, and up to 1 is good: %(rules)s. %(age)s")
                % figures
            )
        yield Check("E29", "warns", ok, words, None, language)


def _check_screenshots() -> Check:
    """E30 is a matter of our tests: golden mails and their pictures in three widths, light, dark and without images."""
    message = _("The looks of all blocks were compared with their pictures when templates %(version)s were made.")
    return Check("E30", "warns", True, message % {"version": TEMPLATE_VERSION})
