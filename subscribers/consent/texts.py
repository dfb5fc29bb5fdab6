"""Consent texts: the current version, new versions, and the default sentences of a new newsletter (C-01).

A `ConsentText` never changes. A new wording is a new version with the next number.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from newsletter.languages import reader_words
from newsletter.models import Newsletter, Tracking
from subscribers.consent.chain import lock_chain
from subscribers.models import ConsentText, Purpose


def current_text(newsletter: Newsletter, purpose: str, language: str) -> ConsentText | None:
    texts = ConsentText.objects.filter(newsletter=newsletter, purpose=purpose, language=language)
    return texts.order_by("-version").first()


def publish_text(
    newsletter: Newsletter, purpose: str, language: str, *, text: str, button: str = "", now: datetime
) -> ConsentText:
    """Store `text` as a new version and return it. Return the current version if text and button are the same."""
    with transaction.atomic():
        lock_chain()  # race: two requests would otherwise give the same number to two versions
        last = current_text(newsletter, purpose, language)
        button = button or (last.button if last else default_button(language))
        if last and (last.text, last.button) == (text, button):
            return last
        return ConsentText.objects.create(
            newsletter=newsletter,
            purpose=purpose,
            language=language,
            version=last.version + 1 if last else 1,
            text=text,
            button=button,
            privacy_url=privacy_url(newsletter),
            privacy_hash=privacy_hash(newsletter),
            valid_from=now,
        )


def ensure_texts(newsletter: Newsletter, *, now: datetime) -> list[ConsentText]:
    """Return the current texts in every language of the newsletter. Publish the default text where one is missing."""
    return [
        current_text(newsletter, purpose, language)
        or publish_text(
            newsletter, purpose, language, text=default_text(newsletter, purpose, language), button="", now=now
        )
        for purpose in required_purposes(newsletter)
        for language in dict.fromkeys(text_language(newsletter, purpose, one) for one in newsletter.languages)
    ]


def required_purposes(newsletter: Newsletter) -> list[str]:
    """The purposes that need consent. Measurement needs it only if the newsletter tracks individual subscribers."""
    needs_measurement = newsletter.tracking == Tracking.INDIVIDUAL and newsletter.tracking_needs_consent
    return [Purpose.NEWSLETTER, *([Purpose.MEASUREMENT] if needs_measurement else [])]


def text_language(newsletter: Newsletter, purpose: str, language: str) -> str:
    """Return `language` if it has a text, else the language of the fixed words, in which the default text is."""
    if current_text(newsletter, purpose, language) is not None:
        return language
    return reader_words.words_language(language, newsletter.fixed_words_language)


def default_button(language: str) -> str:
    with reader_words.override(language):
        return _("Subscribe")


def default_text(newsletter: Newsletter, purpose: str, language: str) -> str:
    # These sentences are stored as what subscribers agreed to. Do not reword them.
    with reader_words.override(language, newsletter.fixed_words_language):
        names = {
            "button": default_button(language),
            "title": newsletter.title_in(language),
            "brand": newsletter.brand,
        }
        if purpose == Purpose.MEASUREMENT:
            return (
                _(
                    "I agree that %(brand)s counts which links I open in %(title)s, to make better issues. "
                    "I can turn this off at any time, and I get every issue without it too."
                )
                % names
            )
        return (
            _(
                "By pressing %(button)s, you agree to receive %(title)s from %(brand)s by e-mail. "
                "You can stop at any time with the link in each issue."
            )
            % names
        )


def privacy_url(newsletter: Newsletter) -> str:
    return newsletter.privacy_url or f"{settings.SITE_URL}/privacy/"


def privacy_hash(newsletter: Newsletter) -> str:
    """Hash the facts that the privacy notice contains. A new hash shows that the notice has changed."""
    facts = [newsletter.brand, newsletter.postal_address, newsletter.reply_to, newsletter.tracking]
    return hashlib.sha256(json.dumps([*facts, privacy_url(newsletter)]).encode()).hexdigest()
