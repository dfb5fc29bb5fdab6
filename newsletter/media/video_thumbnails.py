"""Thumbnails of videos: a stored image with a play button drawn on it, because mail clients cannot overlay images."""

from __future__ import annotations

import io
import logging
from pathlib import PurePosixPath

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw

logger = logging.getLogger(__name__)

FOLDER = "stills"
PAPER, INK = (253, 252, 249), (22, 21, 18)
MARK_RATIO = 0.26
"""Width of the play button, as a share of the image's shorter side."""
SUPERSAMPLING = 4
"""The button is drawn larger and then reduced, for smooth edges."""


def create_thumbnail(path: str) -> str:
    """Path of the thumbnail below MEDIA_ROOT. It is created if it does not exist.

    Returns `path` if the image cannot be read: a video without play button is better than none.
    """
    if not path:
        return path
    marked = f"{FOLDER}/{PurePosixPath(path).with_suffix('.jpg')}"
    if default_storage.exists(marked):
        return marked
    try:
        with default_storage.open(path) as file:
            data = _draw_button(Image.open(file))
    except (OSError, ValueError, Image.DecompressionBombError):
        logger.warning("still picture cannot be made", extra={"path": path})
        return path
    return default_storage.save(marked, ContentFile(data))


def _draw_button(picture: Image.Image) -> bytes:
    """A light disc with a dark edge, visible on light and dark images."""
    still = picture.convert("RGB")
    size = max(24, round(min(still.size) * MARK_RATIO))
    mark = Image.new("RGBA", (size * SUPERSAMPLING, size * SUPERSAMPLING))
    pen, whole = ImageDraw.Draw(mark), size * SUPERSAMPLING
    pen.ellipse((0, 0, whole - 1, whole - 1), fill=(*INK, 90))
    rim = whole * 0.03
    pen.ellipse((rim, rim, whole - 1 - rim, whole - 1 - rim), fill=(*PAPER, 245))
    left, right, half = whole * 0.39, whole * 0.71, whole * 0.19
    pen.polygon(((left, whole / 2 - half), (left, whole / 2 + half), (right, whole / 2)), fill=INK)
    mark = mark.resize((size, size), Image.Resampling.LANCZOS)
    still.paste(mark, ((still.width - size) // 2, (still.height - size) // 2), mark)
    out = io.BytesIO()
    still.save(out, "JPEG", quality=84, optimize=True, progressive=True)
    return out.getvalue()
