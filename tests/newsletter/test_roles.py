"""Permissions of every page for writing and settings, by role and for another newsletter."""

from __future__ import annotations

import pytest
from django.urls import URLPattern, get_resolver, reverse

from newsletter import roles
from newsletter.models import Role, SavedBlock, Source
from newsletter.studio import urls
from tests.factories import make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db
WRITER, EDITOR, PUBLISHER, ADMINISTRATOR = Role.values
ALL = set(Role.values)
ADMINS = {ADMINISTRATOR}
A_BLOCK = {"kind": "text", "id": "bsalam", "words": {"id": {"heading": "", "body": "<p>Selamat pagi.</p>"}}}

# name: (method, what its URL names, roles with access, status for others)
MATRIX = {
    "studio-start": ("get", "", ALL, 200),
    "issue-list": ("get", "", ALL, 200),
    "issue-create": ("post", "", ALL, 403),
    "issue-compose": ("get", "issue", ALL, 404),
    "issue-preview": ("get", "issue", ALL, 404),
    "issue-checks": ("get", "issue", ALL, 404),
    "issue-autosave": ("post", "issue", ALL, 404),
    "issue-undo": ("post", "issue", ALL, 404),
    "issue-redo": ("post", "issue", ALL, 404),
    "issue-copy": ("post", "issue", ALL, 404),
    "issue-history": ("get", "issue", ALL, 404),
    "issue-pick-again": ("post", "issue", ALL, 404),
    "issue-delete": ("post", "issue", ALL, 404),
    "issue-look": ("get", "issue", ALL, 404),
    "issue-tray": ("get", "issue", ALL, 404),
    "issue-languages": ("get", "issue", ALL, 404),
    "issue-images": ("get", "issue", ALL, 404),
    "issue-image-add": ("post", "issue", ALL, 404),
    "issue-image-take": ("post", "issue", ALL, 404),
    "issue-block-keep": ("post", "issue", ALL, 404),
    "article-list": ("get", "", ALL, 403),
    "article-waiting": ("get", "", ALL, 403),
    "article-paste": ("post", "", ALL, 403),
    "article-answer": ("post", "", ALL, 403),
    "saved-blocks": ("get", "", ALL, 403),
    "saved-block-rename": ("post", "saved", ALL, 404),
    "saved-block-delete": ("post", "saved", ALL, 404),
    "article-add": ("post", "", ALL, 403),
    "source-list": ("get", "", ALL, 403),
    "source-add": ("post", "", ALL, 403),
    "source-stop": ("post", "source", ALL, 404),
    "settings-newsletters": ("get", "", ALL, 200),
    "settings-newsletter-create": ("get", "", ADMINS, 403),
    "settings-newsletter": ("get", "newsletter", ADMINS, 404),
    "settings-rhythm": ("get", "", ADMINS, 403),
    "site-ask": ("get", "", ADMINS, 403),
    "site-sender": ("get", "newsletter", ADMINS, 404),
    "settings-editors": ("get", "", ADMINS, 403),
    "settings-editor-invite": ("post", "", ADMINS, 403),
    "settings-editor-invite-again": ("post", "membership", ADMINS, 404),
    "settings-editor-role": ("post", "membership", ADMINS, 404),
    "settings-editor-remove": ("post", "membership", ADMINS, 404),
    "settings-account": ("get", "", ALL, 200),
    "settings-password": ("post", "", ALL, 422),
    "audit": ("get", "", ADMINS, 403),
}
ELSEWHERE = {
    *("site-found", "site-go-on", "site-preview", "issue-bring-back", "article-use", "source-read"),
    *("article-try-again", "article-set-aside", "article-bring-back", "issue-image-describe", "saved-block-bring-back"),
}
"""Tested separately: they answer 404 without a deleted issue, an article or the network."""


