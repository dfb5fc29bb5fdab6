"""The table of providers: one entry makes the route, the webhook, the look-up and the name available."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.module_loading import import_string

from tests.workers.provider_events import webhook_posts
from workers import providers, routes
from workers.ledger import look_ups
from workers.models import Event
from workers.providers import Merge, MergeSyntax, Provider, Webhook
from workers.routes.base import LookUpResult

ACME = Provider(
    kind="acme",
    name="Acme Mail",
    backend="anymail.backends.postmark.EmailBackend",
    user="server_token",
    options=("api_url",),
    look_up=f"{__name__}.look_up_acme",
    webhook=Webhook(view="anymail.webhooks.postmark.PostmarkTrackingWebhookView"),
)


def look_up_acme(route, mark, tokens, since, until):
    return LookUpResult(dict.fromkeys(tokens, "accepted"))


@pytest.fixture
def acme(monkeypatch, settings):
    monkeypatch.setitem(providers.PROVIDERS, "acme", ACME)
    settings.MAIL_ROUTES = ["acme://TOKEN@"]
    return ACME


def test_an_entry_makes_a_route(acme):
    providers.check_mail_kinds()

    route = routes.first()

    assert (route.kind, route.name) == ("acme", "acme-1")
    route.open()
    route.close()


def test_an_entry_with_a_merge_makes_a_route_of_many_readers_a_call(acme, monkeypatch):
    syntax = MergeSyntax("{", "}", providers.PROVIDERS["mailjet"].merge.syntax.strange)
    merge = Merge(
        backend="anymail.backends.postmark.EmailBackend",
        max_recipients=7,
        syntax=syntax,
        read="workers.routes.anymail_merge.read_mailgun",
    )
    monkeypatch.setitem(providers.PROVIDERS, "acme", replace(acme, merge=merge))

    route = routes.from_url("acme-1", "acme://TOKEN@")

    assert (route.most_at_once, route.syntax, providers.makes_message_ids("acme")) == (7, syntax, True)


def test_an_entry_makes_a_look_up(acme):
    question = look_ups.encode("acme-1", routes.first().account, 12, 3)

    found = routes.first().look_up("mark", ["a", "b"], since=timezone.now())

    assert look_ups.parse(question).kind == "acme"
    assert found.found == {"a": "accepted", "b": "accepted"}


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailInsecureWebhookWarning")
def test_an_entry_makes_a_webhook(acme, client, settings, siti, token):
    settings.SITE_URL = "http://127.0.0.1:8000"
    settings.WEBHOOK_SECRETS = {"acme": webhook_posts.SECRET}
    post = webhook_posts.COMPLAINTS["postmark"](token, at=webhook_posts.clock())

    assert replace(post, provider="acme").send(client).status_code == 200

    assert Event.objects.get().kind == "complained"
    assert providers.display_names(["acme", "unknown"]) == ["Acme Mail"]


def test_an_unknown_kind_is_named_with_all_that_are_known(settings):
    settings.MAIL_ROUTES = ["pigeon://coop"]

    with pytest.raises(
        ImproperlyConfigured, match="MAIL_URL: 'pigeon' is not a kind of route. Start with one of: brevo,"
    ):
        providers.check_mail_kinds()


@pytest.mark.parametrize("provider", providers.PROVIDERS.values(), ids=lambda one: one.kind)
@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")
def test_every_path_of_an_entry_leads_somewhere(provider):
    webhook, merge = provider.webhook, provider.merge
    paths = [provider.arguments, provider.look_up, *((merge.backend, merge.read) if merge else ())]
    paths += [webhook.view, webhook.parse, webhook.key_check, webhook.signature_check, webhook.signed_at]
    paths += [webhook.view_url, *(() if provider.package else (provider.backend,))]

    for path in filter(None, paths):
        assert callable(import_string(path))
    assert provider.limits_url.startswith("https://")
