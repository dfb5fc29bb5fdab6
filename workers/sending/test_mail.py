"""A test of an issue: every language to a few chosen people, now, with the provider's own answer.

The mail is rendered as any other and then marked: a tag in the subject, a banner on top, and a mark on each link that
leads to the publisher. It makes no delivery and no figures, and the tokens in it belong to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import make_msgid
from html import escape, unescape
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import editions, formatting, issues
from newsletter.models import AuditEntry, Editor, Issue, Newsletter
from newsletter.rendering import links, slots
from subscribers import recipient_allowlist
from workers import routes
from workers.message import builder, header_fields
from workers.routes.base import boottime

MAX_DURATION_S = 10.0
MAX_EXTRA_ADDRESSES = 5
"""Addresses beside the editor's own."""
LIMIT_PERIOD = timedelta(minutes=10)
MAX_MAILS_PER_PERIOD = 60
"""Test mails of one editor within `WHILE`: five times everybody in two languages."""
TEST_QUERY = "warta=test"


class TooManyTests(Exception):
    """The editor sent so many tests that more of them look like a mistake; the message says when to go on."""


@dataclass(frozen=True, slots=True)
class MailTestResult:
    """What the provider said about one test mail. `str()` is a sentence for the editor."""

    email: str
    language: str
    ok: bool
    code: str = ""
    detail: str = ""

    @property
    def answer(self) -> str:
        """The provider's own words."""
        return f"{self.code} {self.detail}".strip()

    def __str__(self) -> str:
        words = {"email": self.email, "language": formatting.language_name(self.language), "answer": self.answer}
        if not self.ok:
            return _("The test to %(email)s (%(language)s) was not sent: %(answer)s") % words
        if self.answer:
            return _("Test sent to %(email)s (%(language)s). Answer: %(answer)s") % words
        return _("Test sent to %(email)s (%(language)s).") % words


def send(issue: Issue, *, to: Sequence[str], editor: Editor | None, now: datetime) -> list[MailTestResult]:
    """Send every language of the issue as it is to these addresses, by the first route, within about ten seconds.

    Raises TooMany. Where at least one was accepted, the issue counts as tested.
    """
    deadline, languages = boottime() + MAX_DURATION_S, editions.languages(issue)
    detail = {
        "mails": len(languages) * len(to),
        "revision": issue.revision_head,
        "digest": issues.approval_digest(issue),
    }
    with transaction.atomic():  # two requests at once count each other
        if editor is not None:
            Editor.objects.select_for_update().get(pk=editor.pk)
        _check_limit(editor, len(languages) * len(to), now=now)
        issues.audit("issue-tested", issue, editor=editor, now=now, **detail)
    route, results = routes.first(), []
    for language in languages:
        results += _send_one(issue, language, to, route, editor=editor, deadline=deadline, now=now)
    if any(result.ok for result in results):
        with transaction.atomic():
            Issue.objects.filter(pk=issue.pk).update(tested_at=now, tested_version=issue.version)
    return results


def _check_limit(editor: Editor | None, mails: int, *, now: datetime) -> None:
    sent = AuditEntry.objects.filter(action="issue-tested", actor=editor, occurred_at__gt=now - LIMIT_PERIOD)
    before = sum(int(detail.get("mails", 0)) for detail in sent.values_list("detail", flat=True))
    if before + mails > MAX_MAILS_PER_PERIOD:
        words = ngettext(
            "You sent %(count)s test mail within ten minutes. Wait a little, then test again.",
            "You sent %(count)s test mails within ten minutes. Wait a little, then test again.",
            before,
        )
        raise TooManyTests(words % {"count": before})


def _send_one(
    issue: Issue,
    language: str,
    to: Sequence[str],
    route: routes.MailRoute,
    *,
    editor: Editor | None,
    deadline: float,
    now: datetime,
) -> list[MailTestResult]:
    """One language, rendered once, to everybody."""
    try:
        mail = builder.compile_template(mark_as_test(issue, language, now=now), issue.newsletter)
    except editions.RenderError as error:
        return [MailTestResult(email, language, False, detail=str(error)) for email in to]
    except header_fields.Unsendable:
        problem = _("The sender's address has signs that mail cannot carry. Correct it in the settings.")
        return [MailTestResult(email, language, False, detail=problem) for email in to]
    names = {editor.email: editor.name} if editor is not None else {}
    readers = [builder.Recipient(0, email, names.get(email, ""), confirmed_at=now) for email in to]
    return [_hand_over(mail, reader, route, deadline=deadline, now=now) for reader in readers]


