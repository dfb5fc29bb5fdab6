"""What the studio's frame shows on every page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from newsletter import roles


def studio(request: HttpRequest) -> dict[str, Any]:
    if not request.user.is_authenticated or not request.path.startswith("/studio/"):
        return {}
    newsletters = roles.newsletters(request.user, roles.Action.WRITE)
    return {"studio": {"brand": newsletters[0].brand if newsletters else "", "newsletters": newsletters}}
