"""Django settings: the only place that reads the environment.

Without any variable set, this gives a working site on SQLite, with mail caught in `VAR_DIR/mail/` (embedded mode).
A wrong value stops the start with one line that names the variable, what is wrong and what to write instead.
"""

import os
import re
import secrets
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
MAIL_KINDS = frozenset(
    {
        *("mailbox", "discard", "smtp", "smtps"),
        *("mailgun", "mailjet", "postmark", "ses", "sendgrid", "resend", "brevo", "mailersend", "mandrill"),
    }
)
UNFIT_MAIL_KINDS = {
    "mailtrap": "it fills in readers' own words only in texts that are stored with it",
    "postal": "its reports carry no token of ours, so anybody could forge them",
    "scaleway": "it reports neither bounces nor complaints",
    "sparkpost": "it leaves the List-Unsubscribe header out without a word, so nobody could unsubscribe by one click",
    "unisender": "it lets the List-Unsubscribe header pass only after an approval of its own",
}
"""Providers that we know, and why newsletters cannot be sent by them."""
LOCAL_MAIL_KINDS = frozenset({"mailbox", "discard"})


# --- reading the environment -----------------------------------------------------------------------------------------


def configuration_error(name: str, fact: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: {fact}. {remedy}")


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_int(name: str, default: int, *, least: int, most: int) -> int:
    raw = env_text(name, str(default))
    if not raw.isdecimal() or not least <= int(raw) <= most:
        raise configuration_error(
            name, f"{raw!r} is no whole number from {least} to {most}", f"Set for example {name}={default}."
        )
    return int(raw)


def env_bool(name: str, *, default: bool) -> bool:
    raw = env_text(name, "yes" if default else "no").lower()
    if raw not in {"yes", "no", "true", "false", "1", "0", "on", "off"}:
        raise configuration_error(name, f"{raw!r} is neither yes nor no", f"Set {name}=yes or {name}=no.")
    return raw in {"yes", "true", "1", "on"}


def env_list(name: str) -> list[str]:
    return [word.strip() for word in env_text(name).split(",") if word.strip()]


def env_networks(name: str) -> list[str]:
    for word in env_list(name):
        try:
            ip_network(word, strict=False)
        except ValueError:
            raise configuration_error(
                name, f"{word!r} is no network", "Write addresses such as 10.0.0.5 or 10.0.0.0/24."
            ) from None
    return env_list(name)


def env_recipients(name: str) -> list[str]:
    """Addresses, and domains as @example.org, in lower case and ASCII. Set and empty is no answer."""
    if name in os.environ and not env_list(name):
        raise configuration_error(
            name, "it names nobody", "Name addresses or domains such as @example.org, or take the line away."
        )
    return [_recipient(name, word.lower()) for word in env_list(name)]


def _recipient(name: str, word: str) -> str:
    local, _at, domain = word.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    if "@" not in word or "." not in ascii_domain or not ascii_domain.isascii() or set(word) & set(' <>"*'):
        raise configuration_error(
            name, f"{word!r} is no address and no domain", "Write ani@example.org, or @example.org for all of it."
        )
    return f"{local}@{ascii_domain}"


def env_sns_topics(name: str) -> list[str]:
    """Amazon resource names of the topics that SES reports to."""
    for word in env_list(name):
        if not re.fullmatch(r"arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?", word):
            raise configuration_error(
                name, f"{word!r} is no topic", "Copy its ARN, such as arn:aws:sns:eu-west-1:123456789012:warta."
            )
    return env_list(name)


def env_folder(name: str, default: Path) -> Path:
    path = Path(env_text(name, str(default))).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise configuration_error(
            name, f"cannot make the folder {path} ({error.strerror})", "Name a folder we may write to."
        ) from None
    return path


def env_web_origin(name: str, default: str) -> str:
    """An origin such as https://news.example, without a trailing slash."""
    raw = env_text(name, default).rstrip("/")
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.username:
        raise configuration_error(
            name, f"{raw!r} is no web address", "Write scheme and host only, such as https://news.example."
        )
    return raw


def env_database(name: str, default_file: Path) -> dict[str, Any]:
    raw = env_text(name)
    if not raw:
        return sqlite_database(default_file)
    try:
        config: dict[str, Any] = environ.Env.db_url_config(raw)
    except (ValueError, KeyError, ImproperlyConfigured):
        config = {}
    engine = str(config.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        return sqlite_database(Path(config["NAME"]))
    if not engine.endswith("postgresql"):
        raise configuration_error(
            name, "it names no database we know", "Write postgres://user:password@host:5432/name."
        )
    return {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def sqlite_database(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
        },
        "TEST": {"NAME": env_text("TEST_DATABASE_FILE") or None},
    }


def env_secret_key(name: str, var_dir: Path, *, embedded: bool) -> str:
    """The key everything is derived from. Embedded mode makes one on first use; production must bring its own."""
    given = env_text(name)
    if given:
        if len(given) < 32:
            raise configuration_error(
                name, "it has fewer than 32 characters", "Set a long random value and keep it secret."
            )
        return given
    if not embedded:
        raise configuration_error(
            name, "it is not set", "Set a long random value; without it no link in a mail can be trusted."
        )
    file = var_dir / "secret_key"
    if not file.exists():
        descriptor = os.open(file.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(48))
        file.with_suffix(".new").replace(file)
    return file.read_text().strip()


def env_mail_routes(name: str, default: str) -> list[str]:
    """`MAIL_URL`: routes in order of priority, each a URL whose scheme is the kind of route."""
    routes = [part.strip() for part in env_text(name, default).split(",") if part.strip()]
    for route in routes:
        kind = urlsplit(route).scheme
        if kind in UNFIT_MAIL_KINDS:
            remedy = "docs/add-a-provider.md names those that can, and most have an SMTP server."
            raise configuration_error(name, f"newsletters cannot be sent by {kind}: {UNFIT_MAIL_KINDS[kind]}", remedy)
        if kind not in MAIL_KINDS:
            known = ", ".join(sorted(MAIL_KINDS))
            raise configuration_error(
                name, f"{kind or route.split(':')[0]!r} is no kind of route", f"Start with one of: {known}."
            )
    return routes


def is_local_route(route: str) -> bool:
    parts = urlsplit(route)
    return parts.scheme in LOCAL_MAIL_KINDS or (parts.scheme == "smtp" and parts.hostname in LOOPBACK_HOSTS)


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
MOST_LATE_H = env_int("MOST_LATE_H", 3, least=1, most=720)
WEBHOOK_SECRETS = {
    kind.lower(): env_text(f"{kind}_WEBHOOK_SECRET".lstrip("_"))
    for kind in ("", *(kind.upper() for kind in sorted(MAIL_KINDS - LOCAL_MAIL_KINDS - {"smtp", "smtps"})))
}
"""`name:password` that a provider's events are posted with, by kind; "" is for all without one of their own."""
WEBHOOK_KEYS = {
    name: env_text(name)
    for name in (
        "MAILGUN_WEBHOOK_SIGNING_KEY",
        "MAILERSEND_SIGNING_SECRET",
        "MANDRILL_WEBHOOK_KEY",
        "RESEND_SIGNING_SECRET",
        "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
    )
}
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
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody but our editors gets mail because of what somebody typed
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
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EMBEDDED
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4000  # the composer's form at its fullest: 60 blocks of 20 questions each
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # one_editor_per_email makes addresses unique whatever their case
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
    raise configuration_error("LOG_LEVEL", f"{LOG_LEVEL!r} is no level", "Use DEBUG, INFO, WARNING or ERROR.")
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
