"""Hosts of links that are not what they seem: look-alikes of the publisher's own, numbers, and words that name another site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from newsletter.rendering import links

SECOND_LEVEL_LABELS = frozenset("ac biz co com desa edu go gov mil my net or org sch web".split())  # noqa: SIM905 (easier to read)
CONFUSABLES = str.maketrans("0134578" + "аеорсухіѕԁɡ", "oleastb" + "aeopcyxisdg")
"""Figures and Cyrillic letters that pass for Latin ones."""
MIN_NAME_LENGTH = 6
"""Shorter names are alike by chance."""
_HOST_IN_WORDS = re.compile(r"(?:https?://)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:/\S*)?", re.IGNORECASE)


def registered_domain(host: str) -> str:
    """What was registered: the name with its ending, "kabar.example" of "www.kabar.example", "imigrasi.go.id" with three."""
    labels = host.split(".")
    size = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL_LABELS else 2
    return ".".join(labels[-size:])


def find_imitated_host(host: str, own: Iterable[str]) -> str:
    """Which of our `own` hosts this one can be taken for; "" if none, or if it is one of them."""
    homes = {registered_domain(one) for one in own if one}
    if registered_domain(host) in homes or is_ip_address(host):
        return ""
    for home in sorted(homes):
        name = home.partition(".")[0]
        if len(name) >= MIN_NAME_LENGTH and _is_alike(_readable(host), name, home):
            return home
    return ""


def _is_alike(host: str, name: str, home: str) -> bool:
    other = registered_domain(host).partition(".")[0]
    drawn, as_drawn = _drawn(other), _drawn(name)
    if drawn == as_drawn or _is_one_step(drawn, as_drawn):
        return True
    return (
        home in host
        or home.replace(".", "-") in host
        or (len(name) > MIN_NAME_LENGTH and name in re.split(r"[.-]", host))
    )


def _readable(host: str) -> str:
    """With the letters a reader sees, not their encoding."""
    try:
        return host.encode("ascii").decode("idna") if "xn--" in host else host
    except UnicodeError:
        return host


def _drawn(name: str) -> str:
    """Letters and figures that look the same as one."""
    return name.translate(CONFUSABLES).replace("rn", "m").replace("vv", "w").replace("-", "")


def _is_one_step(one: str, other: str) -> bool:
    """Whether one letter was changed, added, left out, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) == len(other):
        differs = [place for place in range(len(one)) if one[place] != other[place]]
        swapped = len(differs) == 2 and differs[1] == differs[0] + 1
        return len(differs) == 1 or (
            swapped and one[differs[0]] == other[differs[1]] and one[differs[1]] == other[differs[0]]
        )
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))


def is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def host_in_label(label: str) -> str:
    """The site that the words of a link name, if they are an address; else ""."""
    found = _HOST_IN_WORDS.fullmatch(label.strip())
    return found[1].lower().removeprefix("www.") if found and links.is_safe_url(f"https://{found[1]}") else ""
