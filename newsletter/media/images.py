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

MAX_WIDTH = 1200
"""Twice the 600 px of a mail, for sharp screens."""
MAX_HEIGHT = 2400
MIN_SIDE = 100
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
MAX_PNG_COLOURS = 256
Image.MAX_IMAGE_PIXELS = 40_000_000


class InvalidPicture(Exception):
    """These bytes are no picture we can use; the message tells a person why."""


def store(body: bytes, *, alt: str = "", source_url: str = "", smallest: int = MIN_SIDE) -> MediaFile:
    """The MediaFile for these bytes, made if it is new. Raises NoPicture."""
    picture = _opened(body, smallest=smallest)
    data, suffix = _packed(picture)
    return _kept(data, suffix, size=picture.size, alt=alt, source_url=source_url)


def prepare(body: bytes, *, smallest: int = MIN_SIDE) -> tuple[bytes, str, tuple[int, int]]:
    """What `store` would keep of these bytes, without keeping it: data, jpg or png, and size. Raises NoPicture."""
    picture = _opened(body, smallest=smallest)
    return (*_packed(picture), picture.size)


def shrink(file: MediaFile, *, most_bytes: int) -> MediaFile:
    """The same picture in `most_bytes`, or as near as it gets at half its size: packed harder first, then smaller.

    The picture itself where that does not make it lighter.
    """
    with file.file.open("rb") as stored:
        picture = _opened(stored.read(), smallest=1)
    best, picture_size = _packed(picture), picture.size
    for share, quality in ((1, 70), (1, 60), (0.8, 70), (0.65, 70), (0.5, 70)):
        if len(best[0]) <= most_bytes:
            break
        smaller = picture.copy()
        smaller.thumbnail((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)
        tried = _packed(smaller, quality=quality)
        if len(tried[0]) < len(best[0]):
            best, picture_size = tried, smaller.size
    if len(best[0]) >= file.size:
        return file
    return _kept(*best, size=picture_size, alt=file.alt, source_url=file.source_url)


def _kept(data: bytes, suffix: str, *, size: tuple[int, int], alt: str, source_url: str) -> MediaFile:
    digest = hashlib.sha256(data).hexdigest()
    known = MediaFile.objects.filter(hash=digest).first()
    if known is not None:
        if not known.file.storage.exists(known.file.name or ""):
            known.file.storage.save(known.file.name or "", ContentFile(data))
        return known
    file = MediaFile(hash=digest, width=size[0], height=size[1], size=len(data), alt=alt[:300], source_url=source_url)
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
                raise InvalidPicture(_("This picture is too small to show."))
            picture.draft("RGB", (MAX_WIDTH, MAX_WIDTH))
            picture.load()
            return _prepared(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError):
        raise InvalidPicture(_("This picture has more pixels than we can take. Make it smaller first.")) from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, OverflowError, RuntimeError) as error:
        raise InvalidPicture(_("This is no picture we can read. Use JPEG, PNG, GIF or WebP.")) from error


def _prepared(picture: Image.Image) -> Image.Image:
    """Upright, in sRGB, small enough, and with nothing but pixels."""
    upright = ImageOps.exif_transpose(picture)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    upright = _in_srgb(upright).convert("RGBA" if has_alpha else "RGB")
    if has_alpha and upright.getchannel("A").getextrema()[0] == 255:
        upright = upright.convert("RGB")
    upright.thumbnail((MAX_WIDTH, MAX_HEIGHT), Image.Resampling.LANCZOS)
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


def _packed(picture: Image.Image, *, quality: int = 82) -> tuple[bytes, str]:
    """PNG for what is transparent, or drawn in few colours and not much larger that way; JPEG for the rest."""
    if picture.mode == "RGBA":
        return _saved(picture, "PNG", optimize=True), "png"
    photo = _saved(picture, "JPEG", quality=quality, optimize=True, progressive=True)
    if picture.getcolors(MAX_PNG_COLOURS) is not None:
        drawing = _saved(picture, "PNG", optimize=True)
        if len(drawing) < 1.5 * len(photo):
            return drawing, "png"
    return photo, "jpg"


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
