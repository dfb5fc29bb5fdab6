"""Parsing, checking and normalising of e-mail addresses. Pure: no database, no network.

`email` is the address that mail is sent to (RFC 5321; the domain in IDNA form). `key` identifies a subscriber.
`canonical_mailbox` is what limits count by. Addresses with non-ASCII letters before the @ (RFC 6531) are refused,
because they can be delivered only if every server on the way supports them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from django.utils.translation import gettext as _
from email_validator import EmailNotValidError, validate_email

ROLE_LOCAL_PARTS = frozenset(
    {
        *("abuse", "adminc", "bounce", "bounces", "daemon", "devnull", "donotreply", "ftp", "hostmaster", "listserv"),
        *("mailerdaemon", "majordomo", "noc", "noreply", "null", "postmaster", "root", "security", "spam", "usenet"),
        *("uucp", "webmaster", "www"),
    }
)
"""Local parts of role addresses (RFC 2142 and common ones), without hyphens, dots and underscores."""
DOTLESS_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")


class InvalidAddress(ValueError):
    """The address cannot be used. The message tells the visitor what to change."""


@dataclass(frozen=True)
class EmailAddress:
    email: str
    key: str

    @property
    def domain(self) -> str:
        return self.key.rpartition("@")[2]

    @property
    def is_role(self) -> bool:
        """Whether the address belongs to a role, such as postmaster@, and so to no person who could consent (S-74)."""
        local = self.key.rpartition("@")[0].partition("+")[0]
        return re.sub(r"[-_.]", "", local) in ROLE_LOCAL_PARTS


def parse(text: str) -> EmailAddress:
    """Parse one address. Raises InvalidAddress with a message for the visitor."""
    typed = _normalize(text)
    _check_common_mistakes(typed)
    try:
        valid = validate_email(
            typed, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError:
        raise InvalidAddress(_("This does not look like an e-mail address. Write it like name@example.com.")) from None
    domain = (valid.ascii_domain or "").lower()
    _check_domain(domain)
    email = f"{valid.local_part}@{domain}"
    if len(email) > 254:
        raise InvalidAddress(_("This address is too long. Please check it."))
    return EmailAddress(email=email, key=f"{valid.local_part.lower()}@{domain}")


def parse_public(text: str) -> EmailAddress:
    """Like `parse`, for the public form. Role addresses are refused too."""
    address = parse(text)
    if address.is_role:
        raise InvalidAddress(
            _("This address belongs to a role or department, not to a person. Please use your own address.")
        )
    return address


def _normalize(text: str) -> str:
    typed = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip()
    return re.sub(r"^(mailto:)?\s*<?\s*(.*?)\s*>?[.,;]?$", r"\2", typed, flags=re.DOTALL | re.IGNORECASE)


def _check_common_mistakes(typed: str) -> None:
    local, at, domain = typed.rpartition("@")
    if not typed:
        raise InvalidAddress(_("Please enter your e-mail address."))
    if not at:
        raise InvalidAddress(_("The @ is missing. Write the address like name@example.com."))
    if not local or not domain:
        raise InvalidAddress(_("A part before or after the @ is missing. Write the address like name@example.com."))
    if re.search(r"\s", typed):
        raise InvalidAddress(_("An address has no spaces. Please check it."))
    if "@" in local:
        raise InvalidAddress(_("There is more than one @. Please enter one address."))
    if not local.isascii():
        raise InvalidAddress(
            _(
                "The part before the @ may contain only letters from a to z, digits and signs. Please use another address."
            )
        )
    if "," in domain:
        raise InvalidAddress(_("There is a comma after the @. Did you mean a full stop?"))
    if len(local) > 64:
        raise InvalidAddress(_("The part before the @ is too long. Please check it."))
    if _mixes_alphabets(domain):
        raise InvalidAddress(_("The part after the @ mixes letters from different alphabets. Please enter it again."))


def _check_domain(domain: str) -> None:
    last = domain.rpartition(".")[2]
    if "." not in domain or last.isdecimal():
        raise InvalidAddress(_("The domain after the @ is incomplete. Write the address like name@example.com."))


def _mixes_alphabets(domain: str) -> bool:
    """Whether one label mixes look-alike alphabets, such as exаmple with a Cyrillic а (T-04)."""
    for label in domain.split("."):
        names = [unicodedata.name(sign, "") for sign in label if sign.isalpha()]
        if len({alphabet for name in names for alphabet in ALPHABETS if name.startswith(alphabet)}) > 1:
            return True
    return False


def canonical_mailbox(key: str) -> str:
    """The mailbox of a key: without the plus tag, and without dots if the provider ignores dots (T-06, T-07)."""
    local, _at, domain = key.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in DOTLESS_DOMAINS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def mask(email: str) -> str:
    """Return "s•••@contoh.id": the owner recognises the address, others cannot read it."""
    local, _at, domain = email.rpartition("@")
    return f"{local[:1]}•••@{domain}"
