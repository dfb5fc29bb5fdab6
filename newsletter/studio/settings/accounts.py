"""Login of editors, invitations, and the account page. Accounts are created by invitation only.

allauth handles login and password reset and applies its own rate limits.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urljoin

from allauth.account import views
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from newsletter.models import Editor, Newsletter
from newsletter.studio.settings import audit_log
from newsletter.studio.settings.forms import THEMES, PasswordForm, ProfileForm
from newsletter.studio.shared import access

YEAR_S = 365 * 24 * 3600


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": gettext_lazy("The e-mail address and the password do not match. Try again."),
        "too_many_login_attempts": gettext_lazy("Too many attempts. Wait five minutes, then try again."),
        "account_inactive": gettext_lazy("The e-mail address and the password do not match. Try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Build the link from SITE_URL, not from the Host header of the request, which a client can forge."""
        uid, _dash, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
        return urljoin(settings.SITE_URL, path)

    def send_password_reset_mail(self, user: Editor, email: str, context: dict[str, Any]) -> None:
        """Send the mail to the stored address, in the editor's language."""
        _send_mail("account/email/password_reset_key", user, {"url": context["password_reset_url"]})

    def add_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Add no message: the templates show the result already."""


class InvalidForm422Mixin:
    """Answer 422 if the form is invalid, as all forms of the studio do."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]  # beside allauth's form views
        response.status_code = 422
        return response


class LoginView(InvalidForm422Mixin, views.LoginView):  # type: ignore[misc]
    pass


class PasswordResetView(InvalidForm422Mixin, views.PasswordResetView):  # type: ignore[misc]
    pass


class PasswordResetFromKeyView(InvalidForm422Mixin, views.PasswordResetFromKeyView):  # type: ignore[misc]
    pass


def send_invitation(editor: Editor, newsletter: Newsletter, *, by: Editor) -> None:
    """Send `editor` a link to choose a password. Raises OSError (SMTPException is one) if the mail cannot be sent."""
    key = f"{user_pk_to_url_str(editor)}-{default_token_generator.make_token(editor)}"
    url = AccountAdapter().get_reset_password_from_key_url(key)
    context = {"url": url, "newsletter": newsletter, "inviter": by}
    _send_mail("account/email/invitation", editor, context)


def _send_mail(template: str, editor: Editor, context: dict[str, Any]) -> None:
    with translation.override(editor.language):
        context = {
            **context,
            "editor": editor,
            "site": settings.SITE_URL,
            "days": settings.PASSWORD_RESET_TIMEOUT // 86400,
        }
        subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
        body = render_to_string(f"{template}_message.txt", context).strip() + "\n"
    EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [editor.email]).send()


@require_http_methods(["GET", "HEAD", "POST"])
def edit_account(request: HttpRequest) -> HttpResponse:
    """Edit name, language and appearance."""
    form = ProfileForm(
        request.POST or None, instance=access.current_editor(request), theme=request.COOKIES.get("theme", "")
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        with translation.override(form.instance.language):
            messages.success(request, _("Saved."))
        response = redirect("settings-account")
        _remember_theme(response, form.cleaned_data["theme"])
        return response
    return _account_page(request, profile=form, status=422 if form.is_bound else 200)


def _remember_theme(response: HttpResponse, theme: str) -> None:
    if theme not in THEMES or theme == "system":
        response.delete_cookie("theme", samesite="Lax")
        return
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie("theme", theme, max_age=YEAR_S, samesite="Lax", httponly=True, secure=secure)


@sensitive_post_parameters()
@require_http_methods(["POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password. All other sessions of the editor end."""
    if response := ratelimit.consume_or_429(request, action="change_password", user=request.user):
        return response  # type: ignore[no-any-return]
    form = PasswordForm(access.current_editor(request), request.POST)
    if not form.is_valid():
        return _account_page(request, password=form, status=422)
    form.save()
    update_session_auth_hash(request, form.user)
    audit_log.record(request, "password-changed", newsletter=None, subject=f"editor {form.user.pk}")
    messages.success(request, _("Your password was changed. All your other sessions have ended."))
    return redirect("settings-account")


def _account_page(
    request: HttpRequest, *, profile: ProfileForm | None = None, password: PasswordForm | None = None, status: int = 200
) -> HttpResponse:
    me = access.current_editor(request)
    stored = Editor.objects.get(pk=me.pk)
    context = {
        "section": "settings",
        "tab": "account",
        "profile": profile or ProfileForm(instance=stored, theme=request.COOKIES.get("theme", "")),
        "password": password or PasswordForm(stored),
        "memberships": me.memberships.select_related("newsletter").order_by("newsletter"),
    }
    return render(request, "studio/settings/account.html", context, status=status)
