"""Half a year of the invented publication, replayed by the real operations in the order in which it happened.

People sign up, confirm, leave; issues are written, approved, sent on a route that discards; readers open and click;
a provider reports. Every moment lies in the past, so the operations are told it, and those that read the clock
themselves find it standing there.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from newsletter import content, editions, issues
from newsletter.drafts import preparation
from newsletter.models import Article, Issue, IssueStatus, Link, Newsletter, SavedBlock
from subscribers import consent, signup, tokens
from subscribers.models import (
    ConsentText,
    Notice,
    NoticeKind,
    Purpose,
    SignupRequest,
    Subscriber,
    Subscription,
    SubscriptionStatus,
)
from workers import provider_events, routes, spool
from workers.demo import stories, subscribers
from workers.demo.publication import Publication
from workers.demo.subscribers import InventedReader
from workers.models import AgentClass, Delivery, Outcome, Route
from workers.reporting import issue_figures
from workers.sending import lifecycle
from workers.tracking import loader

READER_COUNT = 400
LENGTH = timedelta(days=182)
CONSENT_MARGIN = timedelta(days=7)
DRAFT_LEAD_TIME = timedelta(days=4)
"""Weekly issues are begun so long before they leave; what was published since is new for the next one."""
BROWSERS = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36",
)
INTROS = {
    "weekly": (
        {
            "id": "<p>Selamat pagi. Pekan ini kami memilih kabar yang paling sering Anda tanyakan kepada redaksi.</p>",
            "en": "<p>Good morning. This week we chose the stories you asked the newsroom about most.</p>",
        },
        {
            "id": "<p>Selamat pagi. Beberapa tenggat mendekat; periksa tanggal Anda sambil membaca.</p>",
            "en": "<p>Good morning. Some deadlines are near; check your own dates as you read.</p>",
        },
        {
            "id": "<p>Selamat pagi. Kami merangkum yang baru dan yang sering keliru, dalam lima menit baca.</p>",
            "en": "<p>Good morning. What is new and what often goes wrong, in five minutes.</p>",
        },
    ),
    "rules": (
        {
            "id": "<p>Anda menerima surel ini karena aturan izin tinggal dan visa sedang banyak dibicarakan.</p>",
            "en": "<p>You get this mail because the rules for stay permits and visas are much discussed just now.</p>",
        },
    ),
}


@dataclass(frozen=True)
class HistoryStep:
    at: datetime
    what: Callable[[datetime], None]


def replay(made: Publication, *, now: datetime, tell: Callable[[str], object]) -> None:
    """Everything that happened until `now`, oldest first."""
    chance = random.Random(182)  # noqa: S311 (invented people, the same ones each time)
    story = _History(made, chance, now=now, tell=tell)
    with _discard_mail():
        for step in sorted(story.steps(), key=lambda step: step.at):
            step.what(step.at)
        story.finish()


@contextlib.contextmanager
def _discard_mail() -> Iterator[None]:
    """All mail of this process goes nowhere; the mailbox stays empty."""
    usual = settings.MAIL_ROUTES
    settings.MAIL_ROUTES = ["discard:"]
    try:
        yield
    finally:
        settings.MAIL_ROUTES = usual
        Route.objects.exclude(name__in=[route.name for route in routes.configured()]).filter(kind="discard").delete()


@contextlib.contextmanager
def _freeze_clock(moment: datetime) -> Iterator[None]:
    """Operations that read the clock themselves find it standing at `moment`."""
    usual = timezone.now
    timezone.now = lambda: moment
    try:
        yield
    finally:
        timezone.now = usual


class _History:
    def __init__(
        self, made: Publication, chance: random.Random, *, now: datetime, tell: Callable[[str], object]
    ) -> None:
        self.made, self.chance, self.now, self.tell = made, chance, now, tell
        self.start = stories.first_day(now=now)
        self.texts = {(text.newsletter_id, text.purpose, text.language): text for text in ConsentText.objects.all()}
        self.waiting: list[tuple[datetime, InventedReader]] = []
        self.used: set[int] = set()

    # --- who does what when

    def steps(self) -> Iterable[HistoryStep]:
        yield from self._joining()
        tuesday = _latest_tuesday(self.now)
        for number in range(3):
            yield HistoryStep(tuesday - timedelta(weeks=2 - number), self._weekly(number))
        yield HistoryStep(tuesday - timedelta(days=5), self._rules)

    def _joining(self) -> Iterable[HistoryStep]:
        """Sign-ups over half a year, more of them the larger the publication is."""
        days = LENGTH.total_seconds() / 86_400
        for person in subscribers.invent(READER_COUNT, chance=self.chance):
            ago = days * (1 - self.chance.random() ** 0.35) + 0.3
            at = self.now - timedelta(days=ago, seconds=self.chance.randrange(20_000))
            yield HistoryStep(at, self._sign_up(person))

    def _sign_up(self, person: InventedReader) -> Callable[[datetime], None]:
        def what(at: datetime) -> None:
            self.waiting.append((at, person))

        return what

    # --- readers

    def admit(self) -> None:
        """The sign-ups since the last issue, in one transaction: nobody is to see half of them."""
        with transaction.atomic():
            for at, person in self.waiting:
                self._one(person, at=at)
        self.waiting.clear()

    def _one(self, person: InventedReader, *, at: datetime) -> None:
        request = self._accept(person, at=at)
        signup.admit_due(now=at + timedelta(seconds=1))
        _mark_sent(Notice.objects.filter(request=request, kind=NoticeKind.CONFIRMATION), at=at + timedelta(seconds=2))
        Subscriber.objects.filter(email_key=person.email).update(name=person.name)
        if self.chance.random() < 0.06 and at > self.now - timedelta(days=25):
            return  # never confirmed; older ones are forgotten by now
        confirmed_at = at + timedelta(minutes=self.chance.choice((1, 2, 4, 9, 30, 600)))
        request.refresh_from_db()
        confirmed = consent.confirm(
            request, now=min(confirmed_at, self.now), ip=request.ip, user_agent=request.user_agent
        )
        _mark_sent(Notice.objects.filter(request=request, kind=NoticeKind.WELCOME), at=confirmed_at)
        if self.chance.random() < 0.04:
            later = min(self.now - timedelta(hours=1), confirmed_at + timedelta(days=self.chance.randrange(3, 40)))
            if later > confirmed_at:
                consent.withdraw(confirmed[0], now=later, ip=request.ip, user_agent=request.user_agent)

    def _accept(self, person: InventedReader, *, at: datetime) -> SignupRequest:
        made, chance = self.made, self.chance
        wanted = [made.weekly] if chance.random() < 0.62 else [made.weekly, made.rules]
        agreed = [self.texts[newsletter.pk, Purpose.NEWSLETTER, person.language] for newsletter in wanted]
        if made.rules in wanted and chance.random() < 0.55:
            agreed.append(self.texts[made.rules.pk, Purpose.MEASUREMENT, person.language])
        pages = [one.path for one in stories.in_language(person.language) if one.published_at(self.start) < at]
        return signup.accept(
            made.form,
            email=person.email,
            newsletters=wanted,
            language=person.language,
            page_url=settings.SITE_URL + (chance.choice(pages) if pages else "/subscribe/"),
            consent_texts=agreed,
            ip=f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.{chance.randrange(1, 255)}",
            user_agent=chance.choice(BROWSERS),
            trap=False,
            now=at,
        )

    # --- issues

    def _weekly(self, number: int) -> Callable[[datetime], None]:
        def what(at: datetime) -> None:
            begun = at - DRAFT_LEAD_TIME
            chosen = self._fresh(before=begun, most=2)  # so that some are left for a visitor to try
            self._issue(self.made.weekly, chosen, INTROS["weekly"][number], begun=begun, at=at)

        return what

    def _rules(self, at: datetime) -> None:
        slugs = ("golden-visa", "anak-dua-kewarganegaraan")
        addresses = [f"{settings.SITE_URL}/demo/{slug}/" for slug in slugs]
        chosen = list(Article.objects.filter(url__in=addresses, published_at__lt=at).order_by("-published_at"))
        chosen = chosen or list(
            Article.objects.filter(language="id", published_at__lt=at).order_by("-published_at")[:2]
        )
        self._issue(self.made.rules, chosen, INTROS["rules"][0], begun=at - timedelta(hours=16), at=at)

    def _fresh(self, *, before: datetime, most: int) -> list[Article]:
        found = Article.objects.filter(
            language="id", published_at__lt=before, url__startswith=f"{settings.SITE_URL}/demo/"
        )
        chosen = list(found.exclude(pk__in=self.used).order_by("-published_at")[:most])
        self.used |= {article.pk for article in chosen}
        return chosen

    def _issue(
        self, newsletter: Newsletter, chosen: list[Article], intro: dict[str, str], *, begun: datetime, at: datetime
    ) -> None:
        """Write, approve, send, and let everybody react."""
        self.admit()
        issue = self.written(newsletter, chosen, intro, at=begun)
        issue = issues.approve(issue, editor=self.made.publisher, now=at - timedelta(hours=15))
        with _freeze_clock(at):
            editions.freeze(issue, now=at)
            with transaction.atomic():  # whole, so that no worker of a running site takes a part of it
                issue = issues.schedule(issue, at=at, editor=self.made.publisher, now=at)
                if not lifecycle.begin(issue, now=at):
                    stored = Issue.objects.get(pk=issue.pk)
                    raise RuntimeError(f"Issue {issue.pk} was held back: {stored.pause_reason}")
                accepted = lifecycle.send(issue.pk)
        self.tell(f"Issue “{newsletter.title}” #{issue.number}, {at:%d %B}: sent to {accepted} readers")
        self._events(issue, at=at)
        self._hits(issue, at=at)

    def written(self, newsletter: Newsletter, chosen: list[Article], intro: dict[str, str], *, at: datetime) -> Issue:
        editor = self.made.publisher
        issue = issues.create(newsletter, editor=editor, now=at)
        for article in chosen:
            issue = issues.add_article(issue, article, editor=editor, now=at, again=True)
        document = content.parse(issue.content)
        words = {language: content.TextWords(body=body) for language, body in intro.items()}
        document.blocks.insert(0, content.Text(words=words))
        told = [block for block in document.blocks if isinstance(block, content.ArticleBlock)]
        for language in newsletter.languages:
            first = next((block.words[language] for block in told if language in block.words), None)
            if first is None:
                continue
            others = [block.words[language].headline for block in told if language in block.words][1:2]
            also = {"id": "Juga: ", "en": "Also: "}[language] + "; ".join(others)
            document.envelopes[language] = content.Envelope(
                subject=first.headline, preheader=also if others else first.summary[3:-4]
            )
        for block in told:
            for language, story in block.words.items():
                if block is told[0]:
                    story.link_text = {"id": "Baca artikelnya", "en": "Read the article"}[language]
        return issues.save(issue, document, version=issue.version, editor=editor, now=at)

    # --- what came back

    def _events(self, issue: Issue, *, at: datetime) -> None:
        """What a provider would report: most of it delivered, a few gone, one complaint; some leave by the link."""
        readers = list(
            Delivery.objects.filter(issue=issue, outcome=Outcome.ACCEPTED).values_list("subscription", flat=True)
        )
        odd = self.chance.sample(readers, k=min(9, len(readers)))
        bounced, complained, leaving = odd[:3], odd[3:4] if issue.number == 2 else [], odd[4:7]
        told = []
        for reader in readers:
            kind = provider_events.BOUNCED if reader in bounced else provider_events.DELIVERED
            if kind == provider_events.BOUNCED or self.chance.random() < 0.7:  # some servers take mail and say nothing
                told.append(
                    _build_report(issue, reader, kind, at=at + timedelta(seconds=self.chance.randrange(2, 900)))
                )
        with transaction.atomic():
            provider_events.record(told, now=at + timedelta(minutes=15))
            for reader in complained:
                moment = at + timedelta(hours=3)
                provider_events.record(
                    [_build_report(issue, reader, provider_events.COMPLAINED, at=moment)], now=moment
                )
            for reader in leaving:
                one = Subscription.objects.get(pk=reader)
                consent.withdraw(one, now=at + timedelta(hours=self.chance.randrange(1, 40)), issue_id=issue.pk)

    def _hits(self, issue: Issue, *, at: datetime) -> None:
        """Opens and clicks as the web process would have written them down, then loaded by the drain."""
        hits = list(self._reactions(issue, at=at))
        folder = Path(settings.TRACKING_SPOOL)
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        new = folder / f"{issue.pk:020d}-demo.new"
        new.write_bytes(b"".join(spool.encode_record(hit.pack()) for hit in hits))
        new.rename(new.with_suffix(loader.HIT_FILE_SUFFIX))
        loader.load_spool(folder, now=at + timedelta(days=2))
        issue_figures.recount_issue(issue)

    def _reactions(self, issue: Issue, *, at: datetime) -> Iterator[loader.Hit]:
        sent = Delivery.objects.filter(issue=issue, outcome=Outcome.ACCEPTED).values_list("subscription", flat=True)
        readers = Subscription.objects.filter(pk__in=list(sent)).select_related("newsletter")
        links: dict[str, list[int]] = {}
        for language, number in Link.objects.filter(issue=issue).order_by("number").values_list("language", "number"):
            links.setdefault(language, []).append(number)
        for reader in readers:
            own = reader.pk if issue.newsletter.tracking == "individual" and reader.may_track else 0
            yield from self._reaction(issue, own, links.get(reader.language) or [0], at=at)

    def _reaction(self, issue: Issue, reader: int, links: list[int], *, at: datetime) -> Iterator[loader.Hit]:
        chance = self.chance
        moment = at + timedelta(seconds=min(chance.expovariate(1 / 20_000), 170_000))
        if moment > self.now or chance.random() > 0.62:
            return
        by_proxy, scans = chance.random() < 0.35, chance.random() < 0.03
        agent = "GoogleImageProxy" if by_proxy else chance.choice(BROWSERS)
        network = f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.0/24"
        agent, network = (agent, network) if reader else ("", "")
        hit = partial(loader.Hit, issue=issue.pk, subscription=reader, agent=agent, network=network)
        kind = AgentClass.PROXY if by_proxy else AgentClass.HUMAN
        yield hit(kind=loader.OPENED, occurred_at=moment, agent_class=kind)
        wanted = links if scans else [link for place, link in enumerate(links) if chance.random() < 0.26 / (place + 1)]
        for place, link in enumerate(wanted):
            later = moment + (timedelta(milliseconds=300 * place) if scans else timedelta(seconds=20 + 70 * place))
            kind = AgentClass.SCANNER if scans else AgentClass.HUMAN
            if link and later < self.now:
                yield hit(kind=loader.CLICKED, occurred_at=later, link=link, agent_class=kind)

    # --- the end

    def finish(self) -> None:
        """The last sign-ups, a few who pause, and the prepared draft of the next issue, which opens as the last one did."""
        self.admit()
        pausing = Subscription.objects.filter(newsletter=self.made.weekly, status=SubscriptionStatus.SUBSCRIBED)
        chosen = list(pausing.order_by("pk").values_list("pk", flat=True)[20:200:30])
        Subscription.objects.filter(pk__in=chosen).update(
            status=SubscriptionStatus.PAUSED, paused_until=self.now + timedelta(days=30)
        )
        words = {language: content.TextWords(body=body) for language, body in INTROS["weekly"][2].items()}
        greeting = content.Text(words=words).model_dump(mode="json")
        SavedBlock.objects.create(
            newsletter=self.made.weekly, name="Sapaan", content=greeting, created_by=self.made.publisher
        )
        draft = preparation.create_first_draft(self.made.weekly, editor=None, now=self.now)
        self.tell(f"Prepared draft of “{self.made.weekly.title}” #{draft.number}, {draft.articles.count()} articles")
        for issue in Issue.objects.filter(newsletter__is_demo=True, status=IssueStatus.SENT):
            issue_figures.recount_issue(issue)


def _mark_sent(notices: QuerySet[Notice], *, at: datetime) -> None:
    """Single mails that went nowhere: the invented reader got them, the mailbox did not."""
    for notice in notices.select_related("request__form", "newsletter"):
        Notice.objects.filter(pk=notice.pk).update(sent_at=at, attempts=1)
        if notice.kind == NoticeKind.CONFIRMATION and notice.request is not None:
            domain = notice.newsletter.from_email.rpartition("@")[2] if notice.newsletter else settings.SITE_HOST
            consent.record_confirmation_sent(
                notice.request, message_id=tokens.notice_message_id(notice.pk, domain), now=at
            )


def _latest_tuesday(now: datetime) -> datetime:
    """The latest Tuesday, seven in the morning in Jakarta, that is at least a day old."""
    local = timezone.localtime(now - timedelta(days=1), stories.ZONE)
    day = local - timedelta(days=(local.weekday() - 1) % 7)
    tuesday = day.replace(hour=7, minute=0, second=0, microsecond=0)
    return tuesday if tuesday <= local else tuesday - timedelta(weeks=1)


def _build_report(issue: Issue, reader: int, kind: str, *, at: datetime) -> provider_events.EventReport:
    is_gone = kind == provider_events.BOUNCED
    return provider_events.EventReport(
        issue=issue.pk,
        subscription=reader,
        kind=kind,
        occurred_at=at,
        event_id=f"demo-{issue.pk}-{reader}-{kind}",
        code="5.1.1" if is_gone else "",
        detail="The mailbox does not exist." if is_gone else "",
    )
