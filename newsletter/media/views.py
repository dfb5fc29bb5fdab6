"""`/media/<path>`: stored images, for mails and pages. Public. Serves only files below MEDIA_ROOT."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.http import require_safe

SERVED_TYPES = frozenset({"image/jpeg", "image/png"})
ONE_YEAR_S = 365 * 24 * 3600


@login_not_required
@require_safe
def serve_picture(request: HttpRequest, path: str) -> FileResponse:
    """A stored image. File names contain a digest of the content, so browsers may cache them for ever."""
    root = Path(settings.MEDIA_ROOT).resolve()
    kind = mimetypes.guess_type(path)[0] or ""
    try:
        file = (root / path).resolve()
        if kind not in SERVED_TYPES or not file.is_relative_to(root) or not file.is_file():
            raise Http404
        response = FileResponse(file.open("rb"), content_type=kind)
    except (OSError, ValueError):
        raise Http404 from None
    response.headers["Cache-Control"] = f"public, max-age={ONE_YEAR_S}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
