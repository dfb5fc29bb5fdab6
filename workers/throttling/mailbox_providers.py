"""Which mail service an address belongs to, as far as its domain tells.

The four large services watch all that comes from a sender together, so they are groups. Every other domain is a lane
of its own: one slow company must not hold up four hundred others. (A domain of one's own hosted by a large service is
not recognised; that would take a look-up of its MX for each.)
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
"""Product names, the same in every language. Other lanes are called by their domain."""

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
    """The group of a large service, else the address's own domain in lower case."""
    domain = email.rpartition("@")[2].lower().rstrip(".")
    if group := _DOMAINS.get(domain):
        return group
    found = _IN_A_COUNTRY.fullmatch(domain)
    return _BRANDS.get(found[1], domain) if found else domain


def group_of(lane: str) -> str:
    """The group that a lane belongs to: itself, or other."""
    return lane if lane in NAMES else OTHER


def display_name(lane: str) -> str:
    return NAMES.get(lane, lane)
