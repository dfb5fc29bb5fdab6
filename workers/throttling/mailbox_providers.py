"""The mailbox provider of an address, by its domain.

The four large providers limit a sender across all their domains, so each is one group. Every other domain is a key by
itself: one slow company must not delay four hundred others. A custom domain that is hosted by a large provider is not
recognised, as that would need an MX query for each domain.
"""

from __future__ import annotations

import re
from typing import Final

GMAIL: Final = "gmail"
MICROSOFT: Final = "microsoft"
YAHOO: Final = "yahoo"
APPLE: Final = "apple"
OTHER: Final = "other"
GROUPS = (GMAIL, MICROSOFT, YAHOO, APPLE, OTHER)
NAMES = {GMAIL: "Gmail", MICROSOFT: "Outlook, Hotmail", YAHOO: "Yahoo, AOL", APPLE: "iCloud"}
"""Product names, the same in every language. Other keys are shown as their domain."""

_DOMAINS = {
    "gmail.com": GMAIL,
    "googlemail.com": GMAIL,
    "google.com": GMAIL,
    "msn.com": MICROSOFT,
    "passport.com": MICROSOFT,
    "windowslive.com": MICROSOFT,
    "ymail.com": YAHOO,
    "rocketmail.com": YAHOO,
    "myyahoo.com": YAHOO,
    "aim.com": YAHOO,
    "verizon.net": YAHOO,
    "netscape.net": YAHOO,
    "icloud.com": APPLE,
    "me.com": APPLE,
    "mac.com": APPLE,
    "privaterelay.appleid.com": APPLE,
}
_BRANDS = {"hotmail": MICROSOFT, "outlook": MICROSOFT, "live": MICROSOFT, "yahoo": YAHOO, "aol": YAHOO}
_IN_A_COUNTRY = re.compile(r"([a-z]+)\.(?:com|[a-z]{2}|(?:com?|ne|net)\.[a-z]{2})")


def provider_key(email: str) -> str:
    """Return the group of a large provider, else the domain of the address in lower case."""
    domain = email.rpartition("@")[2].lower().rstrip(".")
    if group := _DOMAINS.get(domain):
        return group
    match = _IN_A_COUNTRY.fullmatch(domain)
    return _BRANDS.get(match[1], domain) if match else domain


def group_of(key: str) -> str:
    """Return the group of a key: a large provider, or OTHER."""
    return key if key in NAMES else OTHER


def display_name(key: str) -> str:
    """Return the product name of a group, or the domain."""
    return NAMES.get(key, key)
