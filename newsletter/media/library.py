"""What a newsletter keeps for other issues: its pictures, and blocks saved under a name.

A picture is stored once for everybody (`pictures`); whose library shows it is said in `MediaFile.newsletters`.
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
"""Half of what all pictures of a mail may weigh."""
SHOWN_WIDTH = 536
"""CSS pixels that a picture takes in a mail."""
MAX_TALL_RATIO, MAX_FLAT_RATIO = 1.5, 5
"""Height to width, and width to height, that no longer suit a phone."""
_DRAWING = re.compile(rb"<(svg|!doctype svg)[\s>/]", re.IGNORECASE)


# --- pictures --------------------------------------------------------------------------------------------------------


def add_picture(newsletter: Newsletter, body: bytes, *, alt: str = "") -> MediaFile:
    """Store what an editor uploaded, and show it in the newsletter's library. Raises pictures.NoPicture."""
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
    words = _("This file has %(have)s MB, and %(most)s MB fit. Make the picture smaller first.")
    return images.InvalidPicture(words % {"have": -(-size // MEGABYTE), "most": MAX_UPLOAD_BYTES // MEGABYTE})


def search(newsletter: Newsletter, words: str = "") -> QuerySet[MediaFile]:
    """The newsletter's pictures whose description has all of `words`, newest first."""
    found = newsletter.media.order_by("-created_at", "-pk")
    for word in words.split()[:8]:
        found = found.filter(alt__icontains=word)
    return found


def find_picture(newsletter: Newsletter, key: str) -> MediaFile | None:
    """A picture of the newsletter's own library, by the id a form names."""
    return newsletter.media.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None


def set_alt_text(file: MediaFile, alt: str) -> None:
    """Keep `alt` as what the picture shows, for the next issue that takes it."""
    MediaFile.objects.filter(pk=file.pk).update(alt=alt.strip()[:300])


def remember_alt_texts(document: content.Document, language: str) -> None:
    """Keep the descriptions an editor wrote in an issue for pictures that have none in the library."""
    written = {}
    for block in document.blocks:
        words = block.words.get(language)
        shown = getattr(block, "picture", None)
        if shown is not None and (alt := getattr(words, "image_alt", "")):
            written[shown.media] = alt
    for file in MediaFile.objects.filter(pk__in=written, alt="") if written else ():
        set_alt_text(file, written[file.pk])


def picture_warnings(document: content.Document) -> dict[int, tuple[str, ...]]:
    """By picture, what readers would not like about it. One query, however many there are."""
    held = (getattr(block, "picture", None) for block in document.blocks)
    shown: list[content.Picture] = [one for one in held if one is not None]
    files = MediaFile.objects.filter(pk__in={one.media for one in shown})
    sizes = dict(files.values_list("pk", "size")) if shown else {}
    return {one.media: found for one in shown if (found := tuple(_warnings(one, sizes.get(one.media, 0))))}


def _warnings(shown: content.Picture, size: int) -> list[str]:
    found = []
    if shown.width < SHOWN_WIDTH:
        found.append(
            _("Only %(width)s pixels wide: it will look blurred. %(wanted)s pixels are good.")
            % {"width": shown.width, "wanted": 2 * SHOWN_WIDTH}
        )
    if shown.height > MAX_TALL_RATIO * shown.width:
        found.append(_("Much taller than wide: on a phone it fills more than the screen. Cut it shorter."))
    elif shown.width > MAX_FLAT_RATIO * shown.height:
        found.append(_("A very flat strip: what it shows will be tiny on a phone."))
    if size > HEAVY_BYTES:
        found.append(
            _("Heavy: %(size)s kB, where all pictures of a mail should stay below 600 kB.") % {"size": size // 1000}
        )
    return found


# --- saved blocks ----------------------------------------------------------------------------------------------------


def saved_blocks(newsletter: Newsletter) -> QuerySet[SavedBlock]:
    return newsletter.saved_blocks.filter(deleted_at__isnull=True)


def save_block(
    newsletter: Newsletter, block: content.Block, *, name: str, editor: Editor | None, now: datetime
) -> SavedBlock:
    """Keep a copy of `block` under `name`; later changes to either do not touch the other."""
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
    """A new block like the one that was kept."""
    return content.parse({"blocks": [{**saved.content, "id": content.new_block_id()}]}).blocks[0]


def rename_block(saved: SavedBlock, name: str) -> None:
    SavedBlock.objects.filter(pk=saved.pk).update(name=name[:80])


def delete_block(saved: SavedBlock, *, now: datetime) -> None:
    """Put a saved block away; `bring_back_block` undoes it. Issues that hold a copy keep it."""
    SavedBlock.objects.filter(pk=saved.pk).update(deleted_at=now)


def undelete_block(saved: SavedBlock) -> None:
    SavedBlock.objects.filter(pk=saved.pk).update(deleted_at=None)
