from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from newsletter import content, issues
from newsletter.drafts import preparation
from newsletter.drafts.preparation import DraftRule
from newsletter.models import (
    Article,
    ArticleState,
    Candidate,
    CandidateState,
    Issue,
    IssueStatus,
    Newsletter,
    SavedBlock,
    Source,
)
from tests.factories import NOW, make_issue, make_newsletter

pytestmark = pytest.mark.django_db

TUESDAYS = {"days": [1], "at": "08:00", "days_before": 1, "prepared_at": "09:00"}
RULE = {"most": 5, "per_section": 2, "fewest": 3, "briefs": 0, "without": []}


@pytest.fixture
def weekly(now):
    """A newsletter whose drafts are prepared on Mondays at 09:00 for Tuesdays at 08:00 in Jakarta, with a connected
    feed.
    """
    newsletter = make_newsletter(cadence=TUESDAYS, draft_rule=RULE)
    Source.objects.create(newsletter=newsletter, url="https://kabarlintas.example/feed")
    return newsletter


@pytest.fixture
def monday(now):
    """Monday 30 November 2026, 09:00 in Jakarta: a week after the clock of the tests."""
    return now.replace(day=30, hour=2)


def article(newsletter, number, *, at, language="id", twins=(), **fields):
    url = f"https://kabarlintas.example/{language}/{number}"
    defaults = {
        "title": f"Imigrasi buka jalur autogate ke-{number}" if language == "id" else f"Autogate lane {number} opens",
        "summary": "Pemegang paspor elektronik melintas dalam kurang dari 30 detik.",
        "alternates": {other: f"https://kabarlintas.example/{other}/{number}" for other in twins},
        "source": newsletter.sources.first(),
        "published_at": at,
    }
    return Article.objects.create(url=url, guid=url, language=language, **{**defaults, **fields})


def nine_articles(newsletter, monday):
    """One article per hour before `monday`; number 1 is the newest. Even numbers have an English version."""
    made = []
    for number in range(1, 10):
        at = monday - timedelta(hours=number)
        has_twin = number % 2 == 0
        made.append(
            article(newsletter, number, at=at, twins=["en"] if has_twin else [], section=f"Rubrik {number % 5}")
        )
        if has_twin:
            article(newsletter, number, at=at, language="en", twins=["id"])
    return made


def sent(newsletter, articles, *, at):
    issue = issues.create(newsletter, editor=None, now=at)
    for one in articles:
        issue = issues.add_article(issue, one, editor=None, now=at, again=True)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=at + timedelta(hours=1))
    return issue


def told(issue):
    return [block.article for block in content.parse(issue.content).blocks if isinstance(block, content.ArticleBlock)]


# --- when ------------------------------------------------------------------------------------------------------------


def test_draft_is_made_at_its_time_for_the_coming_slot(weekly, monday):
    nine_articles(weekly, monday)

    too_early = preparation.prepare(weekly, now=monday - timedelta(minutes=1))
    outcome = preparation.prepare(weekly, now=monday)

    assert too_early is None
    assert outcome.slot.isoformat() == "2026-12-01T08:00:00+07:00"
    assert outcome.issue.prepared_for == outcome.slot
    assert (outcome.picked, outcome.new) == (5, 9)
    assert outcome.issue.status == IssueStatus.DRAFT
    assert outcome.issue.scheduled_at is None


def test_draft_is_made_once_however_often_one_asks(weekly, monday):
    nine_articles(weekly, monday)

    outcomes = [preparation.prepare(weekly, now=monday + timedelta(minutes=minute)) for minute in range(3)]

    assert [outcome is not None for outcome in outcomes] == [True, False, False]
    assert Issue.objects.count() == 1


def test_draft_that_was_thrown_away_does_not_come_back(weekly, monday):
    nine_articles(weekly, monday)
    issue = preparation.prepare(weekly, now=monday).issue
    issues.delete(issue, editor=None, now=monday)

    assert preparation.prepare(weekly, now=monday + timedelta(minutes=1)) is None


def test_after_days_without_a_worker_only_the_coming_slot_gets_a_draft(weekly, monday):
    nine_articles(weekly, monday)
    preparation.prepare(weekly, now=monday)
    three_weeks_later = monday + timedelta(weeks=3)
    for number in range(20, 24):
        article(weekly, number, at=three_weeks_later - timedelta(days=number - 15))

    outcome = preparation.prepare(weekly, now=three_weeks_later)

    assert outcome.slot.isoformat() == "2026-12-22T08:00:00+07:00"
    assert Issue.objects.count() == 2


def test_draft_begun_by_hand_since_the_last_slot_is_the_one_for_this_slot(weekly, monday):
    first, *_others = nine_articles(weekly, monday)
    issue = issues.create(weekly, editor=None, now=monday - timedelta(days=2))

    issues.add_article(issue, first, editor=None, now=monday - timedelta(days=2))

    assert preparation.prepare(weekly, now=monday) is None


