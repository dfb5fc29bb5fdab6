"""Django settings. Environment variables are read here only, by the functions of `newsletter.environment`.

Without any variable set, this is a working site on SQLite, with mail caught in `VAR_DIR/mail/` (embedded mode).
A wrong value stops the start with one line that names the variable, the mistake and the remedy.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from newsletter.environment import LOCAL_MAIL_KINDS as LOCAL_MAIL_KINDS
from newsletter.environment import LOOPBACK_HOSTS as LOOPBACK_HOSTS
from newsletter.environment import (
    configuration_error,
    env_database,
    env_folder,
    env_int,
    env_list,
    env_mail_routes,
    env_networks,
    env_recipients,
    env_secret_key,
    env_sns_topics,
    env_text,
    env_web_origin,
    env_webhook_keys,
    env_webhook_secrets,
    is_local_route,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things are ------------------------------------------------------------------------------------------------

TESTING = "pytest" in sys.modules or "PYTEST_CURRENT_TEST" in os.environ
COMPILE_MJML_IN_SUBPROCESS = "pytest" not in sys.modules
"""Whether a frozen edition is compiled in a subprocess. Tests of that subprocess turn this on; all others save its start."""
VAR_DIR = env_folder("VAR_DIR", BASE_DIR / "var")
PORT = env_int("PORT", 8000, least=1, most=65535)
SITE_URL = env_web_origin("SITE_URL", f"http://127.0.0.1:{PORT}")
SITE_HOST = urlsplit(SITE_URL).hostname or ""
EMBEDDED = SITE_HOST in LOOPBACK_HOSTS
MAIL_ROUTES = env_mail_routes("MAIL_URL", "mailbox:" if EMBEDDED else "")
MAIL_ONLY_TO = env_recipients("MAIL_ONLY_TO")
INBOUND_DOMAIN = env_text("INBOUND_DOMAIN")
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES")
TRACKING_SPOOL = env_folder("TRACKING_SPOOL", VAR_DIR / "spool" / "hits")
SEND_SPOOL = env_folder("SEND_SPOOL", VAR_DIR / "spool" / "send")
MAILBOX_DIR = VAR_DIR / "mail"
SEND_SLOTS = env_int("SEND_SLOTS", 2, least=1, most=256)
# Hours after which a scheduled issue waits for an editor's decision (`workers.sending.late_start`).
MOST_LATE_H = env_int("MOST_LATE_H", 3, least=1, most=720)
WEBHOOK_SECRETS = env_webhook_secrets()
"""`name:password` of a provider's webhook requests, by kind; "" is for providers without an entry of their own."""
WEBHOOK_KEYS = env_webhook_keys()
WEBHOOK_MOST_AGE_MIN = env_int("WEBHOOK_MOST_AGE_MIN", 5, least=1, most=24 * 60)
SES_TOPICS = env_sns_topics("SES_TOPICS")

if not MAIL_ROUTES:
    raise configuration_error("MAIL_URL", "it is not set", "Name your provider, such as smtp://user:password@host:587.")
if SITE_URL.startswith("http:") and not EMBEDDED:
    raise configuration_error("SITE_URL", "http is not safe for links in mail", f"Write https://{SITE_HOST}.")
if SITE_URL.startswith("http:") and not all(is_local_route(route) for route in MAIL_ROUTES):
    raise configuration_error(
        "SITE_URL", "mail would leave this machine with http links", "Set SITE_URL=https://your.host."
    )

# --- Django ----------------------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = env_secret_key("SECRET_KEY", VAR_DIR, embedded=EMBEDDED)
# Old keys stay valid for signed links in delivered mails.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = sorted(LOOPBACK_HOSTS - {"::1"} | {"[::1]"}) if EMBEDDED else [SITE_HOST]
ROOT_URLCONF = "newsletter.urls"
WSGI_APPLICATION = "newsletter.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": env_database("DATABASE_URL", VAR_DIR / "warta.sqlite3")}
BROKER_URL = env_text("BROKER_URL", "filesystem://")
BROKER_DIR = VAR_DIR / "broker"

INSTALLED_APPS = [
    "newsletter",
    "subscribers",
    "workers",
    "allauth",
    "allauth.account",
    "anymail",
    "csp",
    "django_htmx",
    "django_prose_editor",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "newsletter.web.middleware.log_failures",
    "newsletter.web.middleware.allow_unsubscribe_on_any_host",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "newsletter.web.middleware.activate_language",
    "newsletter.web.middleware.refuse_nul",
    "newsletter.web.middleware.LoginByDefaultMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "newsletter.web.context_processors.site",
                "newsletter.studio.shared.context_processors.studio",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "newsletter.templatetags.warta"],
        },
    }
]

# --- people who log in -----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "newsletter.Editor"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "studio-start"
ACCOUNT_ADAPTER = "newsletter.studio.settings.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # the reset form sends no mail to addresses without an account
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
ALLAUTH_TRUSTED_CLIENT_IP_HEADER = None
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "newsletter.web.error_pages.form_expired"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- shared counters: login throttles must hold over all web processes ----------------------------------------------

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if TESTING
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}
}

# --- languages and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("id", _("Indonesian")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "newsletter" / "locale"]
READER_LOCALE_PATHS = [BASE_DIR / "newsletter" / "reader_locale", VAR_DIR / "reader_locale"]
"""Folders with a .po file for each language that readers may see; see docs/add-a-language.md."""
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Jakarta"
USE_THOUSAND_SEPARATOR = True

# --- files -----------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
FILE_UPLOAD_PERMISSIONS = 0o640
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING
        else "newsletter.web.static_files.MinifyingStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING
WHITENOISE_AUTOREFRESH = TESTING
WHITENOISE_MAX_AGE = 3600

# --- security --------------------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = False  # the proxy redirects; a redirect here would break one-click unsubscribe (RFC 8058)
SECURE_HSTS_SECONDS = 0 if EMBEDDED else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not EMBEDDED
SECURE_HSTS_PRELOAD = not EMBEDDED
# Without trusted proxies a client could set this header itself.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EMBEDDED
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "DENY"
# Bounds request bodies before a view reads them. Uploaded files are not counted.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4000  # the largest form of the composer: 60 blocks with 20 questions each
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # the constraint one_editor_per_email makes addresses unique, ignoring case
    "security.W008",  # see SECURE_SSL_REDIRECT
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

# --- mail ------------------------------------------------------------------------------------------------------------

EMAIL_BACKEND = "workers.routes.django_backend.EmailBackend"
DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", f"warta@{SITE_HOST if not EMBEDDED else 'localhost'}")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- logs: event phrase plus ids; no address, name or token --------------------------------------------------------

LOG_LEVEL = env_text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise configuration_error("LOG_LEVEL", f"{LOG_LEVEL!r} is not a log level", "Use DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "newsletter.web.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"handlers": ["stderr"], "level": LOG_LEVEL, "propagate": TESTING}
        for name in ("newsletter", "subscribers", "workers")
    },
}
