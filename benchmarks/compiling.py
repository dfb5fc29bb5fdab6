"""`compile`: from MJML to wire segments once, then a personalised message per reader; against Django's own message.

The plain way gets everything ready (tokens, filled bodies) and is charged with building the message and its bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from unittest import mock

from django.utils import timezone

from benchmarks import bulk_subscribers, exactness, figures, reference
from benchmarks.figures import ROUNDS, Findings
from newsletter import editions
from newsletter.models import Edition, Issue
from newsletter.rendering import mjml
from subscribers import tokens
from workers.ledger import ids
from workers.message import builder


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    newsletter = reference.create_newsletter()
    issue = reference.create_draft(newsletter, now=now)
    edition = reference.freeze(issue, now=now)
    source = capture_mjml(issue)
    _report_sizes(found, edition)
    times = 3 if quick else 15
    apart_s = 1 / figures.rate(1, lambda: mjml.to_html_in_subprocess(source))
    found.tell("apart_ms", apart_s * 1000, "ms wall MJML to HTML, in a process of its own, as when an issue is frozen")
    found.tell(
        "mjml_ms", _median_ms(lambda: mjml.to_html(source), times=times), "ms MJML to HTML, guarded, in this process"
    )
    words = _build_words(edition)
    found.tell(
        "segments_ms",
        _median_ms(lambda: builder.compile_template(words, newsletter), times=times),
        "ms HTML to segments",
    )
    _check_exactness(found, words, edition, now=now)
    _measure_speed(found, edition, quick=quick)
    return found


def capture_mjml(issue: Issue) -> mjml.MjmlSource:
    """The issue's MJML, caught on its way to the compiler."""
    with mock.patch.object(mjml, "to_html", return_value="") as compiler:
        editions.render(issue, reference.LANGUAGE, tracked=True)
    source = compiler.call_args.args[0]
    assert isinstance(source, mjml.MjmlSource)
    return source


def _build_words(edition: Edition) -> builder.MessageContent:
    return builder.MessageContent(edition.issue_id, edition.language, edition.subject, edition.html, edition.text)


def _report_sizes(found: Findings, edition: Edition) -> None:
    html, text = len(edition.html.encode()), len(edition.text.encode())
    links = edition.issue.links.filter(language=edition.language).count()
    found.tell("html_bytes", html, "bytes of HTML")
    found.tell("text_bytes", text, "bytes of text")
    found.tell("links", links, "tracked links")
    low, high = reference.HTML_BYTES
    found.require(low <= html <= high, f"the reference issue has {html} bytes of HTML, not {low} to {high}")
    low, high = reference.TEXT_BYTES
    found.require(low <= text <= high, f"the reference issue has {text} bytes of text, not {low} to {high}")
    found.require(links == reference.LINKS, f"the reference issue has {links} links, not {reference.LINKS}")


def _median_ms(act: Callable[[], object], *, times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.process_time()
        act()
        taken.append((time.process_time() - started) * 1000)
    return figures.median(taken)


def _check_exactness(found: Findings, words: builder.MessageContent, edition: Edition, *, now: datetime) -> None:
    newsletter = edition.issue.newsletter
    readers = exactness.readers_with_odd_names(bulk_subscribers.build_readers(24, now=now))
    wrong = [
        f"{'8bit' if eight_bit else 'quoted-printable'}, reader {reader.id}: {', '.join(differences)}"
        for eight_bit in (True, False)
        for mail in [builder.compile_template(words, newsletter, eight_bit=eight_bit)]
        for reader in readers
        if (differences := exactness.differences(mail, reader, now=now))
    ]
    found.tell("byte_exact", not wrong, f"byte-exact, {2 * len(readers)} messages read again by the standard library")
    for one in wrong[:5]:
        found.require(False, f"not byte-exact: {one}")


def _measure_speed(found: Findings, edition: Edition, *, quick: bool) -> None:
    mail = builder.template_for_edition(edition, edition.issue.newsletter, eight_bit=True, stuffed=True)
    quoted = builder.template_for_edition(edition, edition.issue.newsletter, eight_bit=False)
    now = timezone.now()
    many = bulk_subscribers.build_readers(2_000 if quick else 10_000, now=now)
    few = many[: 20 if quick else 100]
    ours, in_quoted, theirs = [], [], []
    for _ in range(ROUNDS):
        ours.append(_per_core_second(many, lambda: _fill(mail, many, now)))
        in_quoted.append(_per_core_second(many, lambda: _fill(quoted, many, now)))
        theirs.append(_per_core_second(few, lambda: _fill_with_django(mail, few)))
    found.tell("wire_bytes", len(builder.render(mail, many[0], now=now).data), "bytes of a message, 8bit")
    found.tell("us_per_message", 1e6 / figures.median(ours), "us a personalised message, 8bit")
    found.tell("us_per_message_quoted", 1e6 / figures.median(in_quoted), "us a personalised message, quoted-printable")
    found.tell("stdlib_us_per_message", 1e6 / figures.median(theirs), "us a message by Django's EmailMultiAlternatives")
    found.ratio("build_vs_stdlib", ours, theirs)


def _per_core_second(readers: list[builder.Recipient], build: Callable[[], None]) -> float:
    """Nothing here waits, so processor time says it all, and other programs disturb it less than the wall clock."""
    return figures.rate(len(readers), build, clock=time.process_time)


def _fill(mail: builder.MessageTemplate, readers: list[builder.Recipient], now: datetime) -> None:
    """As the engine does it: tokens for a claim of readers at once."""
    for part in ids.batched(readers):
        own = tokens.make_for_subscribers(mail.content.issue, [reader.id for reader in part])
        for reader in part:
            builder.render(mail, reader, now=now, reader_tokens=own[reader.id])


def _fill_with_django(mail: builder.MessageTemplate, readers: list[builder.Recipient]) -> None:
    for reader in readers:
        builder.build_email(mail, reader).message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