def _hand_over(
    mail: builder.MessageTemplate, reader: builder.Recipient, route: routes.MailRoute, *, deadline: float, now: datetime
) -> MailTestResult:
    email, language = reader.email, mail.words.language
    if not recipient_allowlist.is_allowed(email):
        return MailTestResult(
            email, language, False, detail=_("This installation writes to chosen addresses only (MAIL_ONLY_TO).")
        )
    try:
        letter = _build_message(mail, reader, route, now=now)
        route.open()
        result = route.send(letter, deadline=deadline)
    except header_fields.Unsendable:
        return MailTestResult(email, language, False, detail=_("Mail cannot be addressed to this."))
    except routes.DeadlineExceeded:
        return MailTestResult(email, language, False, detail=_("It took too long. Try it again."))
    except (routes.RouteUnavailable, routes.AccountRefused) as problem:
        return MailTestResult(email, language, False, detail=str(problem))
    return MailTestResult(email, language, result.outcome == "accepted", result.code, result.detail)


def _build_message(
    mail: builder.MessageTemplate, reader: builder.Recipient, route: routes.MailRoute, *, now: datetime
) -> routes.OutgoingMessage:
    """A copy for nobody (subscription 0) under a Message-ID of its own."""
    own_id = make_msgid(domain=mail.domain)
    if route.capabilities.takes == "message":
        message = builder.build_email(mail, reader)
        message.extra_headers["Message-ID"] = own_id
        return routes.OutgoingMessage(
            builder.envelope_sender(mail, reader), header_fields.ascii_address(reader.email), own_id, message=message
        )
    copy = builder.render(mail, reader, now=now)
    data = copy.data.replace(copy.message_id.encode(), own_id.encode(), 1)
    return routes.OutgoingMessage(copy.sender, copy.recipient, own_id, data)


# --- marking ---------------------------------------------------------------------------------------------------------

_HREF = re.compile(r'(?<=\shref=")[^"]*')
_URL = re.compile(r"https?://[^\s<>]+")
_LINE = (
    "margin:0 auto;max-width:560px;padding:12px 20px;background-color:#FAF0D9;color:#764B00;"
    "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.5"
)


def mark_as_test(issue: Issue, language: str, *, now: datetime) -> builder.MessageContent:
    """The issue as its readers would get it, with everything that says: this is a test."""
    done, newsletter = editions.render(issue, language), issue.newsletter
    with translation.override(language):
        subject = _("[Test] %(subject)s") % {"subject": done.subject}
        banner = _banner(issue, now=now)
    html = _HREF.sub(lambda found: escape(_mark_url(unescape(found[0]), newsletter)), done.html)
    text = _URL.sub(lambda found: _mark_url(found[0], newsletter), done.text)
    return builder.MessageContent(
        issue.pk, language, subject, _insert_banner(html, banner, language), f"*** {banner} ***\n\n{text}"
    )


def _banner(issue: Issue, *, now: datetime) -> str:
    return _(
        "Test of issue %(number)s, sent to the newsroom only on %(time)s. Readers do not get this line. "
        "Links lead straight to their pages, and nothing is counted."
    ) % {"number": issue.number, "time": formatting.format_datetime(now, issue.newsletter.zone)}


def _insert_banner(html: str, banner: str, language: str) -> str:
    """The banner before the first table, so that the preheader stays the first thing an inbox shows."""
    body = html.index("<body")
    start = html.find("<!--[if mso", body)
    start = html.index(">", body) + 1 if start < 0 else start
    line = f'<div lang="{language}" dir="auto" role="note" style="{_LINE}"><b>{escape(banner)}</b></div>\n'
    return html[:start] + line + html[start:]


def _mark_url(url: str, newsletter: Newsletter) -> str:
    """`url` with a mark for the publisher's own statistics. Foreign sites and links of the reader stay as they are."""
    parts = urlsplit(url)
    is_token = slots.OPEN in url
    if is_token or parts.scheme not in {"http", "https"} or not _is_own(parts.hostname or "", newsletter):
        return url
    return urlunsplit(parts._replace(query=f"{parts.query}&{TEST_QUERY}" if parts.query else TEST_QUERY))


def _is_own(host: str, newsletter: Newsletter) -> bool:
    own = {settings.SITE_HOST, links.host(newsletter.site_url)} - {""}
    return any(host == one or host.endswith(f".{one}") for one in own)
