"""Images as they are stored: verified, rotated by EXIF, without metadata, at most 1,200 px wide, JPEG or PNG, each
once.
"""

from __future__ import annotations

import hashlib
import io
import warnings

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps

from newsletter.models import MediaFile

MAX_WIDTH = 1200
"""Twice the 600 px width of a mail, for high-density screens."""
MAX_HEIGHT = 2400
MIN_SIDE = 100
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
MAX_PNG_COLOURS = 256
Image.MAX_IMAGE_PIXELS = 40_000_000


class InvalidPicture(Exception):
    """The bytes are not a usable image. The message is shown to the editor."""


def store(body: bytes, *, alt: str = "", source_url: str = "", smallest: int = MIN_SIDE) -> MediaFile:
    """The MediaFile of these bytes, created if it is new. Raises InvalidPicture."""
    picture = _open(body, smallest=smallest)
    data, suffix = _encode(picture)
    return _store_data(data, suffix, size=picture.size, alt=alt, source_url=source_url)


def prepare(body: bytes, *, smallest: int = MIN_SIDE) -> tuple[bytes, str, tuple[int, int]]:
    """What `store` would store, without storing it: data, "jpg" or "png", and size in pixels. Raises InvalidPicture."""
    picture = _open(body, smallest=smallest)
    return (*_encode(picture), picture.size)


def shrink(file: MediaFile, *, most_bytes: int) -> MediaFile:
    """The image in at most `most_bytes`: first by lower quality, then by fewer pixels, down to half its width.

    Returns `file` itself if that does not make it smaller.
    """
    with file.file.open("rb") as stored:
        picture = _open(stored.read(), smallest=1)
    best, picture_size = _encode(picture), picture.size
    for share, quality in ((1, 70), (1, 60), (0.8, 70), (0.65, 70), (0.5, 70)):
        if len(best[0]) <= most_bytes:
            break
        smaller = picture.copy()
        smaller.thumbnail((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)
        tried = _encode(smaller, quality=quality)
        if len(tried[0]) < len(best[0]):
            best, picture_size = tried, smaller.size
    if len(best[0]) >= file.size:
        return file
    return _store_data(*best, size=picture_size, alt=file.alt, source_url=file.source_url)


def _store_data(data: bytes, suffix: str, *, size: tuple[int, int], alt: str, source_url: str) -> MediaFile:
    digest = hashlib.sha256(data).hexdigest()
    stored = MediaFile.objects.filter(hash=digest).first()
    if stored is not None:
        if not stored.file.storage.exists(stored.file.name or ""):
            stored.file.storage.save(stored.file.name or "", ContentFile(data))
        return stored
    file = MediaFile(hash=digest, width=size[0], height=size[1], size=len(data), alt=alt[:300], source_url=source_url)
    file.file.save(f"{digest[:20]}.{suffix}", ContentFile(data), save=False)
    try:
        with transaction.atomic():
            file.save()
    except IntegrityError:  # another request stored the same image in the meantime (UNIQUE hash)
        return MediaFile.objects.get(hash=digest)
    return file


def _open(body: bytes, *, smallest: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(body), formats=FORMATS).verify()
            picture = Image.open(io.BytesIO(body), formats=FORMATS)
            if min(picture.size) < smallest:
                raise InvalidPicture(_("This picture is too small to show."))
            picture.draft("RGB", (MAX_WIDTH, MAX_WIDTH))
            picture.load()
            return _normalize(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError):
        raise InvalidPicture(_("This picture has too many pixels. Make it smaller first.")) from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, OverflowError, RuntimeError) as error:
        raise InvalidPicture(_("This file cannot be read as a picture. Use JPEG, PNG, GIF or WebP.")) from error


def _normalize(picture: Image.Image) -> Image.Image:
    """Rotated by EXIF, in sRGB, within the size limits, without metadata."""
    upright = ImageOps.exif_transpose(picture)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    upright = _to_srgb(upright).convert("RGBA" if has_alpha else "RGB")
    if has_alpha and upright.getchannel("A").getextrema()[0] == 255:
        upright = upright.convert("RGB")
    upright.thumbnail((MAX_WIDTH, MAX_HEIGHT), Image.Resampling.LANCZOS)
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)
    return bare


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert from the embedded colour profile to sRGB, if the profile is readable."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return picture
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _encode(picture: Image.Image, *, quality: int = 82) -> tuple[bytes, str]:
    """PNG for images with transparency, and for images with few colours unless JPEG is much smaller; else JPEG."""
    if picture.mode == "RGBA":
        return _save_as(picture, "PNG", optimize=True), "png"
    photo = _save_as(picture, "JPEG", quality=quality, optimize=True, progressive=True)
    if picture.getcolors(MAX_PNG_COLOURS) is not None:
        drawing = _save_as(picture, "PNG", optimize=True)
        if len(drawing) < 1.5 * len(photo):
            return drawing, "png"
    return photo, "jpg"


def _save_as(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