def test_empty_draft_begun_by_hand_is_in_nobodys_way(weekly, monday):
    nine_articles(weekly, monday)
    issues.create(weekly, editor=None, now=monday - timedelta(days=2))

    assert preparation.prepare(weekly, now=monday).issue is not None


def test_draft_from_before_the_last_slot_is_in_nobodys_way(weekly, monday):
    first, *_others = nine_articles(weekly, monday)
    forgotten = issues.create(weekly, editor=None, now=monday - timedelta(days=9))
    issues.add_article(forgotten, first, editor=None, now=monday - timedelta(days=9))

    outcome = preparation.prepare(weekly, now=monday)

    assert first.pk not in told(outcome.issue)


@pytest.mark.parametrize("missing", [{"cadence": {}}, {"draft_rule": {}}])
def test_without_rhythm_or_rule_nothing_is_prepared(weekly, monday, missing):
    nine_articles(weekly, monday)
    for name, value in missing.items():
        setattr(weekly, name, value)
    weekly.save()

    assert preparation.prepare(weekly, now=monday) is None
    assert preparation.prepare_due(now=monday, notify=lambda outcome: None) == 0


def test_thin_week_makes_no_draft_and_is_told(weekly, monday):
    article(weekly, 1, at=monday - timedelta(hours=1))
    article(weekly, 2, at=monday - timedelta(hours=2))
    heard = []

    made = preparation.prepare_due(now=monday, notify=heard.append)

    assert made == 0
    assert [(outcome.is_thin, outcome.picked, outcome.new) for outcome in heard] == [(True, 2, 2)]
    assert not Issue.objects.exists()


def test_thin_week_gets_its_draft_when_an_article_comes_before_the_slot(weekly, monday):
    for number in (1, 2):
        article(weekly, number, at=monday - timedelta(hours=number))
    assert preparation.prepare(weekly, now=monday).is_thin

    article(weekly, 3, at=monday + timedelta(hours=1))

    assert preparation.prepare(weekly, now=monday + timedelta(hours=1, minutes=1)).picked == 3


def test_draft_and_what_is_told_of_it_come_together_or_not_at_all(weekly, monday):
    nine_articles(weekly, monday)

    def lost(outcome):
        raise RuntimeError("the worker fell over")

    with pytest.raises(RuntimeError), transaction.atomic():
        preparation.prepare_due(now=monday, notify=lost)

    assert not Issue.objects.exists()


def test_rule_that_cannot_be_read_stops_no_other_newsletter(weekly, monday):
    make_newsletter(cadence={"days": "yes"}, draft_rule=RULE)
    nine_articles(weekly, monday)

    assert preparation.prepare_due(now=monday, notify=lambda outcome: None) == 1


def test_second_worker_that_did_not_see_the_first_ones_draft_makes_none(weekly, monday, monkeypatch):
    nine_articles(weekly, monday)
    preparation.prepare_due(now=monday, notify=lambda outcome: None)
    monkeypatch.setattr(
        preparation, "is_slot_taken", lambda *args, **kwargs: False
    )  # as if two workers had checked at the same time

    made = preparation.prepare_due(now=monday, notify=lambda outcome: None)

    assert made == 0
    assert Issue.objects.count() == 1


# --- what ------------------------------------------------------------------------------------------------------------


def test_first_article_leads_the_rest_are_stories_and_the_last_ones_may_be_brief(weekly, monday):
    weekly.draft_rule = {**RULE, "briefs": 2}
    nine_articles(weekly, monday)

    issue = preparation.prepare(weekly, now=monday).issue

    blocks = content.parse(issue.content).blocks
    assert [block.kind for block in blocks] == ["lead", "story", "story", "brief", "brief"]
    assert blocks[0].words["id"].headline == "Imigrasi buka jalur autogate ke-1"


def test_twins_in_other_languages_are_one_story(weekly, monday):
    nine_articles(weekly, monday)

    issue = preparation.prepare(weekly, now=monday).issue

    blocks = content.parse(issue.content).blocks
    assert [sorted(block.words) for block in blocks] == [["id"], ["en", "id"], ["id"], ["en", "id"], ["id"]]
    assert blocks[1].words["en"].headline == "Autogate lane 2 opens"
    assert blocks[1].seen["en"].title == "Autogate lane 2 opens"


def test_twin_is_found_when_only_it_names_the_other(weekly, monday):
    article(weekly, 1, at=monday - timedelta(hours=1))
    article(weekly, 1, at=monday - timedelta(hours=1), language="en", twins=["id"])

    found = preparation.select_articles(weekly, DraftRule())

    assert [sorted(story.versions) for story in found.new] == [["en", "id"]]


