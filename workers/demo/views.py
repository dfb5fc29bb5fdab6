"""Pages of the invented news site Kabar Lintas, each the kind of page that a publisher's own site would have."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.feedgenerator import Enclosure, Rss201rev2Feed
from django.utils.html import escape
from django.views.decorators.http import etag, require_safe

from newsletter.models import Newsletter
from subscribers import signup
from subscribers.models import SignupForm
from workers.demo import drawings, stories
from workers.demo.stories import DemoStory

FORM_SLUG = "artikel"
DAY_S = 24 * 3600
LANGUAGE_NAMES = {"id": "Bahasa Indonesia", "en": "English"}
SITE_DESCRIPTIONS = {
    "id": "Kabar imigrasi yang dapat Anda pakai: paspor, visa, izin tinggal, dan layanan di perbatasan.",
    "en": "Immigration news you can use: passports, visas, stay permits and services at the border.",
}


@login_not_required
@require_safe
def front_page(request: HttpRequest, language: str = "id") -> HttpResponse:
    start = stories.first_day(now=timezone.now())
    shown = [_story_context(story, start=start) for story in stories.in_language(language)]
    links = [{"language": code, "url": settings.SITE_URL + _front_page_path(code)} for code in stories.LANGUAGES]
    context = {
        "lead": shown[0],
        "others": shown[1:],
        "about": SITE_DESCRIPTIONS[language],
        "canonical": _front_page_path(language),
        "alternates": links,
        "linked_data": _publisher_json_ld(),
    }
    return _render_page(request, "demo/front.html", language, context)


@login_not_required
@require_safe
def article(request: HttpRequest, slug: str, language: str = "id") -> HttpResponse:
    story = stories.find(slug, language)
    if story is None:
        raise Http404
    shown = _story_context(story, start=stories.first_day(now=timezone.now()))
    versions = [story, *(twin for code, name in story.twins.items() if (twin := stories.find(name, code)))]
    context = {
        **shown,
        "linked_data": _article_json_ld(story, shown),
        "canonical": story.path,
        "alternates": [{"language": version.language, "url": settings.SITE_URL + version.path} for version in versions],
        "box": _signup_box(story),
        "more": [one for one in stories.in_language(language) if one.section == story.section and one != story][:3],
    }
    return _render_page(request, "demo/article.html", language, context)


def _render_page(request: HttpRequest, template: str, language: str, context: dict[str, Any]) -> HttpResponse:
    """The page in its own language, whatever the visitor's browser asks for."""
    other = "en" if language == "id" else "id"
    twins = {link["language"]: link["url"] for link in context["alternates"]}
    switch = {
        "language": other,
        "name": LANGUAGE_NAMES[other],
        "url": twins.get(other, settings.SITE_URL + _front_page_path(other)),
    }
    newsletter = Newsletter.objects.filter(is_demo=True).order_by("pk").first()
    site = {
        "brand": stories.BRAND,
        "front": _front_page_path(language),
        "feed": f"{_front_page_path(language)}feed.xml",
        "switch": switch,
    }
    with translation.override(language):
        response = render(request, template, {**site, "newsletter": newsletter, "language": language, **context})
    response.headers["Content-Language"] = language
    return response


def _front_page_path(language: str) -> str:
    return "/demo/" if language == "id" else f"/demo/{language}/"


def _story_context(story: DemoStory, *, start: Any) -> dict[str, Any]:
    return {
        "story": story,
        "published": story.published_at(start),
        "zone": stories.ZONE,
        "picture": f"/demo/pictures/{story.picture}.png",
        "text": story.html,
        "width": drawings.WIDTH,
        "height": drawings.HEIGHT,
    }


def _article_json_ld(story: DemoStory, shown: dict[str, Any]) -> dict[str, Any]:
    """The article as schema.org says it."""
    return {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": story.title,
        "description": story.summary,
        "inLanguage": story.language,
        "articleSection": story.section,
        "wordCount": story.words,
        "datePublished": shown["published"].isoformat(),
        "dateModified": shown["published"].isoformat(),
        "author": {"@type": "Person", "name": story.author},
        "publisher": {"@type": "NewsMediaOrganization", "name": stories.BRAND, "url": f"{settings.SITE_URL}/demo/"},
        "image": {"@type": "ImageObject", "url": settings.SITE_URL + shown["picture"], "caption": story.alt},
        "mainEntityOfPage": settings.SITE_URL + story.path,
    }


def _publisher_json_ld() -> dict[str, Any]:
    """Whose site it is, as schema.org says it."""
    return {
        "@context": "https://schema.org",
        "@type": "NewsMediaOrganization",
        "name": stories.BRAND,
        "url": f"{settings.SITE_URL}/demo/",
        "logo": f"{settings.SITE_URL}/demo/logo.png",
        "address": {
            "@type": "PostalAddress",
            "streetAddress": "Redaksi Kabar Lintas, Jl. Contoh No. 10",
            "addressLocality": "Jakarta",
            "postalCode": "12345",
        },
    }


def _signup_box(story: DemoStory) -> dict[str, Any] | None:
    """The sign-up box below the article; nothing while there is no form yet."""
    form = SignupForm.objects.filter(slug=FORM_SLUG, is_active=True).first() or signup.hosted_form()
    if form is None:
        return None
    return signup.box_context(form, language=story.language, page_url=settings.SITE_URL + story.path)


def _feed_etag(request: HttpRequest, language: str = "id") -> str:
    start = stories.first_day(now=timezone.now())
    return f'"{language}-{start:%Y%m%d}-{len(stories.all_stories())}"'


@login_not_required
@require_safe
@etag(_feed_etag)
def feed(request: HttpRequest, language: str = "id") -> HttpResponse:
    start = stories.first_day(now=timezone.now())
    out = Rss201rev2Feed(
        title=stories.BRAND,
        link=settings.SITE_URL + _front_page_path(language),
        description=SITE_DESCRIPTIONS[language],
        language=language,
        feed_url=settings.SITE_URL + request.path,
    )
    for story in stories.in_language(language):
        address = f"{settings.SITE_URL}/demo/pictures/{story.picture}.png"
        out.add_item(
            title=story.title,
            link=settings.SITE_URL + story.path,
            description=escape(story.summary),
            author_name=story.author,
            categories=[story.section],
            unique_id=settings.SITE_URL + story.path,
            pubdate=story.published_at(start),
            enclosures=[Enclosure(address, "0", "image/png")],  # 0: not known before it is drawn
        )
    return HttpResponse(out.writeString("utf-8"), content_type="application/rss+xml; charset=utf-8")


@login_not_required
@require_safe
def logo(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(drawings.draw_logo(), content_type="image/png")
    response.headers["Cache-Control"] = f"public, max-age={DAY_S}"
    return response


@login_not_required
@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    try:
        response = HttpResponse(drawings.draw_png(name), content_type="image/png")
    except KeyError:
        raise Http404 from None
    response.headers["Cache-Control"] = f"public, max-age={DAY_S}"
    return response
