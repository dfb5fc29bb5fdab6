"""One row per article, in whatever order feeds and pages list it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from newsletter import articles
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, ArticleState
from tests.examples import examples
from tests.factories import NOW


def tell(number: int, *, url: str = "", guid: str = "", title: str = "") -> tuple[Article, str]:
    data = ArticleData(url or f"https://kabar.example/{number}", guid=guid, title=title or f"Kabar {number}")
    return articles.upsert(data, source=None, now=NOW)


@st.composite
def readings(draw):
    """Several articles in any order, each listed a few times at one address with different guids."""
    told = [
        (number, f"g{number}-{guid}")
        for number in range(draw(st.integers(1, 4)))
        for guid in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
    ]
    return draw(st.permutations(told))


class Order(TestCase):
    @settings(max_examples=examples(60))
    @given(readings())
    def test_a_changing_guid_never_makes_a_second_row_in_any_order(self, told):
        for number, guid in told:
            tell(number, guid=guid)

        assert sorted(Article.objects.values_list("url", flat=True)) == sorted(
            {f"https://kabar.example/{number}" for number, _guid in told}
        )

    @settings(max_examples=examples(60))
    @given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 5))
    def test_a_moving_address_under_one_guid_never_makes_a_second_row(self, moves, first):
        for place in [first, *moves]:
            tell(1, url=f"https://kabar.example/tempat-{place}", guid="urn:kabar:1")

        assert Article.objects.count() == 1

    @settings(max_examples=examples(40))
    @given(st.permutations(["Judul satu", "Judul dua", "Judul tiga"]))
    def test_the_last_thing_said_about_an_article_is_what_it_says(self, titles):
        for title in titles:
            tell(1, guid="urn:kabar:1", title=title)

        assert Article.objects.get().title == titles[-1]


@pytest.mark.django_db
def test_numbers_as_guids_of_two_sites_are_two_articles():
    tell(1, url="https://kabar.example/a", guid="17")
    tell(2, url="https://lain.example/b", guid="17")

    assert Article.objects.count() == 2


@pytest.mark.django_db
def test_an_article_that_was_gone_and_is_told_under_a_new_address_has_moved():
    old, _ = tell(1, url="https://kabar.example/lama", guid="urn:kabar:1")
    Article.objects.filter(pk=old.pk).update(state=ArticleState.GONE)

    moved, what = tell(1, url="https://kabar.example/baru", guid="urn:kabar:1")

    assert (moved.pk, moved.url, moved.state, what) == (old.pk, "https://kabar.example/baru", "live", "changed")


@pytest.mark.django_db
def test_while_the_old_address_works_it_is_kept_so_that_sent_links_agree_with_it():
    old, _ = tell(1, url="https://kabar.example/lama", guid="urn:kabar:1")

    same, _ = tell(1, url="https://kabar.example/baru", guid="urn:kabar:1")

    assert (same.pk, same.url) == (old.pk, "https://kabar.example/lama")