def test_no_section_gets_more_than_its_share_and_none_is_no_section(weekly, monday):
    for number, section in enumerate(["Visa", "visa", "Visa", "Paspor", "", "", ""], start=1):
        article(weekly, number, at=monday - timedelta(hours=number), section=section)

    found = preparation.select_articles(weekly, DraftRule(most=6, per_section=2))

    assert [story.article.url[-1] for story in found.picks] == ["1", "2", "4", "5", "6", "7"]


def test_sections_can_be_left_out_and_still_count_as_new(weekly, monday):
    for number, section in enumerate(["Opini", "Visa", "OPINI", "Paspor"], start=1):
        article(weekly, number, at=monday - timedelta(hours=number), section=section)

    found = preparation.select_articles(weekly, DraftRule(without=("opini",)))

    assert [story.article.section for story in found.picks] == ["Visa", "Paspor"]
    assert len(found.new) == 4


def test_used_set_aside_and_gone_articles_are_not_new(weekly, monday):
    used, aside, gone, fresh = (article(weekly, number, at=monday - timedelta(hours=number)) for number in range(1, 5))
    make_issue(weekly, document=content.Document(blocks=[issues.build_story_block(used, weekly, is_lead=True)]))
    Candidate.objects.create(newsletter=weekly, url=aside.url, article=aside, state=CandidateState.SKIPPED)
    Article.objects.filter(pk=gone.pk).update(state=ArticleState.GONE)

    assert [story.article for story in preparation.select_articles(weekly, DraftRule()).new] == [fresh]


def test_story_whose_twin_was_told_is_not_new(weekly, monday):
    article(weekly, 1, at=monday - timedelta(hours=1), twins=["en"])
    twin = article(weekly, 1, at=monday - timedelta(hours=1), language="en", twins=["id"])
    make_issue(weekly, document=content.Document(blocks=[issues.build_story_block(twin, weekly, is_lead=True)]))

    assert preparation.select_articles(weekly, DraftRule()).new == []


def test_what_another_newsletter_told_is_new_here(weekly, monday):
    one = article(weekly, 1, at=monday - timedelta(hours=1))
    make_issue(
        make_newsletter(), document=content.Document(blocks=[issues.build_story_block(one, weekly, is_lead=True)])
    )

    assert [story.article for story in preparation.select_articles(weekly, DraftRule()).new] == [one]


def test_new_means_since_the_last_issue_was_begun(weekly, monday):
    begun = monday - timedelta(days=7)
    used, left_over = (
        article(weekly, 1, at=begun - timedelta(hours=1)),
        article(weekly, 2, at=begun - timedelta(hours=2)),
    )
    sent(weekly, [used], at=begun)
    in_between = article(weekly, 3, at=begun + timedelta(minutes=30))

    found = preparation.select_articles(weekly, DraftRule())

    assert [story.article for story in found.new] == [in_between]
    assert left_over not in [story.article for story in found.new]
    assert found.last.number == 1


def test_an_article_in_a_correction_does_not_end_the_week(weekly, monday):
    begun = monday - timedelta(days=7)
    regular = sent(weekly, [article(weekly, 1, at=begun - timedelta(hours=1))], at=begun)
    in_between = article(weekly, 2, at=monday - timedelta(days=4))
    note = sent(weekly, [article(weekly, 3, at=monday - timedelta(days=3))], at=monday - timedelta(days=2))
    Issue.objects.filter(pk=note.pk).update(audience={"got_issue": regular.pk})

    found = preparation.select_articles(weekly, DraftRule())

    assert found.last == regular
    assert [story.article for story in found.new] == [in_between]


def test_article_only_in_another_language_than_the_first_is_no_story(weekly, monday):
    article(weekly, 1, at=monday - timedelta(hours=1), language="en")

    assert preparation.select_articles(weekly, DraftRule()).new == []


# --- texts -----------------------------------------------------------------------------------------------------------


def test_subject_and_preview_line_are_proposed_in_each_language(weekly, monday):
    nine_articles(weekly, monday)

    issue = preparation.prepare(weekly, now=monday).issue

    envelopes = content.parse(issue.content).envelopes
    assert envelopes["id"].subject == "Imigrasi buka jalur autogate ke-1"
    assert "Imigrasi buka jalur autogate ke-2; Imigrasi buka jalur autogate ke-3" in envelopes["id"].preheader
    assert 40 <= len(envelopes["id"].preheader) <= 100
    assert envelopes["en"].subject == "Autogate lane 2 opens"
    assert 40 <= len(envelopes["en"].preheader) <= 100


