"""Log lines: an event phrase and ids as key=value. Never log an email address, a name or a token."""

from __future__ import annotations

import logging
import re

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request", "status_code", "taskName"}
_TOKEN_PATHS = re.compile(r"/(c|p|u|t|l/\d+|check-inbox|studio/account/password/reset/key)/[^/?\s]+")


def without_tokens(path: str) -> str:
    """A URL path with its secret parts replaced by "…"."""
    return _TOKEN_PATHS.sub(r"/\1/…", path.partition("?")[0])


class LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name is logging's)
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        return super().formatMessage(record) + "".join(f" {key}={value}" for key, value in sorted(extra.items()))
