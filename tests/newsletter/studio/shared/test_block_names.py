"""What pages call a block that they do not show."""

from __future__ import annotations

import pytest

from newsletter import content
from newsletter.studio.shared import document_form

GREETING = content.TextWords(body="<p>Selamat pagi. Kami merangkum <strong>yang baru</strong>.</p>")
FAQ = content.FaqWords(questions=[content.FaqEntry(question="Apakah bayi perlu paspor?", answer="<p>Ya.</p>")])


@pytest.mark.parametrize(
    ("block", "name"),
    [
        (content.Text(words={"id": GREETING}), ("Selamat pagi. Kami merangkum yang baru.", "id")),
        (content.Faq(words={"id": FAQ}), ("Apakah bayi perlu paspor?", "id")),
        (content.Quote(words={"en": content.QuoteWords(quote="A right, not a gift")}), ("A right, not a gift", "en")),
        (content.Divider(), ("Divider", "")),
        (content.Faq(), ("Questions and answers", "")),
    ],
    ids=["body", "question", "another-language", "no-words", "nothing-written"],
)
def test_a_block_is_called_by_its_own_words_and_else_by_its_kind(block, name):
    assert document_form.block_title(block, "id") == name


def test_words_in_the_wanted_language_come_first():
    words = {"id": content.TextWords(heading="Selamat pagi"), "en": content.TextWords(heading="Good morning")}

    assert document_form.block_title(content.Text(words=words), "en", "id") == ("Good morning", "en")


def test_a_long_text_is_cut_between_words():
    title, _language = document_form.block_title(
        content.Text(words={"id": content.TextWords(body="imigrasi " * 30)}), "id"
    )

    assert len(title) <= 90
    assert title.endswith("imigrasi…")
