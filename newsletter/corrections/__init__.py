"""Corrections of a sent issue: amend its links, publish notes in the archive, add an erratum to the next issue.

Sent mails contain link numbers, not addresses, so an amended link leads to its new target in all of them.
`workers.sending.corrections` decides who may get a correction by mail.
"""

from newsletter.corrections.errata import (
    add_to_next_issue,
    current_draft,
    errata_blocks,
    is_draft_approved,
    pending_errata,
    prepend_errata,
    remove_from_next_issue,
)
from newsletter.corrections.link_amendments import (
    InvalidLinkAddress,
    amend_links,
    issues_with_lapsed_errata,
    parse_address,
    revert_links,
)
from newsletter.corrections.mail import build_mail_document, create_mail_draft, mail_issues
from newsletter.corrections.notes import (
    MAX_NOTE_LENGTH,
    WordsByLanguage,
    create_note,
    is_supported_language,
    normalize_newlines,
    propose_note,
    set_note_visibility,
    text_to_html,
    update_note,
)
from newsletter.corrections.status import OUT_STATUSES, is_in_effect, is_out, numbered_links

PAGE_CHANGE_ACTIONS = (
    "link-amended",
    "link-put-back",
    "correction-noted",
    "correction-changed",
    "correction-hidden",
    "correction-shown",
)
"""Audit actions that change an issue's page after it was sent."""

__all__ = [
    "parse_address",
    "amend_links",
    "PAGE_CHANGE_ACTIONS",
    "create_mail_draft",
    "errata_blocks",
    "is_draft_approved",
    "is_out",
    "build_mail_document",
    "mail_issues",
    "normalize_newlines",
    "numbered_links",
    "MAX_NOTE_LENGTH",
    "remove_from_next_issue",
    "create_note",
    "current_draft",
    "prepend_errata",
    "OUT_STATUSES",
    "text_to_html",
    "propose_note",
    "revert_links",
    "update_note",
    "set_note_visibility",
    "is_supported_language",
    "is_in_effect",
    "issues_with_lapsed_errata",
    "add_to_next_issue",
    "pending_errata",
    "WordsByLanguage",
    "InvalidLinkAddress",
]
