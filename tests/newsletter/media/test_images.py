"""Uploaded and fetched images, and how they are stored (T-31)."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from newsletter.fetching import http_client
from newsletter.media import images
from newsletter.models import MediaFile

pytestmark = pytest.mark.django_db


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opened(file: MediaFile) -> Image.Image:
    with file.file.open() as handle:
        picture = Image.open(io.BytesIO(handle.read()))
        picture.load()
        return picture


def photo(size=(1600, 1200)) -> Image.Image:
    across = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (across, across.rotate(90).resize(size), Image.radial_gradient("L").resize(size)))


def test_a_large_photo_becomes_a_jpeg_of_1200_pixels_without_metadata():
    exif = Image.Exif()
    exif[0x010F] = "Kamera Siti"
    file = images.store(
        encoded(photo(), "JPEG", exif=exif, comment=b"rahasia"), alt="Loket", source_url="https://k.example/a.jpg"
    )

    stored = opened(file)
    assert (stored.format, stored.size, file.width, file.height) == ("JPEG", (1200, 900), 1200, 900)
    assert not stored.getexif()
    assert "comment" not in stored.info
    assert (file.alt, file.source_url) == ("Loket", "https://k.example/a.jpg")
    assert file.size == file.file.size


def test_a_picture_lying_on_its_side_is_set_upright():
    exif = Image.Exif()
    exif[0x0112] = 6

    file = images.store(encoded(photo((400, 200)), "JPEG", exif=exif))

    assert (file.width, file.height) == (200, 400)


def test_what_is_transparent_or_drawn_stays_png():
    glass = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    glass.paste((14, 90, 85, 255), (50, 50, 200, 150))

    assert images.store(encoded(glass, "PNG")).file.name.endswith(".png")
    assert images.store(encoded(Image.new("P", (300, 200), 3), "GIF")).file.name.endswith(".png")


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PNG", "BMP", "TIFF"])
def test_other_kinds_become_jpeg_or_png(kind):
    file = images.store(encoded(photo((300, 200)), kind))

    assert opened(file).format in {"JPEG", "PNG"}


def test_the_same_picture_is_stored_once():
    body = encoded(photo(), "PNG")

    assert images.store(body) == images.store(body)
    assert MediaFile.objects.count() == 1


def test_a_picture_whose_file_was_lost_is_written_again():
    file = images.store(encoded(photo(), "PNG"))
    file.file.storage.delete(file.file.name)

    again = images.store(encoded(photo(), "PNG"))

    assert again == file
    assert again.file.storage.exists(again.file.name)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1024))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (png_header(30_000, 30_000), "too many pixels"),
        (png_header(7_000, 7_000), "too many pixels"),
        (png_header(800, 600), "cannot be read as a picture"),
        (b"", "cannot be read as a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "cannot be read as a picture"),
        (b"%PDF-1.7", "cannot be read as a picture"),
        (b"GIF89a" + b"\xff" * 20, "cannot be read as a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read as a picture"),
    ],
)
def test_t31_bombs_and_what_is_no_picture_are_told_in_words(body, words):
    with pytest.raises(images.InvalidPicture, match=words):
        images.store(body)

    assert not MediaFile.objects.exists()


def test_a_picture_that_breaks_off_is_refused():
    with pytest.raises(images.InvalidPicture):
        images.store(encoded(photo(), "JPEG")[:2000])


def test_a_tracking_pixel_is_no_picture():
    with pytest.raises(images.InvalidPicture, match="too small"):
        images.store(encoded(Image.new("RGB", (1, 1)), "PNG"))


@pytest.mark.parametrize("declared", ["text/html", "image/svg+xml", "application/octet-stream", ""])
def test_t31_what_a_picture_is_called_does_not_matter(web, declared):
    url = web.put("/media/foto", encoded(photo(), "PNG"), kind=declared)

    assert opened(images.store(http_client.fetch(url, limits=http_client.IMAGE_LIMITS).body)).size == (1200, 900)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><script>alert(1)</script></html>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"\x1f\x8b\x08\x00" + bytes(99),
        b"GIF89a<script>alert(1)</script>",
        b"BM" + bytes(60),
    ],
)
def test_t31_what_calls_itself_a_picture_and_is_none_is_refused(web, body):
    url = web.put("/media/foto.png", body, kind="image/png")

    with pytest.raises(images.InvalidPicture):
        images.store(http_client.fetch(url, limits=http_client.IMAGE_LIMITS).body)

    assert not MediaFile.objects.exists()


def test_t31_where_a_photo_was_taken_and_by_whom_stays_out_of_every_kind():
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "Kamera Siti", "Siti Rahayu"
    exif.get_ifd(0x8825).update({1: "S", 2: (6.0, 54.0, 0.0), 3: "E", 4: (107.0, 36.0, 0.0)})

    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        file = images.store(encoded(photo((400, 300)), kind, exif=exif))
        with file.file.open() as handle:
            kept = handle.read()

        assert b"Siti" not in kept
        assert b"Exif" not in kept


def test_t31_a_film_of_many_pictures_is_kept_as_its_first():
    frames = [Image.new("RGB", (300, 200), (shade, 0, 0)) for shade in range(0, 250, 5)]
    film = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    stored = opened(images.store(film))

    assert getattr(stored, "n_frames", 1) == 1
    assert stored.size == (300, 200)


def test_an_avif_whose_pixels_are_damaged_is_no_picture():
    out = io.BytesIO()
    Image.new("RGB", (120, 110), "teal").save(out, "AVIF")
    head, mark, pixels = out.getvalue().partition(b"mdat")

    with pytest.raises(images.InvalidPicture):
        images.store(head + mark + bytes(len(pixels)))
