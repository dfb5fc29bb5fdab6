"""Pages are closed unless they are listed here. Whoever opens one more has to say so in this file."""

from __future__ import annotations

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = {
    "account_inactive studio/account/inactive/",
    "account_login studio/account/login/",
    "account_logout studio/account/logout/",
    "account_reset_password studio/account/password/reset/",
    "account_reset_password_done studio/account/password/reset/done/",
    "account_reset_password_from_key studio/account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
    "account_reset_password_from_key_done studio/account/password/reset/key/done/",
    "archive-feed archive/feed.xml",
    "archive-json archive/feed.json",
    "archive-rss archive/rss.xml",
    "archive-issue archive/<int:year>/<slug:slug>/",
    "archive-list archive/",
    "check-inbox check-inbox/<slug:public_id>/",
    "check-inbox-resend check-inbox/<slug:public_id>/resend/",
    "demo demo/",
    "demo-article demo/<slug:slug>/",
    "demo-article-en demo/en/<slug:slug>/",
    "demo-en demo/en/",
    "demo-feed demo/feed.xml",
    "demo-feed-en demo/en/feed.xml",
    "demo-logo demo/logo.png",
    "demo-picture demo/pictures/<slug:name>.png",
    "event-calendar archive/events/<int:issue>/<slug:block>/<slug:language>/<slug:key>.ics",
    "healthz healthz",
    "login admin/login/",
    "mailbox mailbox/",
    "mailbox-download mailbox/<str:name>/download/",
    "mailbox-html mailbox/<str:name>/html/",
    "mailbox-mail mailbox/<str:name>/",
    "media media/<path:path>",
    "preferences p/<str:token>/",
    "privacy privacy/",
    "readyz readyz",
    "signup ",
    "signup subscribe/",
    "signup-post s/<slug:form>/",
    "subscription-confirm c/<str:token>/",
    "unsubscribe u/<str:token>/",
    "webhook-tracking webhooks/<slug:provider>/tracking/",
}
"""Name and address. The demo site and the caught mail exist in embedded mode only."""


def routes(resolver=None, prefix: str = ""):
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from routes(entry, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), entry


WITHOUT_CSRF_TOKEN = {
    "check-inbox",
    "check-inbox-resend",
    "preferences",
    "signup-post",
    "subscription-confirm",
    "unsubscribe",
    "webhook-tracking",
}
"""A token in the address or a provider's signature is the authority here; no cookie is (docs/decisions/0004)."""


def is_public(entry: URLPattern) -> bool:
    return not getattr(entry.callback, "login_required", True)


def test_exactly_these_pages_are_public():
    assert {f"{entry.name} {path}" for path, entry in routes() if is_public(entry)} == PUBLIC


def test_exactly_these_pages_take_a_post_without_a_csrf_token():
    exempt = {entry.name for path, entry in routes() if getattr(entry.callback, "csrf_exempt", False)}

    assert exempt == WITHOUT_CSRF_TOKEN


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/u/foreign/", "/p/foreign/", "/c/foreign/", "/subscribe/", "/privacy/"])
def test_a_readers_page_neither_sets_nor_answers_a_cookie_even_a_dead_one(client, path):
    client.cookies["sessionid"] = "a" * 32

    response = client.get(path)

    assert "Set-Cookie" not in response.headers
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")
