"""The reference issue: about 62 kB of HTML and 8 kB of text with 12 tracked links, made of ordinary blocks.

Everything is made here from a fixed number of words, so that figures of two machines are about the same mail.
"""

from __future__ import annotations

from datetime import datetime
from itertools import cycle, islice

from newsletter import content, editions, issues
from newsletter.checks import link_checker
from newsletter.models import Edition, Issue, Newsletter, Tracking

SITE = "https://kabarlintas.example"
LANGUAGE = "id"
HTML_BYTES = (58_000, 66_000)
TEXT_BYTES = (7_500, 9_000)
LINKS = 12

SENTENCES = (
    "Mulai Senin, pemegang paspor elektronik dapat melintas dalam <strong>kurang dari 30 detik</strong>.",
    "Pemohon tidak lagi wajib datang ke kantor bila data biometriknya masih berlaku – cukup lewat aplikasi.",
    "Petugas di loket tetap melayani warga lanjut usia, penyandang disabilitas, dan keluarga dengan anak kecil.",
    "“Antrean panjang tidak kami lihat lagi sejak Agustus,” kata kepala kantor di Denpasar.",
    "Biayanya tetap Rp500.000 per orang, dibayar di konter atau secara daring sebelum berangkat.",
    "Ketentuan ini berlaku juga bagi pemegang izin tinggal tetap yang kembali dari luar negeri.",
)


def _sentences(start: int, count: int) -> str:
    return " ".join(islice(cycle(SENTENCES), start, start + count))


def _story(number: int, *, sentences: int) -> content.StoryWords:
    return content.StoryWords(
        headline=f"Jalur autogate ke-{number} dibuka, begini cara memakainya",
        summary=f"<p>{_sentences(number, sentences)}</p>",
        url=f"{SITE}/kabar/2026/11/autogate-{number}",
        link_text=f"Cara memakai jalur ke-{number}",
    )


def _text(number: int, *, sentences: int) -> content.TextWords:
    return content.TextWords(heading=f"Catatan redaksi {number}", body=f"<p>{_sentences(number, sentences)}</p>")


def document() -> content.Document:
    """A lead, five stories, five briefs and a button (12 links), with texts, a notice and a quote between."""
    blocks: list[content.Block] = [content.Lead(id="b100", words={LANGUAGE: _story(1, sentences=3)})]
    for number in range(2, 7):
        blocks.append(content.Story(id=f"b2{number:02d}", words={LANGUAGE: _story(number, sentences=6)}))
    blocks += [content.Text(id=f"b30{number}", words={LANGUAGE: _text(number, sentences=9)}) for number in range(2)]
    blocks.append(content.Divider(id="b400"))
    blocks += [
        content.Brief(id=f"b5{number:02d}", words={LANGUAGE: _story(number, sentences=2)}) for number in range(7, 12)
    ]
    blocks.append(content.Callout(id="b600", tone="scam", words={LANGUAGE: _text(9, sentences=2)}))
    quote = content.QuoteWords(quote="Paspor adalah hak, bukan hadiah.", source="Ibu Siti, pembaca")
    blocks.append(content.Quote(id="b700", words={LANGUAGE: quote}))
    button = content.ButtonWords(label="Semua kabar pekan ini", url=f"{SITE}/kabar")
    blocks.append(content.Button(id="b800", words={LANGUAGE: button}))
    envelope = content.Envelope(
        subject="Autogate baru, izin tinggal daring – dan kuota akhir pekan",
        preheader="Siapa yang berhak, cara memakainya, dan dua jawaban tentang paspor anak",
    )
    return content.Document(envelopes={LANGUAGE: envelope}, blocks=blocks)


def create_newsletter(**fields: object) -> Newsletter:
    made = {
        "slug": "ringkasan",
        "brand": "Kabar Lintas",
        "title": "Ringkasan mingguan",
        "description": "Kabar imigrasi, tiap Selasa pagi",
        "languages": [LANGUAGE],
        "list_id": "ringkasan.kabarlintas.example",
        "from_name": "Kabar Lintas",
        "from_email": "redaksi@kabarlintas.example",
        "reply_to": "halo@kabarlintas.example",
        "postal_address": "Redaksi Kabar Lintas, Jl. Contoh No. 10, Jakarta 12345",
        "privacy_url": f"{SITE}/privasi/",
        "site_url": SITE,
        "tracking": Tracking.INDIVIDUAL,
        "tracking_needs_consent": True,
        "hold_s": 0,
        "first_batch": 0,
    }
    return Newsletter.objects.create(**{**made, **fields})


def create_draft(of: Newsletter, *, now: datetime) -> Issue:
    issue = issues.create(of, editor=None, now=now)
    return issues.save(issue, document(), version=issue.version, editor=None, now=now)


def create_due_issue(of: Newsletter, *, now: datetime, **audience: str) -> Issue:
    """An approved issue whose time has come, and that was looked at."""
    made = create_draft(of, now=now)
    if audience:
        Issue.objects.filter(pk=made.pk).update(audience=audience)
        made.refresh_from_db()
    approved = issues.approve(made, editor=None, now=now)
    issue = issues.schedule(approved, at=now, editor=None, now=now)
    link_checker.store_results(issue, {}, now=now)
    return issue


def freeze(issue: Issue, *, now: datetime) -> Edition:
    return editions.freeze(issue, now=now)[0]
