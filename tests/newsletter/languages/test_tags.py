"""Language tags: canonical form, direction, matching and names."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError

from newsletter.languages import tags
from newsletter.models import Newsletter


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("id", "id"),
        ("ZH-hans", "zh-Hans"),
        ("pt_br", "pt-BR"),
        (" de-ch-1996 ", "de-CH-1996"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("es-419", "es-419"),
        ("en-x-kids", "en-x-kids"),
        ("jv-JAVA", "jv-Java"),
    ],
)
def test_a_tag_is_put_into_canonical_case(typed, tag):
    assert tags.parse_tag(typed) == tag


@pytest.mark.parametrize(
    "typed", ["", "e", "english language", "en-", "-en", "12", "id\n../x", "en-" + "x" * 40, "<b>"]
)
def test_what_is_no_tag_is_refused(typed):
    with pytest.raises(tags.InvalidTag):
        tags.parse_tag(typed)


@pytest.mark.parametrize(
    "tag", ["ar", "ar-EG", "fa", "he", "ur", "ps", "ckb", "sd", "ug", "yi", "dv", "az-Arab", "ms-Arab"]
)
def test_these_are_written_from_right_to_left(tag):
    assert tags.text_direction(tag) == "rtl"


@pytest.mark.parametrize("tag", ["id", "en", "zh-Hans", "ms", "az", "ar-Latn", "tlh", "und", "sd-Deva"])
def test_these_are_written_from_left_to_right(tag):
    assert tags.text_direction(tag) == "ltr"


@pytest.mark.parametrize(
    ("wanted", "offered", "match"),
    [
        ("de-AT", ["id", "de"], "de"),
        ("zh-CN", ["zh-Hans"], "zh-Hans"),
        ("zh", ["en", "zh-Hans"], "zh-Hans"),
        ("zh-TW", ["zh-Hans"], ""),
        ("zh-Hant", ["zh"], ""),
        ("ms-Arab", ["ms"], ""),
        ("pt", ["pt-BR", "pt-PT"], "pt-BR"),
        ("EN", ["id", "en"], "en"),
        ("fr", ["id", "en"], ""),
        ("", ["id"], ""),
    ],
)
def test_a_reader_gets_the_nearest_language_in_the_same_script(wanted, offered, match):
    assert tags.find_match(wanted, offered) == match


@pytest.mark.parametrize(
    ("tag", "spoken", "name"),
    [
        ("de", "", "Deutsch"),
        ("zh-Hans", "en", "Simplified Chinese"),
        ("ar", "ar", "العربية"),
        ("jv", "id", "Jawa"),
        ("qaa", "en", "qaa"),
        ("pt-BR", "en", "Brazilian Portuguese"),
    ],
)
def test_languages_have_names(tag, spoken, name):
    assert tags.display_name(tag, spoken) == name


def test_every_column_with_a_language_holds_the_longest_tag():
    found = [
        field
        for model in apps.get_models()
        if model._meta.app_label in {"newsletter", "subscribers", "workers"}
        for field in model._meta.concrete_fields
        if field.name == "language"
    ]

    assert len(found) >= 11
    assert {field.max_length for field in found} == {35}
    assert not [field for field in found if field.default == "id"]


@pytest.mark.parametrize("tag", ["zh-hans", "no tag", "x"])
def test_a_column_takes_canonical_tags_only(tag):
    with pytest.raises(ValidationError):
        Newsletter._meta.get_field("fixed_words_language").clean(tag, None)
