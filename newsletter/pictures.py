"""Pictures of ours: verified, upright, stripped, at most 1,200 px wide, JPEG or PNG, each stored once."""

from __future__ import annotations

import hashlib
import io
import warnings

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps

from newsletter.models import MediaFile

WIDEST = 1200
"""Twice the 600 px of a mail, for sharp screens."""
TALLEST = 2400
SMALLEST = 100
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
FLAT_COLOURS = 256
Image.MAX_IMAGE_PIXELS = 40_000_000


class NoPicture(Exception):
    """These bytes are no picture we can use; the message tells a person why."""


def store(body: bytes, *, alt: str = "", source_url: str = "", smallest: int = SMALLEST) -> MediaFile:
    """The MediaFile for these bytes, made if it is new. Raises NoPicture."""
    picture = _opened(body, smallest=smallest)
    data, suffix = _packed(picture)
    digest = hashlib.sha256(data).hexdigest()
    known = MediaFile.objects.filter(hash=digest).first()
    if known is not None:
        if not known.file.storage.exists(known.file.name or ""):
            known.file.storage.save(known.file.name or "", ContentFile(data))
        return known
    file = MediaFile(
        hash=digest, width=picture.width, height=picture.height, size=len(data), alt=alt[:300], source_url=source_url
    )
    file.file.save(f"{digest[:20]}.{suffix}", ContentFile(data), save=False)
    try:
        with transaction.atomic():
            file.save()
    except IntegrityError:  # somebody stored the same picture in the meantime
        return MediaFile.objects.get(hash=digest)
    return file


def _opened(body: bytes, *, smallest: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(body), formats=FORMATS).verify()
            picture = Image.open(io.BytesIO(body), formats=FORMATS)
            if min(picture.size) < smallest:
                raise NoPicture(_("This picture is too small to show."))
            picture.draft("RGB", (WIDEST, WIDEST))
            picture.load()
            return _prepared(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError):
        raise NoPicture(_("This picture has more pixels than we can take. Make it smaller first.")) from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise NoPicture(_("This is no picture we can read. Use JPEG, PNG, GIF or WebP.")) from error


def _prepared(picture: Image.Image) -> Image.Image:
    """Upright, in sRGB, small enough, and with nothing but pixels."""
    upright = ImageOps.exif_transpose(picture)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    upright = _in_srgb(upright).convert("RGBA" if has_alpha else "RGB")
    if has_alpha and upright.getchannel("A").getextrema()[0] == 255:
        upright = upright.convert("RGB")
    upright.thumbnail((WIDEST, TALLEST), Image.Resampling.LANCZOS)
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)
    return bare


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The colours another profile means, where there is one that can be read."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return picture
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _packed(picture: Image.Image) -> tuple[bytes, str]:
    """PNG for what is transparent, or drawn in few colours and not much larger that way; JPEG for the rest."""
    if picture.mode == "RGBA":
        return _saved(picture, "PNG", optimize=True), "png"
    photo = _saved(picture, "JPEG", quality=82, optimize=True, progressive=True)
    if picture.getcolors(FLAT_COLOURS) is not None:
        drawing = _saved(picture, "PNG", optimize=True)
        if len(drawing) < 1.5 * len(photo):
            return drawing, "png"
    return photo, "jpg"


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
