"""Still pictures of videos: a stored picture with a play mark on it, made once beside it. Mail cannot lay one over another."""

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
"""The mark's width, of the picture's shorter side."""
SUPERSAMPLING = 4
"""Drawn larger, then reduced, for smooth edges."""


def create_thumbnail(path: str) -> str:
    """The path of the marked picture below the media root, made if it is missing.

    `path` itself where the picture cannot be read: a video without a mark is better than none.
    """
    if not path:
        return path
    marked = f"{FOLDER}/{PurePosixPath(path).with_suffix('.jpg')}"
    if default_storage.exists(marked):
        return marked
    try:
        with default_storage.open(path) as file:
            data = _marked(Image.open(file))
    except (OSError, ValueError, Image.DecompressionBombError):
        logger.warning("still picture cannot be made", extra={"path": path})
        return path
    return default_storage.save(marked, ContentFile(data))


def _marked(picture: Image.Image) -> bytes:
    """A pale disc with an edge of ink, so that it is seen on light and dark pictures alike."""
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
