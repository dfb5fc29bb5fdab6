"""What a check finds: one defect, in words for editors."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["blocks", "warns", "suggests"]


class Defect(NamedTuple):
    message: str
    block: str | None = None
    severity: Severity | None = None
    language: str | None = None
    is_pending: bool = False
    """Not known yet: a worker has not looked."""
    about: str = ""
    """The address it is about, if one."""
