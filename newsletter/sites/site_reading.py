"""What was found on a site, and what its editor has changed of it before the newsletter is created. No network, no
database.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from newsletter.articles import extraction
from newsletter.articles.article_data import ArticleData

FIRST_STEP = "front"
DEFAULT_ACCENT = "#0E5A55"
"""The accent colour of a site that names none."""
MAX_PICTURE_BYTES = 1_500_000
"""Larger pictures are left out, so that the JSON of a reading stays below about 4 MB."""


class UnreadableReading(Exception):
    """The text is not JSON of a SiteReading of this release."""


@dataclass(frozen=True)
class FetchedPicture:
    """A picture after `newsletter.media.images.prepare`: resized, as JPEG or PNG."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    url: str
    data: bytes
    kind: str
    """"jpg" or "png"."""
    width: int
    height: int

    @property
    def data_uri(self) -> str:
        mime = {"jpg": "image/jpeg", "png": "image/png"}[self.kind]
        return f"data:{mime};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class FoundFeed:
    """A feed or sitemap that was read, with its newest items."""

    url: str
    is_sitemap: bool
    language: str
    count: int
    items: list[ArticleData]
    """The newest items."""

    @property
    def newest(self) -> datetime | None:
        return max((item.published_at for item in self.items if item.published_at), default=None)

    @property
    def articles_per_week(self) -> int:
        """An estimate from the dates of the newest items."""
        dates = sorted((item.published_at for item in self.items if item.published_at), reverse=True)[:40]
        if len(dates) < 2:
            return 0
        span = max((dates[0] - dates[-1]) / timedelta(weeks=1), 1 / 7)
        return max(1, round((len(dates) - 1) / span))

    @property
    def sections(self) -> int:
        return len({item.section for item in self.items if item.section})


@dataclass
class SiteReading:
    """State of the first run: the next step, what was found, and the editor's changes."""

    address: str
    at: datetime
    step: str = FIRST_STEP
    """The next step; "" when all are done."""
    seconds: float = 0
    url: str = ""
    site: extraction.Site = field(default_factory=lambda: extraction.Site("", [], []))
    feed_urls: list[str] = field(default_factory=list)
    """URLs of feeds that pages name."""
    found: list[FoundFeed] = field(default_factory=list)
    articles: list[ArticleData] = field(default_factory=list)
    """Articles whose pages were read, with their versions in other languages."""
    logo: FetchedPicture | None = None
    lead: FetchedPicture | None = None
    # What the editor may change:
    name: str = ""
    languages: list[str] = field(default_factory=list)
    """Languages of the issues, the default language first."""
    accent: str = ""
    time_zone: str = ""
    postal_address: str = ""
    shows_logo: bool = True
    without: list[str] = field(default_factory=list)
    """URLs of feeds that will not be connected."""

    def to_json(self) -> str:
        """The reading as JSON, with pictures in base64. The cache stores this text, never a pickled class."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> SiteReading:
        """Raises UnreadableReading, also for JSON that another release stored with other fields."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise UnreadableReading("This JSON does not hold a SiteReading.") from error

    @property
    def is_done(self) -> bool:
        return not self.step

    @property
    def feeds(self) -> list[FoundFeed]:
        return [one for one in self.found if one.url not in self.without]


_ADAPTER = TypeAdapter(SiteReading)