def test_long_headlines_are_cut_between_words(weekly, monday):
    for number in (1, 2, 3):
        article(
            weekly, number, at=monday - timedelta(hours=number), title="Kantor imigrasi menambah kuota antrean " * 4
        )

    envelope = content.parse(preparation.prepare(weekly, now=monday).issue.content).envelopes["id"]

    assert envelope.subject.endswith("…")
    assert len(envelope.subject) <= 78
    assert len(envelope.preheader) <= 100


def test_saved_blocks_of_the_last_issue_come_along_and_others_stay_behind(weekly, monday):
    one = article(weekly, 90, at=monday - timedelta(days=9))
    greeting = content.Text(words={"id": content.TextWords(body="<p>Selamat pagi.</p>")})
    this_week_only = content.Text(words={"id": content.TextWords(body="<p>Pekan ini kami libur.</p>")})
    warning = content.Callout(tone="scam", words={"id": content.TextWords(body="<p>Kami tidak pernah menagih.</p>")})
    last = sent(weekly, [one], at=monday - timedelta(days=7))
    document = content.parse(last.content)
    document.blocks = [greeting, this_week_only, *document.blocks, warning]
    Issue.objects.filter(pk=last.pk).update(content=content.dump(document))
    for block in (greeting, warning):
        saved = {**block.model_dump(mode="json"), "id": content.new_block_id()}
        SavedBlock.objects.create(newsletter=weekly, name="Tetap", content=saved)
    nine_articles(weekly, monday)

    blocks = content.parse(preparation.prepare(weekly, now=monday).issue.content).blocks

    assert [block.kind for block in blocks] == ["text", "lead", "story", "story", "story", "story", "notice"]
    assert blocks[0].words["id"].body == "<p>Selamat pagi.</p>"
    assert blocks[0].id != greeting.id


def test_first_draft_of_a_new_newsletter_is_made_whatever_the_day(weekly, now):
    article(weekly, 1, at=now - timedelta(hours=1))

    issue = preparation.create_first_draft(weekly, editor=None, now=now)

    assert issue.prepared_for.isoformat() == "2026-11-24T01:00:00+00:00"
    assert len(told(issue)) == 1


# --- the rule --------------------------------------------------------------------------------------------------------


def test_a_rule_comes_back_from_what_is_stored():
    rule = DraftRule(most=7, per_section=0, fewest=2, briefs=3, without=("Opini",))

    assert preparation.parse_rule(rule.to_json()) == rule
    assert preparation.parse_rule({}) is None


@pytest.mark.parametrize(
    "stored",
    [
        {"most": 0},
        {"fewest": 6},
        {"most": 3, "fewest": 3, "briefs": 3},
        {"per_section": -1},
        {"newest": 5},
        {"most": "x"},
    ],
)
def test_what_is_no_rule_is_refused(stored):
    with pytest.raises(ValueError, match="rule|bounds"):
        preparation.parse_rule(stored)


# --- property tests --------------------------------------------------------------------------------------------------


sections = st.sampled_from(["", "Visa", "visa", "Paspor", "Opini"])
weeks = st.lists(st.tuples(st.integers(0, 10_000), sections), max_size=40)


@st.composite
def rules(draw):
    most = draw(st.integers(1, 12))
    return DraftRule(
        most=most,
        per_section=draw(st.integers(0, 4)),
        fewest=draw(st.integers(1, most)),
        briefs=draw(st.integers(0, most - 1)),
        without=tuple(draw(st.sets(st.sampled_from(["Opini", "VISA"])))),
    )


@given(week=weeks, rule=rules())
def test_whatever_the_week_brings_the_picks_keep_to_the_rule(week, rule):
    newsletter = Newsletter(languages=["id"])
    found = [
        Article(url=f"https://kabar.example/{place}", language="id", title="Kabar", section=section, created_at=moment)
        for place, (minutes, section) in enumerate(week)
        for moment in [NOW - timedelta(minutes=minutes)]
    ]

    new = preparation.group_translations(found, newsletter)
    picks = preparation.apply_rule(new, rule)
    document = preparation.build_document(newsletter, picks, briefs=rule.briefs)

    kept = Counter(story.article.section.casefold() for story in picks)
    allowed = [story for story in new if story.article.section.casefold() not in {x.casefold() for x in rule.without}]
    assert len(new) == len(week)
    assert len(picks) <= rule.most
    assert [story.at for story in picks] == sorted((story.at for story in picks), reverse=True)
    assert all(count <= rule.per_section for section, count in kept.items() if section and rule.per_section)
    assert len(picks) == rule.most or rule.per_section or len(picks) == len(allowed)
    assert len({id(story) for story in picks}) == len(picks)
    kinds = [block.kind for block in document.blocks]
    assert kinds[:1] == ["lead"] * bool(picks)
    assert kinds.count("lead") <= 1
    assert kinds.count("brief") == min(rule.briefs, max(0, len(picks) - 1))
