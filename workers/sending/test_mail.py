"""Test mails of an issue: every language to a few addresses at once, with the provider's answer.

A test mail is rendered like any other and then marked: a tag in the subject, a banner on top, and a query parameter on
each link to the publisher's sites. It creates no delivery and no figures. Its tokens belong to subscription 0.
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
"""Seconds for all test mails of one request."""
MAX_EXTRA_ADDRESSES = 5
"""Addresses in addition to the editor's own."""
LIMIT_PERIOD = timedelta(minutes=10)
MAX_MAILS_PER_PERIOD = 60
"""Test mails of one editor within LIMIT_PERIOD: five tests to six addresses in two languages."""
TEST_QUERY = "warta=test"


class TooManyTests(Exception):
    """The editor reached MAX_MAILS_PER_PERIOD. The message says when to continue."""


@dataclass(frozen=True, slots=True)
class MailTestResult:
    """The provider's answer to one test mail. `str()` is a sentence for the editor."""

    email: str
    language: str
    ok: bool
    code: str = ""
    detail: str = ""

    @property
    def answer(self) -> str:
        """Code and text of the provider's answer."""
        return f"{self.code} {self.detail}".strip()

    def __str__(self) -> str:
        values = {"email": self.email, "language": formatting.language_name(self.language), "answer": self.answer}
        if not self.ok:
            return _("The test to %(email)s (%(language)s) was not sent: %(answer)s") % values
        if self.answer:
            return _("Test sent to %(email)s (%(language)s). Answer: %(answer)s") % values
        return _("Test sent to %(email)s (%(language)s).") % values


def send(issue: Issue, *, to: Sequence[str], editor: Editor | None, now: datetime) -> list[MailTestResult]:
    """Send the issue in every language to these addresses, by the first route, within about ten seconds.

    Raises TooManyTests. If at least one mail is accepted, the issue counts as tested.
    """
    deadline, languages = boottime() + MAX_DURATION_S, editions.languages(issue)
    detail = {
        "mails": len(languages) * len(to),
        "revision": issue.revision_head,
        "digest": issues.approval_digest(issue),
    }
    with transaction.atomic():
        # The lock on the editor's row serializes two requests at once, so that each counts the mails of the other.
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
        message = ngettext(
            "You sent %(count)s test mail within ten minutes. Wait a few minutes, then test again.",
            "You sent %(count)s test mails within ten minutes. Wait a few minutes, then test again.",
            before,
        )
        raise TooManyTests(message % {"count": before})


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
    """Render one language once and send it to all addresses."""
    try:
        mail = builder.compile_template(mark_as_test(issue, language, now=now), issue.newsletter)
    except editions.RenderError as error:
        return [MailTestResult(email, language, False, detail=str(error)) for email in to]
    except header_fields.Unsendable:
        problem = _("The sender's address has characters that email does not support. Correct it in the settings.")
        return [MailTestResult(email, language, False, detail=problem) for email in to]
    names = {editor.email: editor.name} if editor is not None else {}
    readers = [builder.Recipient(0, email, names.get(email, ""), confirmed_at=now) for email in to]
    return [_send_to(mail, reader, route, deadline=deadline, now=now) for reader in readers]


def _send_to(
    mail: builder.MessageTemplate, reader: builder.Recipient, route: routes.MailRoute, *, deadline: float, now: datetime
) -> MailTestResult:
    email, language = reader.email, mail.content.language
    if not recipient_allowlist.is_allowed(email):
        return MailTestResult(
            email, language, False, detail=_("This installation sends only to the addresses in MAIL_ONLY_TO.")
        )
    try:
        outgoing = _build_message(mail, reader, route, now=now)
        route.open()
        result = route.send(outgoing, deadline=deadline)
    except header_fields.Unsendable:
        return MailTestResult(email, language, False, detail=_("This address cannot receive mail."))
    except routes.DeadlineExceeded:
        return MailTestResult(email, language, False, detail=_("The provider took too long. Try again."))
    except (routes.RouteUnavailable, routes.AccountRefused) as problem:
        return MailTestResult(email, language, False, detail=str(problem))
    return MailTestResult(email, language, result.outcome == "accepted", result.code, result.detail)


def _build_message(
    mail: builder.MessageTemplate, reader: builder.Recipient, route: routes.MailRoute, *, now: datetime
) -> routes.OutgoingMessage:
    """Return the message for subscription 0, with a new Message-ID: a second test must not look like a duplicate."""
    own_id = make_msgid(domain=mail.domain)
    if route.capabilities.takes == "message":
        message = builder.build_email(mail, reader)
        message.extra_headers["Message-ID"] = own_id
        return routes.OutgoingMessage(
            builder.envelope_sender(mail, reader), header_fields.ascii_address(reader.email), own_id, message=message
        )
    rendered = builder.render(mail, reader, now=now)
    data = rendered.data.replace(rendered.message_id.encode(), own_id.encode(), 1)
    return routes.OutgoingMessage(rendered.sender, rendered.recipient, own_id, data)


# --- test marks ------------------------------------------------------------------------------------------------------

_HREF = re.compile(r'(?<=\shref=")[^"]*')
_URL = re.compile(r"https?://[^\s<>]+")
_LINE = (
    "margin:0 auto;max-width:560px;padding:12px 20px;background-color:#FAF0D9;color:#764B00;"
    "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.5"
)


def mark_as_test(issue: Issue, language: str, *, now: datetime) -> builder.MessageContent:
    """Return the issue as readers would get it, with the subject tag, the banner and the marked links of a test."""
    rendered, newsletter = editions.render(issue, language), issue.newsletter
    with translation.override(language):
        subject = _("[Test] %(subject)s") % {"subject": rendered.subject}
        banner = _banner(issue, now=now)
    html = _HREF.sub(lambda match: escape(_mark_url(unescape(match[0]), newsletter)), rendered.html)
    text = _URL.sub(lambda match: _mark_url(match[0], newsletter), rendered.text)
    return builder.MessageContent(
        issue.pk, language, subject, _insert_banner(html, banner, language), f"*** {banner} ***\n\n{text}"
    )


def _banner(issue: Issue, *, now: datetime) -> str:
    return _(
        "Test of issue %(number)s, sent only to the newsroom on %(time)s. Readers do not get this line. "
        "Links lead directly to their pages, and nothing is counted."
    ) % {"number": issue.number, "time": formatting.format_datetime(now, issue.newsletter.zone)}


def _insert_banner(html: str, banner: str, language: str) -> str:
    """Insert the banner before the first table, so that inboxes still show the preheader first."""
    body = html.index("<body")
    start = html.find("<!--[if mso", body)
    start = html.index(">", body) + 1 if start < 0 else start
    line = f'<div lang="{language}" dir="auto" role="note" style="{_LINE}"><b>{escape(banner)}</b></div>\n'
    return html[:start] + line + html[start:]


def _mark_url(url: str, newsletter: Newsletter) -> str:
    """Add TEST_QUERY for the publisher's statistics. Links to other sites and links with a token stay unchanged."""
    parts = urlsplit(url)
    is_token = slots.OPEN in url
    if is_token or parts.scheme not in {"http", "https"} or not _is_own(parts.hostname or "", newsletter):
        return url
    return urlunsplit(parts._replace(query=f"{parts.query}&{TEST_QUERY}" if parts.query else TEST_QUERY))


def _is_own(host: str, newsletter: Newsletter) -> bool:
    own_hosts = {settings.SITE_HOST, links.host(newsletter.site_url)} - {""}
    return any(host == own_host or host.endswith(f".{own_host}") for own_host in own_hosts)
