"""An issue with every kind of block, with texts as in a real newsroom. Tests render it and compare pictures."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw, ImageFont

from newsletter import content
from newsletter.models import MediaFile
from tests.newsletter import gallery_translations

LANGUAGES = ("id", "en", "ar", "zh")
SITE = "https://kabarlintas.example"


def document(
    *,
    picture: content.Picture | None = None,
    chart: content.Picture | None = None,
    still: content.Picture | None = None,
    languages: tuple[str, ...] = ("id", "en"),
) -> content.Document:
    """Every kind of block. `picture` is used where no chart or thumbnail is given."""
    return content.Document(
        envelopes={
            "id": content.Envelope(
                subject="Autogate baru, izin tinggal daring, dan kuota akhir pekan",
                preheader="Siapa yang berhak, cara memakainya, dan dua jawaban tentang paspor anak",
            ),
            "en": content.Envelope(
                subject="New autogates, online permits, and Saturday service",
                preheader="Who may use them, how they work, and two answers about children's passports",
            ),
            **gallery_translations.ENVELOPES,
        },
        blocks=[_only(block, languages) for block in _blocks(picture, chart or picture, still or picture)],
    )


def _only(block: content.BlockBase, languages: tuple[str, ...]) -> Any:
    words = {**getattr(block, "words"), **gallery_translations.WORDS.get(block.id, {})}  # noqa: B009 (each kind declares its own)
    return block.model_copy(
        update={"words": {language: words[language] for language in languages if language in words}}
    )


def _story(headline: str, summary: str, path: str, **more: str) -> content.StoryWords:
    return content.StoryWords(headline=headline, summary=f"<p>{summary}</p>", url=f"{SITE}{path}", **more)


def _blocks(
    picture: content.Picture | None, chart: content.Picture | None, still: content.Picture | None
) -> list[content.BlockBase]:
    return [
        content.Lead(
            id="blead",
            picture=picture,
            words={
                "id": _story(
                    "Imigrasi buka 12 jalur autogate baru di Soekarno-Hatta",
                    "Mulai Senin, pemegang paspor elektronik dapat melintas dalam <strong>kurang dari 30 detik</strong>. "
                    "Berikut cara memakainya dan siapa saja yang berhak.",
                    "/autogate",
                    link_text="Baca cara memakai autogate",
                    image_alt="Orang berjalan lewat gerbang autogate di terminal kedatangan",
                ),
                "en": _story(
                    "Immigration opens 12 new autogate lanes at Soekarno-Hatta",
                    "From Monday, holders of an electronic passport pass in <strong>less than 30 seconds</strong>. "
                    "Here is how it works and who may use it.",
                    "/en/autogate",
                    link_text="Read how to use the autogate",
                    image_alt="People walk through autogates in the arrivals hall",
                ),
            },
        ),
        content.Callout(
            id="bscam",
            tone="scam",
            words={
                "id": content.TextWords(
                    heading="“Petugas” di WhatsApp menawarkan percepatan paspor",
                    body="<p>Imigrasi tidak menawarkan jasa lewat pesan pribadi. Jangan kirim foto paspor atau uang. "
                    f'<a href="{SITE}/lapor">Laporkan nomor penipu ke redaksi</a>.</p>',
                ),
                "en": content.TextWords(
                    heading="“Officers” on WhatsApp offer faster passports",
                    body="<p>Immigration offers nothing by private message. Send neither passport photos nor money. "
                    f'<a href="{SITE}/en/report">Report a scammer\'s number to the newsroom</a>.</p>',
                ),
            },
        ),
        content.Story(
            id="bpermit",
            words={
                "id": _story(
                    "Perpanjangan izin tinggal kini bisa penuh daring",
                    "Pemohon tidak lagi wajib datang ke kantor untuk foto biometrik bila data masih berlaku.",
                    "/izin",
                    update="22 November, berlaku juga bagi pemegang ITAP.",
                ),
                "en": _story(
                    "Stay permits can now be extended entirely online",
                    "Applicants need not come for a biometric photo any more while their data is valid.",
                    "/en/permit",
                    update="22 November, also for holders of an ITAP.",
                ),
            },
        ),
        content.Story(
            id="bvisa",
            picture=picture,
            words={
                "id": _story(
                    "Visa pelajar: yang berubah mulai Januari",
                    "Kampus menjamin mahasiswanya secara daring; surat sponsor di atas kertas tidak berlaku lagi.",
                    "/visa-pelajar",
                    link_text="Lihat daftar kampus penjamin",
                    image_alt="Mahasiswa menunggu di loket kampus",
                ),
                "en": _story(
                    "Student visa: what changes in January",
                    "Universities will vouch for their students online; the sponsor letter on paper goes away.",
                    "/en/student-visa",
                    link_text="See which universities vouch",
                    image_alt="Students wait at a university counter",
                ),
            },
        ),
        content.Brief(
            id="btarif",
            words={
                "id": _story(
                    "Tarif visa saat kedatangan tidak berubah tahun depan",
                    "Tetap Rp500.000 per orang, dibayar di konter atau daring.",
                    "/tarif",
                ),
                "en": _story(
                    "Visa on arrival costs the same next year",
                    "Still Rp500,000 a person, paid at the counter or online.",
                    "/en/fee",
                ),
            },
        ),
        content.Brief(
            id="bsabtu",
            words={
                "id": _story(
                    "Kantor Denpasar melayani 220 pemohon tiap Sabtu",
                    "Hingga akhir Desember, pukul 08.00 sampai 12.00 WITA.",
                    "/denpasar",
                ),
                "en": _story(
                    "Denpasar office serves 220 applicants each Saturday",
                    "Until the end of December, from 08:00 to 12:00 WITA.",
                    "/en/denpasar",
                ),
            },
        ),
        content.Text(
            id="bneed",
            words={
                "id": content.TextWords(
                    heading="Yang perlu dibawa ke autogate",
                    body="<ul><li>Paspor elektronik yang berlaku lebih dari enam bulan</li>"
                    "<li>Deklarasi kedatangan yang sudah diisi</li>"
                    "<li>Bagi anak di bawah enam tahun: jalur konter bersama orang tua</li></ul>",
                ),
                "en": content.TextWords(
                    heading="What to bring to the autogate",
                    body="<ul><li>An electronic passport valid for more than six months</li>"
                    "<li>The arrival declaration, filled in</li>"
                    "<li>For children under six: the counter lane, with a parent</li></ul>",
                ),
            },
        ),
        content.Callout(
            id="binfo",
            words={
                "id": content.TextWords(body="<p>Kantor imigrasi tutup pada 24 dan 25 Desember.</p>"),
                "en": content.TextWords(body="<p>Immigration offices are closed on 24 and 25 December.</p>"),
            },
        ),
        content.Callout(
            id="bwarning",
            tone="warning",
            words={
                "id": content.TextWords(
                    body="<p>Izin tinggal yang habis sebelum 31 Desember sebaiknya diperpanjang sebelum tanggal 15. "
                    f'<a href="{SITE}/jadwal">Lihat jadwal tiap kantor</a>.</p>'
                ),
                "en": content.TextWords(
                    body="<p>Permits that end before 31 December are best extended before the 15th. "
                    f'<a href="{SITE}/en/hours">See the hours of each office</a>.</p>'
                ),
            },
        ),
        content.Image(
            id="bqueue",
            picture=chart,
            words={
                "id": content.ImageWords(
                    image_alt="Diagram batang: hari kerja dari antre sampai paspor di tangan di lima kantor",
                    caption="Sumber: papan layanan kantor imigrasi, diolah redaksi",
                    facts="<p><strong>Hari kerja, rata-rata Oktober:</strong> Denpasar 8,0; Jakarta Selatan 6,1; Surabaya 4,8; "
                    "Medan 4,4; Makassar 3,6.</p>",
                ),
                "en": content.ImageWords(
                    image_alt="Bar chart: working days from queue to passport at five offices",
                    caption="Source: service boards of the offices, worked out by the newsroom",
                    facts="<p><strong>Working days, average of October:</strong> Denpasar 8.0; South Jakarta 6.1; Surabaya 4.8; "
                    "Medan 4.4; Makassar 3.6.</p>",
                    url=f"{SITE}/en/queues",
                ),
            },
        ),
        content.Video(
            id="bvideo",
            picture=still,
            words={
                "id": content.VideoWords(
                    headline="Membaca cap masuk di paspor Anda",
                    summary="<p>Lima tanda di cap masuk, dan yang perlu Anda foto sebelum meninggalkan konter.</p>",
                    url=f"{SITE}/video/cap-masuk",
                    duration="2.40",
                    transcript_url=f"{SITE}/video/cap-masuk/transkrip",
                    image_alt="Paspor terbuka di samping tombol putar",
                ),
                "en": content.VideoWords(
                    headline="How to read the entry stamp in your passport",
                    summary="<p>Five marks in the stamp, and what to photograph before you leave the counter.</p>",
                    url=f"{SITE}/en/video/entry-stamp",
                    duration="2:40",
                    transcript_url=f"{SITE}/en/video/entry-stamp/transcript",
                    image_alt="An open passport beside a play button",
                ),
            },
        ),
        content.Faq(
            id="bfaq",
            words={
                "id": content.FaqWords(
                    heading="Tanya jawab: paspor anak berkewarganegaraan ganda",
                    questions=[
                        content.FaqEntry(
                            question="Sampai usia berapa boleh memegang dua paspor?",
                            answer="<p>Sampai 18 tahun, dengan waktu memilih sampai 21 tahun.</p>",
                        ),
                        content.FaqEntry(
                            question="Apakah kedua orang tua harus hadir?",
                            answer="<p>Tidak. Satu orang tua cukup, dengan surat persetujuan bermeterai dari yang lain. "
                            f'<a href="{SITE}/surat">Unduh contoh surat persetujuan</a>.</p>',
                        ),
                    ],
                ),
                "en": content.FaqWords(
                    heading="Questions and answers: passports of children with two nationalities",
                    questions=[
                        content.FaqEntry(
                            question="Until which age may one hold two passports?",
                            answer="<p>Until 18, with time to choose until 21.</p>",
                        ),
                        content.FaqEntry(
                            question="Must both parents come?",
                            answer="<p>No. One parent is enough, with a stamped letter of consent from the other. "
                            f'<a href="{SITE}/en/letter">Get a model letter of consent</a>.</p>',
                        ),
                    ],
                ),
            },
        ),
        content.Figures(
            id="bfigures",
            words={
                "id": content.FiguresWords(
                    heading="Layanan paspor bulan Oktober",
                    figures=[
                        content.Figure(value="12.400", label="permohonan paspor per hari di seluruh Indonesia"),
                        content.Figure(value="98 %", label="selesai dalam empat hari kerja"),
                        content.Figure(value="31 menit", label="rata-rata antre di loket"),
                    ],
                    source="Sumber: papan layanan kantor imigrasi, diolah redaksi",
                ),
                "en": content.FiguresWords(
                    heading="Passport services in October",
                    figures=[
                        content.Figure(value="12,400", label="passport applications a day in all of Indonesia"),
                        content.Figure(value="98%", label="finished within four working days"),
                        content.Figure(value="31 min", label="average wait at the counter"),
                    ],
                    source="Source: service boards of the offices, worked out by the newsroom",
                ),
            },
        ),
        content.CalendarEvent(
            id="bevent",
            starts_at="2026-11-28T08:00",
            ends_at="2026-11-28T12:00",
            words={
                "id": content.CalendarEventWords(
                    headline="Paspor simpatik di kantor imigrasi Denpasar",
                    summary="<p>Gratis, bawa KTP dan kartu keluarga.</p>",
                    place="Jalan D.I. Panjaitan 3, Denpasar",
                    url=f"{SITE}/paspor-simpatik",
                ),
                "en": content.CalendarEventWords(
                    headline="Passport day at the Denpasar immigration office",
                    summary="<p>Free of charge; bring your identity card and family card.</p>",
                    place="Jalan D.I. Panjaitan 3, Denpasar",
                    url=f"{SITE}/en/passport-day",
                ),
            },
        ),
        content.Quote(
            id="bquote",
            words={
                "id": content.QuoteWords(
                    quote="Kalau ada yang menagih di luar kode billing, itu bukan petugas kami.",
                    source="Ni Made Ayu Sari, kepala layanan paspor, Denpasar",
                ),
                "en": content.QuoteWords(
                    quote="Whoever asks for money without a billing code is not one of ours.",
                    source="Ni Made Ayu Sari, head of passport services, Denpasar",
                ),
            },
        ),
        content.Divider(id="bline"),
        content.Button(
            id="bbutton",
            words={
                "id": content.ButtonWords(label="Lihat jadwal layanan Desember", url=f"{SITE}/jadwal-desember"),
                "en": content.ButtonWords(label="See the service hours in December", url=f"{SITE}/en/december"),
            },
        ),
    ]


def make_picture(*, width: int = 1072, height: int = 536) -> content.Picture:
    """A stored picture of arches in two colours."""
    image = Image.new("RGB", (width, height), "#CFDEDA")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, height * 2 // 3, width, height), fill="#A8BFBB")
    for left in range(width // 8, width - 60, width // 6):
        pen.rectangle((left, height // 3, left + 26, height * 3 // 4), fill="#0E5A55")
    return _stored(image, "autogate")


def make_chart() -> content.Picture:
    """Bars with figures, as a newsroom draws them."""
    image = Image.new("RGB", (1072, 640), "#F8F4EC")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=30)
    pen.text((48, 40), "Dari antre sampai paspor di tangan", fill="#1D1B17", font=ImageFont.load_default(size=40))
    pen.text((48, 96), "Hari kerja, rata-rata Oktober 2026", fill="#5E594F", font=font)
    figures = (("Jakarta Selatan", 6.1), ("Surabaya", 4.8), ("Medan", 4.4), ("Denpasar", 8.0), ("Makassar", 3.6))
    for row, (place, days) in enumerate(figures):
        top = 168 + row * 88
        pen.text((48, top + 4), place, fill="#1D1B17", font=font)
        pen.rectangle((320, top, 320 + days * 76, top + 46), fill="#764B00" if days == 8.0 else "#0E5A55")
        pen.text((336 + days * 76, top + 4), f"{days:.1f}".replace(".", ","), fill="#1D1B17", font=font)
    return _stored(image, "antrean")


def make_still() -> content.Picture:
    """A passport on a dark table."""
    image = Image.new("RGB", (1072, 603), "#22312E")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 470, 1072, 603), fill="#172320")
    pen.rounded_rectangle((120, 90, 410, 510), 18, fill="#0E5A55")
    pen.rounded_rectangle((148, 118, 382, 482), 12, outline="#8FC9C2", width=4)
    pen.ellipse((205, 190, 325, 310), outline="#8FC9C2", width=4)
    for top, width in ((160, 300), (226, 230), (280, 260)):
        pen.rounded_rectangle((660, top, 660 + width, top + 26), 4, fill="#3B4C48")
    return _stored(image, "video")


@lru_cache(maxsize=8)
def _png(mode: str, size: tuple[int, int], pixels: bytes) -> bytes:
    buffer = BytesIO()
    Image.frombytes(mode, size, pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _stored(image: Image.Image, name: str) -> content.Picture:
    """A file name without a date, so that the gallery is the same every day."""
    png = _png(image.mode, image.size, image.tobytes())
    path, size = f"images/{name}-{image.width}.png", (image.width, image.height)
    if not default_storage.exists(path):
        default_storage.save(path, ContentFile(png))
    digest = hashlib.sha256(png).hexdigest()
    details = {"file": path, "width": size[0], "height": size[1], "size": len(png)}
    file, _made = MediaFile.objects.get_or_create(hash=digest, defaults=details)
    return content.Picture(media=file.pk, path=path, width=size[0], height=size[1])