def arguments(newsletter, what):
    return {
        "": list,
        "issue": lambda: [make_issue(newsletter).pk],
        "source": lambda: [Source.objects.create(newsletter=newsletter, url="https://x.example/feed").pk],
        "newsletter": lambda: [newsletter.slug],
        "saved": lambda: [SavedBlock.objects.create(newsletter=newsletter, name="Salam", content=A_BLOCK).pk],
        "membership": lambda: [make_editor(newsletter, role=WRITER).memberships.get().pk],
    }[what]()


def ask(client, newsletter, name):
    method, what, _who, _outsider = MATRIX[name]
    return getattr(client, method)(reverse(name, args=arguments(newsletter, what)))


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("name", MATRIX)
def test_t61_a_role_opens_its_pages_and_no_others(client, newsletter, name, role):
    client.force_login(make_editor(newsletter, role=role))

    status = ask(client, newsletter, name).status_code

    assert (status == 403) is (role not in MATRIX[name][2])


@pytest.mark.parametrize("name", MATRIX)
def test_t61_another_newsletters_things_are_not_there(client, newsletter, name):
    client.force_login(make_editor())

    assert ask(client, newsletter, name).status_code == MATRIX[name][3]


@pytest.mark.parametrize("name", [name for name, row in MATRIX.items() if row[1]])
def test_t61_an_administrator_elsewhere_is_an_outsider_here(client, newsletter, name):
    client.force_login(make_editor(make_newsletter()))

    assert ask(client, newsletter, name).status_code == 404


@pytest.mark.parametrize("name", MATRIX)
def test_every_page_asks_for_a_login(client, newsletter, name):
    response = ask(client, newsletter, name)

    assert response.status_code == 302
    assert response.url.startswith("/studio/account/login/")


def test_the_matrix_knows_every_page():
    names = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}

    assert names == MATRIX.keys() | ELSEWHERE


@pytest.mark.parametrize("given", ["newsletter", "article"])
def test_a_posted_newsletter_of_somebody_else_is_not_there(client, newsletter, given):
    client.force_login(make_editor(make_newsletter()))

    create = client.post(reverse("issue-create"), {"newsletter": newsletter.slug})
    use = client.post(reverse("article-use"), {"newsletter": newsletter.slug, "article": "1"})

    assert {"newsletter": create, "article": use}[given].status_code == 404


def test_an_administrator_cannot_invite_into_somebody_elses_newsletter(client, newsletter):
    client.force_login(make_editor(make_newsletter()))
    form = {"email": "x@kabarlintas.example", "name": "X", "role": "administrator", "language": "id"}

    response = client.post(reverse("settings-editor-invite"), {**form, "newsletter": newsletter.slug})

    assert response.status_code == 422
    assert not newsletter.memberships.exists()


def test_writers_have_no_way_to_addresses(client, newsletter):
    client.force_login(make_editor(newsletter, role=WRITER))

    page = client.get(reverse("studio-start")).text

    assert "Subscribers" not in page
    assert not roles.is_allowed(newsletter.memberships.get().editor, roles.Action.SEE_PEOPLE, newsletter)


def test_the_admin_is_for_superusers(client, newsletter):
    client.force_login(make_editor(newsletter))
    turned_away = client.get("/admin/newsletter/issue/").status_code
    client.force_login(make_editor(is_staff=True, is_superuser=True))

    assert turned_away == 302
    assert client.get("/admin/newsletter/issue/").status_code == 200
    assert client.get("/admin/newsletter/issue/add/").status_code == 403


def test_a_superuser_administers_every_newsletter(client, newsletter):
    client.force_login(make_editor(is_superuser=True))

    assert client.get(reverse("settings-newsletter", args=[newsletter.slug])).status_code == 200


def test_the_studio_has_no_page_without_a_name():
    studio = [p for p in get_resolver().url_patterns if str(p.pattern) == "studio/"]

    assert all(pattern.name for resolver in studio for pattern in resolver.url_patterns)
