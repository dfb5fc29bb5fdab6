"""Pages are closed unless they are listed here. Whoever opens one more has to say so in this file."""

from __future__ import annotations

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
    "demo-picture demo/pictures/<slug:name>.png",
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


def is_public(entry: URLPattern) -> bool:
    return not getattr(entry.callback, "login_required", True)


def test_exactly_these_pages_are_public():
    assert {f"{entry.name} {path}" for path, entry in routes() if is_public(entry)} == PUBLIC
