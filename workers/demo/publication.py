"""What the invented publication is made of: newsletters, editors, sign-up form, sources and their articles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, time

from django.conf import settings

from newsletter import articles
from newsletter.drafts import preparation
from newsletter.drafts.schedule import Cadence
from newsletter.models import Editor, Membership, Newsletter, Role, Source, Tracking
from subscribers import consent
from subscribers.models import Purpose, SignupForm
from workers.demo import stories, views

DOMAIN = "kabarlintas.example"
ADMINISTRATOR = f"admin@{DOMAIN}"
EDITORS = (
    ("dewi", "Dewi Anggraini", Role.WRITER, "id"),
    ("rizky", "Rizky Pratama", Role.EDITOR, "id"),
    ("maria", "Maria Tambunan", Role.PUBLISHER, "en"),
)
NEWSLETTERS: tuple[dict[str, object], ...] = (
    {
        "slug": "ringkasan-mingguan",
        "title": "Ringkasan mingguan",
        "description": "Kabar imigrasi yang perlu Anda tahu, tiap Selasa pagi. Lima menit baca, tanpa iklan.",
        "translations": {
            "en": {
                "title": "Weekly summary",
                "description": "The immigration news you need, every Tuesday morning. Five minutes, no advertising.",
            }
        },
        "tracking": Tracking.AGGREGATE,
        "cadence": Cadence(days=(1,), at=time(7), days_before=1, prepared_at=time(9)).to_json(),
        "draft_rule": preparation.DraftRule().to_json(),
    },
    {
        "slug": "perubahan-aturan",
        "title": "Perubahan aturan",
        "description": "Hanya ketika aturan visa, izin tinggal, atau paspor berubah.",
        "translations": {
            "en": {
                "title": "Rule changes",
                "description": "Only when the rules for visas, stay permits or passports change.",
            }
        },
        "tracking": Tracking.INDIVIDUAL,
    },
)
FORM_TEXTS = {
    "id": {
        "heading": "Tetap terhubung dengan kami!",
        "invitation": "Kabar imigrasi yang dapat Anda pakai, langsung dari redaksi. Lima menit baca, tanpa iklan.",
    },
    "en": {
        "heading": "Stay in touch with us!",
        "invitation": "Immigration news you can use, straight from the newsroom. Five minutes, no advertising.",
    },
}
BUTTONS = {"id": "Berlangganan", "en": "Subscribe"}
CONSENT: dict[str, dict[str, str]] = {
    Purpose.NEWSLETTER: {
        "id": "Dengan menekan Berlangganan, Anda setuju menerima {title} dari Kabar Lintas lewat surel. "
        "Anda bisa berhenti kapan saja dari tautan di setiap edisi.",
        "en": "By pressing Subscribe, you agree to receive {title} from Kabar Lintas by e-mail. "
        "You can stop at any time with the link in each issue.",
    },
    Purpose.MEASUREMENT: {
        "id": "Saya setuju Kabar Lintas menghitung tautan mana yang saya buka di {title}, agar edisi berikutnya lebih "
        "baik. Saya bisa mematikannya kapan saja, dan tanpa ini pun saya menerima setiap edisi.",
        "en": "I agree that Kabar Lintas counts which links I open in {title}, to make better issues. "
        "I can turn this off at any time, and I get every issue without it too.",
    },
}
"""The exact words in both languages; they are evidence, so they do not depend on a catalogue."""


@dataclass(frozen=True)
class Publication:
    weekly: Newsletter
    rules: Newsletter
    form: SignupForm
    publisher: Editor
    password: str
    """Of the administrator; "" if the account is in use."""


def create(*, now: datetime, texts_from: datetime) -> Publication:
    """Newsletters, people, consent texts (valid from `texts_from`), form and sources."""
    weekly, rules = (
        Newsletter.objects.create(**_common_fields(str(own["slug"])), **own, created_at=now) for own in NEWSLETTERS
    )
    password = _create_administrator()
    publisher = _create_editors(weekly, rules)
    for newsletter in (weekly, rules):
        _publish_consent_texts(newsletter, now=texts_from)
        for path in ("/demo/feed.xml", "/demo/en/feed.xml"):
            Source.objects.create(newsletter=newsletter, url=settings.SITE_URL + path)
    form = SignupForm.objects.create(slug=views.FORM_SLUG, texts=FORM_TEXTS, asks_measurement=True)
    form.newsletters.set([weekly, rules])
    return Publication(weekly, rules, form, publisher, password)


def _publish_consent_texts(newsletter: Newsletter, *, now: datetime) -> None:
    for purpose in consent.required_purposes(newsletter):
        for language in newsletter.languages:
            text = CONSENT[purpose][language].format(title=newsletter.title_in(language))
            consent.publish_text(newsletter, purpose, language, text=text, button=BUTTONS[language], now=now)


def _common_fields(slug: str) -> dict[str, object]:
    return {
        "brand": stories.BRAND,
        "languages": list(stories.LANGUAGES),
        "list_id": f"{slug}.{DOMAIN}",
        "from_name": stories.BRAND,
        "from_email": f"redaksi@{DOMAIN}",
        "reply_to": f"halo@{DOMAIN}",
        "postal_address": "Redaksi Kabar Lintas, Jl. Contoh No. 10, Jakarta 12345",
        "privacy_url": f"{settings.SITE_URL}/privacy/",
        "site_url": f"{settings.SITE_URL}/demo/",
        "is_demo": True,
        "hold_s": 0,
    }


def _create_administrator() -> str:
    """The administrator's new password; "" where somebody has logged in with one before."""
    password = secrets.token_urlsafe(12)
    known = Editor.objects.filter(email=ADMINISTRATOR).first()
    if known is None:
        Editor.objects.create_superuser(ADMINISTRATOR, password, name="Ayu Lestari", language="id")
        return password
    if known.last_login is not None:
        return ""
    known.set_password(password)
    known.save(update_fields=["password"])
    return password


def _create_editors(*newsletters: Newsletter) -> Editor:
    """One editor for each other role, without a password: an administrator gives them one. The publisher comes back."""
    for name, full_name, role, language in EDITORS:
        editor = Editor.objects.filter(email=f"{name}@{DOMAIN}").first() or Editor.objects.create_user(
            f"{name}@{DOMAIN}", None, name=full_name, language=language
        )
        Membership.objects.bulk_create(Membership(editor=editor, newsletter=one, role=role) for one in newsletters)
    return Editor.objects.get(email=f"maria@{DOMAIN}")


def collect(weekly: Newsletter, rules: Newsletter, *, now: datetime) -> int:
    """Read the feeds over HTTP, as the workers would. Raises RuntimeError with the reason in words."""
    new = 0
    for source in Source.objects.filter(newsletter__in=[weekly, rules]).select_related("newsletter").order_by("pk"):
        outcome = articles.collect(source, now=now)
        if outcome.error:
            raise RuntimeError(f"{source.url}: {outcome.error}")
        new += outcome.new
    return new
