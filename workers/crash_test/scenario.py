"""What a crash test sends: one newsletter, its readers, and an issue of ordinary size. Runs in the throwaway database."""

from __future__ import annotations

from datetime import datetime, timedelta

from newsletter import content, issues
from newsletter.models import Issue, Newsletter
from subscribers.models import Subscriber, Subscription, SubscriptionStatus

LANGUAGE = "id"
SENTENCE = "Mulai Senin, pemegang paspor elektronik melintas dalam <strong>kurang dari 30 detik</strong>. "
BULK_SIZE = 5_000


def reader_address(number: int) -> str:
    return f"n{number}@pembaca.example"


def schedule_issue(*, readers: int, now: datetime) -> Issue:
    """An approved issue that is due now, for `readers` confirmed readers."""
    newsletter = _newsletter()
    for start in range(0, readers, BULK_SIZE):
        _readers(newsletter, range(start, min(start + BULK_SIZE, readers)), now=now)
    issue = issues.create(newsletter, editor=None, now=now)
    issue = issues.save(issue, _document(), version=issue.version, editor=None, now=now)
    issue = issues.approve(issue, editor=None, now=now)
    return issues.schedule(issue, at=now, editor=None, now=now)


def _newsletter() -> Newsletter:
    return Newsletter.objects.create(
        slug="uji-tahan",
        brand="Uji tahan",
        title="Uji tahan",
        languages=[LANGUAGE],
        list_id="uji.tahan.example",
        from_name="Uji tahan",
        from_email="redaksi@tahan.example",
        postal_address="Redaksi Uji Tahan, Jl. Contoh No. 10, Jakarta 12345",
        hold_s=0,
    )


def _readers(newsletter: Newsletter, numbers: range, *, now: datetime) -> None:
    confirmed = now - timedelta(days=30)
    people = Subscriber.objects.bulk_create(
        [Subscriber(email=reader_address(number), email_key=reader_address(number)) for number in numbers]
    )
    Subscription.objects.bulk_create(
        Subscription(
            subscriber=person,
            newsletter=newsletter,
            status=SubscriptionStatus.SUBSCRIBED,
            language=LANGUAGE,
            requested_at=confirmed,
            confirmed_at=confirmed,
        )
        for person in people
    )


def _document() -> content.Document:
    stories = [
        content.StoryWords(
            headline=f"Jalur autogate ke-{number} dibuka, begini cara memakainya",
            summary=f"<p>{SENTENCE * 3}</p>",
            url=f"https://tahan.example/kabar/{number}",
            link_text=f"Cara memakai jalur ke-{number}",
        )
        for number in range(1, 6)
    ]
    envelope = content.Envelope(
        subject="Lima jalur autogate baru, dan cara memakainya",
        preheader="Siapa yang berhak, kapan dibuka, dan apa yang perlu Anda bawa ke bandara",
    )
    return content.Document(
        envelopes={LANGUAGE: envelope},
        blocks=[
            content.Lead(words={LANGUAGE: stories[0]}),
            *(content.Story(words={LANGUAGE: words}) for words in stories[1:]),
        ],
    )
