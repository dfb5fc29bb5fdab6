"""The library of a newsletter: its images, and blocks that are saved under a name.

An image is stored once for all newsletters (`images`). `MediaFile.newsletters` lists the libraries that show it.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from newsletter import content
from newsletter.media import images
from newsletter.models import Editor, MediaFile, Newsletter, SavedBlock

logger = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
MAX_UPLOAD_BYTES = 10 * MEGABYTE
HEAVY_BYTES = 300_000
"""Half of the recommended limit for all images of a mail."""
SHOWN_WIDTH = 536
"""Width of an image in a mail, in CSS pixels."""
MAX_TALL_RATIO, MAX_FLAT_RATIO = 1.5, 5
"""Height to width, and width to height, from which an image is unsuitable for phones."""
_DRAWING = re.compile(rb"<(svg|!doctype svg)[\s>/]", re.IGNORECASE)


# --- images ----------------------------------------------------------------------------------------------------------


def add_picture(newsletter: Newsletter, body: bytes, *, alt: str = "") -> MediaFile:
    """Store an uploaded image and add it to the newsletter's library. Raises images.InvalidPicture."""
    if not body:
        raise images.InvalidPicture(_("This file is empty. Choose another one."))
    if len(body) > MAX_UPLOAD_BYTES:
        raise too_large_error(len(body))
    if _DRAWING.search(body[:1000]):
        raise images.InvalidPicture(_("This is an SVG drawing, which mail programs do not show. Save it as PNG first."))
    file = images.store(body, alt=alt)
    file.newsletters.add(newsletter)
    logger.info("picture added", extra={"newsletter": newsletter.pk, "media": file.pk})
    return file


def too_large_error(size: int) -> images.InvalidPicture:
    message = _("This file has %(have)s MB; the limit is %(most)s MB. Make the picture smaller first.")
    return images.InvalidPicture(message % {"have": -(-size // MEGABYTE), "most": MAX_UPLOAD_BYTES // MEGABYTE})


def search(newsletter: Newsletter, words: str = "") -> QuerySet[MediaFile]:
    """Images of the newsletter whose description contains all of `words`, the newest first."""
    pictures = newsletter.media.order_by("-created_at", "-pk")
    for word in words.split()[:8]:
        pictures = pictures.filter(alt__icontains=word)
    return pictures


def find_picture(newsletter: Newsletter, key: str) -> MediaFile | None:
    """An image of the newsletter's library by the id from a form, or None."""
    return newsletter.media.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None


def set_alt_text(file: MediaFile, alt: str) -> None:
    """Store `alt` as the description that the next issue with this image starts with."""
    MediaFile.objects.filter(pk=file.pk).update(alt=alt.strip()[:300])


def remember_alt_texts(document: content.Document, language: str) -> None:
    """Store descriptions from an issue for images that have none in the library."""
    written = {}
    for block in document.blocks:
        words = block.words.get(language)
        shown = getattr(block, "picture", None)
        if shown is not None and (alt := getattr(words, "image_alt", "")):
            written[shown.media] = alt
    for file in MediaFile.objects.filter(pk__in=written, alt="") if written else ():
        set_alt_text(file, written[file.pk])


def picture_warnings(document: content.Document) -> dict[int, tuple[str, ...]]:
    """Warnings for editors, by media id. One query for any number of images."""
    held = (getattr(block, "picture", None) for block in document.blocks)
    shown: list[content.Picture] = [picture for picture in held if picture is not None]
    files = MediaFile.objects.filter(pk__in={picture.media for picture in shown})
    sizes = dict(files.values_list("pk", "size")) if shown else {}
    return {
        picture.media: warnings
        for picture in shown
        if (warnings := tuple(_warnings(picture, sizes.get(picture.media, 0))))
    }


def _warnings(shown: content.Picture, size: int) -> list[str]:
    warnings = []
    if shown.width < SHOWN_WIDTH:
        warnings.append(
            _("Only %(width)s pixels wide: it will look blurred. %(wanted)s pixels are good.")
            % {"width": shown.width, "wanted": 2 * SHOWN_WIDTH}
        )
    if shown.height > MAX_TALL_RATIO * shown.width:
        warnings.append(_("Much taller than wide: on a phone it fills more than the screen. Cut it shorter."))
    elif shown.width > MAX_FLAT_RATIO * shown.height:
        warnings.append(_("A very flat strip: what it shows will be tiny on a phone."))
    if size > HEAVY_BYTES:
        warnings.append(
            _("Heavy: %(size)s kB, where all pictures of a mail should stay below 600 kB.") % {"size": size // 1000}
        )
    return warnings


# --- saved blocks ----------------------------------------------------------------------------------------------------


def saved_blocks(newsletter: Newsletter) -> QuerySet[SavedBlock]:
    return newsletter.saved_blocks.filter(deleted_at__isnull=True)


def save_block(
    newsletter: Newsletter, block: content.Block, *, name: str, editor: Editor | None, now: datetime
) -> SavedBlock:
    """Store a copy of `block` under `name`. Later changes of the block and of the copy are independent."""
    saved = SavedBlock.objects.create(
        newsletter=newsletter,
        name=name[:80],
        content=block.model_dump(mode="json"),
        created_by=editor,
        created_at=now,
    )
    logger.info("block kept", extra={"newsletter": newsletter.pk, "saved_block": saved.pk})
    return saved


def copy_saved_block(saved: SavedBlock) -> content.Block:
    """A new block with the content of the saved one."""
    return content.parse({"blocks": [{**saved.content, "id": content.new_block_id()}]}).blocks[0]


def rename_block(saved: SavedBlock, name: str) -> None:
    SavedBlock.objects.filter(pk=saved.pk).update(name=name[:80])


def delete_block(saved: SavedBlock, *, now: datetime) -> None:
    """Mark a saved block as deleted; `undelete_block` reverts it. Issues keep their copies."""
    SavedBlock.objects.filter(pk=saved.pk).update(deleted_at=now)


def undelete_block(saved: SavedBlock) -> None:
    SavedBlock.objects.filter(pk=saved.pk).update(deleted_at=None)
