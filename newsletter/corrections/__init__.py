"""Putting right what an issue said after it has gone out: where its links lead, what the archive says about it, and an
erratum on top of the next issue.

Mails that were delivered hold a number, not an address: a link that is amended here leads elsewhere in all of them. Who
may get a correction by mail is `workers.sending.corrections`.
"""

from newsletter.corrections.errata import (
    errata_in,
    is_approved,
    not_next,
    open_draft,
    open_with_errata,
    tell_next,
    waiting,
)
from newsletter.corrections.links import WrongAddress, address, amend, put_back, still_saying
from newsletter.corrections.mail import draft, letter, letters
from newsletter.corrections.notes import LONGEST, Words, lines, note, paragraphs, proposed, reword, show, speaks
from newsletter.corrections.status import OUT, is_out, links, stands

CHANGES = (
    "link-amended",
    "link-put-back",
    "correction-noted",
    "correction-changed",
    "correction-hidden",
    "correction-shown",
)
"""What the log calls everything that changes an issue's page after it was sent."""

__all__ = [
    "address",
    "amend",
    "CHANGES",
    "draft",
    "errata_in",
    "is_approved",
    "is_out",
    "letter",
    "letters",
    "lines",
    "links",
    "LONGEST",
    "not_next",
    "note",
    "open_draft",
    "open_with_errata",
    "OUT",
    "paragraphs",
    "proposed",
    "put_back",
    "reword",
    "show",
    "speaks",
    "stands",
    "still_saying",
    "tell_next",
    "waiting",
    "Words",
    "WrongAddress",
]
