"""Turns at the database: the threads of the live server and the test share one connection, in memory, and must not meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.handlers.base import BaseHandler

ONE_AT_A_TIME = threading.Lock()
"""Held while a request is answered; a test holds it for its own queries."""


@contextmanager
def taken() -> Iterator[None]:
    """Requests are answered one at a time; at the end every request that arrived is answered before the tables are emptied."""
    answer, asked = BaseHandler.get_response, []

    def in_turn(self, request):
        asked.append(request)
        with ONE_AT_A_TIME:
            try:
                return answer(self, request)
            finally:
                asked.remove(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseHandler, "get_response", in_turn)
        yield
        for _ in range(100):
            if not asked:
                break
            time.sleep(0.05)
