"""The studio's pages about writing and settings."""

from django.urls import path

from newsletter.studio import accounts, articles_page, audit, composer, editors, issue_list, newsletters, rhythm, week

urlpatterns = [
    path("", week.page, name="studio-start"),
    path("issues/", issue_list.listing, name="issue-list"),
    path("issues/new/", issue_list.create, name="issue-create"),
    path("issues/<int:issue_id>/compose/", composer.compose, name="issue-compose"),
    path("issues/<int:issue_id>/preview/", composer.preview, name="issue-preview"),
    path("issues/<int:issue_id>/checks/", composer.checked, name="issue-checks"),
    path("issues/<int:issue_id>/autosave/", composer.autosave, name="issue-autosave"),
    path("issues/<int:issue_id>/undo/", composer.undo, name="issue-undo"),
    path("issues/<int:issue_id>/redo/", composer.redo, name="issue-redo"),
    path("issues/<int:issue_id>/copy/", composer.copy, name="issue-copy"),
    path("issues/<int:issue_id>/history/", composer.history, name="issue-history"),
    path("issues/<int:issue_id>/delete/", issue_list.delete, name="issue-delete"),
    path("issues/<int:issue_id>/pick-again/", week.pick_again, name="issue-pick-again"),
    path("issues/<int:issue_id>/bring-back/", issue_list.bring_back, name="issue-bring-back"),
    path("articles/", articles_page.listing, name="article-list"),
    path("articles/add/", articles_page.add, name="article-add"),
    path("articles/use/", articles_page.use, name="article-use"),
    path("articles/feeds/", articles_page.sources, name="source-list"),
    path("articles/feeds/add/", articles_page.add_source, name="source-add"),
    path("articles/feeds/<int:source_id>/read/", articles_page.read_source, name="source-read"),
    path("articles/feeds/<int:source_id>/stop/", articles_page.stop_source, name="source-stop"),
    path("settings/newsletters/", newsletters.listing, name="settings-newsletters"),
    path("settings/newsletters/new/", newsletters.create, name="settings-newsletter-create"),
    path("settings/newsletters/<slug:slug>/", newsletters.edit, name="settings-newsletter"),
    path("settings/rhythm/", rhythm.said, name="settings-rhythm"),
    path("settings/editors/", editors.listing, name="settings-editors"),
    path("settings/editors/invite/", editors.invite, name="settings-editor-invite"),
    path("settings/editors/<int:membership_id>/invite/", editors.invite_again, name="settings-editor-invite-again"),
    path("settings/editors/<int:membership_id>/role/", editors.change_role, name="settings-editor-role"),
    path("settings/editors/<int:membership_id>/remove/", editors.remove, name="settings-editor-remove"),
    path("settings/account/", accounts.account, name="settings-account"),
    path("settings/account/password/", accounts.password, name="settings-password"),
    path("audit/", audit.page, name="audit"),
]
