"""Context of every studio page: newsletters, role and menu entries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from newsletter import roles
from newsletter.models import Role


def studio(request: HttpRequest) -> dict[str, Any]:
    """The editor's newsletters and permissions. Empty outside the studio and before login."""
    if not request.path.startswith("/studio/") or not request.user.is_authenticated:
        return {}
    newsletters = roles.allowed_newsletters(request.user, roles.Action.WRITE)
    role = roles.get_role(request.user, newsletters[0]) if newsletters else None
    return {
        "studio": {
            "only_to": ", ".join(settings.MAIL_ONLY_TO),
            "brand": newsletters[0].brand if newsletters else "",
            "newsletters": newsletters,
            "role": Role(role).label if role else "",
            "sees_people": roles.is_allowed_anywhere(request.user, roles.Action.SEE_PEOPLE),
            "administers": roles.is_allowed_anywhere(request.user, roles.Action.ADMINISTER),
        }
    }
