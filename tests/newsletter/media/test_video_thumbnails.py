"""Thumbnails of videos have a play button and are created once."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from newsletter.media import video_thumbnails
from tests.newsletter import gallery

pytestmark = pytest.mark.django_db


def test_the_mark_is_in_the_middle_and_can_be_seen_on_light_and_dark():
    picture = gallery.make_picture(width=800, height=400)

    path = video_thumbnails.create_thumbnail(picture.path)

    with Image.open(default_storage.path(path)) as still:
        assert still.size == (800, 400)
        triangle, disc, corner = (still.getpixel(place) for place in ((405, 200), (368, 200), (5, 5)))
    assert sum(triangle) < 120
    assert sum(disc) > 690
    assert corner == pytest.approx((0xCF, 0xDE, 0xDA), abs=3)


def test_the_marked_picture_is_made_once():
    picture = gallery.make_picture(width=640, height=320)

    first, again = video_thumbnails.create_thumbnail(picture.path), video_thumbnails.create_thumbnail(picture.path)

    assert first == again == f"stills/{picture.path.removesuffix('.png')}.jpg"


@pytest.mark.parametrize("path", ["images/there-is-none.png", ""])
def test_a_picture_that_cannot_be_read_stays_as_it_is(path):
    assert video_thumbnails.create_thumbnail(path) == path
