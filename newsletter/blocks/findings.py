"""What a check finds: one defect, in words for editors; and `BlockChecks`, the rules of one kind of block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

Severity = Literal["blocks", "warns", "suggests"]


class Defect(NamedTuple):
    message: str
    block: str | None = None
    severity: Severity | None = None
    language: str | None = None
    is_pending: bool = False
    """Not known yet: a worker has not looked."""
    about: str = ""
    """The URL it is about, if any."""


def describe_unfinished(words: Any) -> str:
    return _("This block is not finished.")


def find_none(words: Any) -> Iterator[Defect]:
    return iter(())


def find_no_block_defects(block: Any, languages: tuple[str, ...]) -> Iterator[Defect]:
    return iter(())


def find_no_missing_alternative(block: Any, words: Any) -> str:
    return ""


def find_no_invalid_time(block: Any, at: datetime, zone: ZoneInfo) -> Defect | None:
    return None


@dataclass(frozen=True)
class BlockChecks:
    """The rules of one kind about its own words, besides those that hold for all kinds."""

    describe_unfinished: Callable[[Any], str] = describe_unfinished
    """(incomplete words) -> what is missing."""
    find_flaws: Callable[[Any], Iterable[Defect]] = find_none
    """(complete words) -> parts that readers would not see, or not see well. They block sending unless they say else."""
    find_unfinished: Callable[[Any, tuple[str, ...]], Iterable[Defect]] = find_no_block_defects
    """(block, languages) -> what the block itself lacks. Such defects block sending."""
    missing_alternative: Callable[[Any, Any], str] = find_no_missing_alternative
    """(block, complete words) -> a suggestion, if the content is not available in words."""
    find_invalid_time: Callable[[Any, datetime, ZoneInfo], Defect | None] = find_no_invalid_time
    """(block, when the issue is sent, zone) -> what is wrong with the block's dates."""
