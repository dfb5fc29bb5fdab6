"""The step `fix:<check>:<block>:<language>`, and which failed checks have a fix.

Block and language are empty if a check has none. The fixes are in `newsletter.checks.fixes`, which does not use the
database. This module collects the facts that they need.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from django.db.models import Q
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.blocks import registry
from newsletter.checks import Check, fixes, link_checker, text_rules
from newsletter.checks.document_rules import MAX_PICTURE_BYTES, shown_picture
from newsletter.media import images
from newsletter.models import Article, Issue, MediaFile, Newsletter
from newsletter.rendering import links
from newsletter.studio.shared import document_form

logger = logging.getLogger(__name__)

FIXABLE = fixes.ENVELOPE_FIXES.keys() | fixes.BLOCK_FIXES.keys() | {"E17"}


def apply_fix(issue: Issue, document: content.Document, rest: str) -> str:
    """Apply a fix to the document and return the id of the block or field to focus.

    Raises document_form.BadForm if the step is invalid, StepNotPossible if there is nothing left to fix.
    """
    check, _colon, place = rest.partition(":")
    block, _colon, language = place.partition(":")
    if check not in FIXABLE or (language and language not in issue.newsletter.languages):
        raise document_form.BadForm("fix")
    fix = fixes.find_fix(check, document, block, language, facts=gather_facts(issue, document))
    if fix is None:
        raise document_form.StepNotPossible(_("There is nothing left to fix here. See the checks again."))
    fix.apply()
    logger.info("check fixed", extra={"issue": issue.pk, "check": check})
    return fix.focus or (block if document.block(block) else "")


def available_fixes(issue: Issue, document: content.Document, found: Iterable[Check]) -> dict[Check, tuple[str, str]]:
    """For each check with a fix: the value of its button (`do`) and the label."""
    open_checks = [check for check in found if not check.ok and not check.is_pending]
    offered = {check: _change_button(check) for check in open_checks if check.id == "changed"}
    fixable = [check for check in open_checks if check.id in FIXABLE]
    facts = gather_facts(issue, document) if fixable else None
    for check in fixable:
        block, language = check.block or "", check.language or ""
        fix = fixes.find_fix(check.id, document, block, language, facts=facts, about=check.about) if facts else None
        if fix is not None:
            offered[check] = (f"fix:{check.id}:{block}:{language}", fix.label)
    return offered


def _change_button(check: Check) -> tuple[str, str]:
    return f"take:{check.block}:{check.language}", _("Use the article’s current text")


# --- what the database knows -----------------------------------------------------------------------------------------


def gather_facts(issue: Issue, document: content.Document) -> fixes.FixContext:
    """Collect what fixes need from the database, in three queries for any number of blocks."""
    newsletter = issue.newsletter
    urls = {link.url for link in link_checker.document_links(document)}
    articles = list(Article.objects.filter(Q(url__in=urls) | Q(pk__in=document.article_ids())))
    return fixes.FixContext(
        default=newsletter.default_language,
        own_hosts=frozenset(filter(None, [links.host(newsletter.site_url)])),
        titles={article.url: article.title for article in articles},
        descriptions=_descriptions(document, articles),
        last_subjects=text_rules.subjects_by_language(issues.last_sent(issue)),
        led_to={url: answer.to for url, answer in link_checker.latest_results(issue).items() if answer.to},
        lighter=partial(_shrink_pictures, newsletter),
    )


def _descriptions(document: content.Document, articles: Iterable[Article]) -> dict[tuple[str, str], str]:
    """Descriptions of images by (block id, language), from the media library and from articles in that language."""
    by_url = {article.url: article for article in articles}
    by_key = {article.pk: article for article in articles}
    alt_texts = dict(MediaFile.objects.filter(pk__in=_picture_ids(document)).values_list("pk", "alt"))
    found: dict[tuple[str, str], str] = {}
    for block in document.blocks:
        picture = shown_picture(block)
        if picture and registry.kind_of(block).is_picture:
            found |= {(block.id, language): alt_texts.get(picture.media, "") for language in block.words}
        for language, words in block.words.items():
            article = by_url.get(getattr(words, "url", "")) or by_key.get(getattr(block, "article", None) or 0)
            if article is not None and article.image_alt and article.language in ("", language):
                found[block.id, language] = article.image_alt
    return found


def _picture_ids(document: content.Document) -> list[int]:
    return [picture.media for block in document.blocks if (picture := getattr(block, "picture", None))]


def _shrink_pictures(newsletter: Newsletter, document: content.Document, block_id: str) -> int:
    """Replace images by smaller copies and return how many were replaced.

    With `block_id`, replace that block's image. Without, replace every image above its share of MAX_PICTURE_BYTES.
    """
    files = MediaFile.objects.in_bulk(_picture_ids(document))
    share = MAX_PICTURE_BYTES // max(1, len(files))
    changed = 0
    for block in document.blocks:
        picture = shown_picture(block)
        file = files.get(picture.media) if picture else None
        if file is None or (block.id != block_id if block_id else file.size <= share):
            continue
        try:
            lighter = images.shrink(file, most_bytes=min(share, file.size - 1))
        except (images.InvalidPicture, OSError):
            logger.warning("picture could not be made lighter", extra={"media": file.pk})
            continue
        lighter.newsletters.add(newsletter)
        block.picture = content.Picture(  # type: ignore[union-attr]  # blocks with a picture have the field
            media=lighter.pk, path=lighter.file.name or "", width=lighter.width, height=lighter.height
        )
        changed += lighter.pk != file.pk
    return changed
