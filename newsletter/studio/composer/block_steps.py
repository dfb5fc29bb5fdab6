"""Steps on the blocks of a document: move, remove, add, duplicate, another kind, a picture, a translation, questions.

Each has the shape of `steps.Step` and raises documents.BadForm for what no page of ours asks, and documents.NotPossible
with words for people.
"""

from __future__ import annotations

import html
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import articles, content, issues
from newsletter.media import library
from newsletter.models import Article, Issue
from newsletter.studio.shared import access, document_form

# --- order -----------------------------------------------------------------------------------------------------------


def move_up(_issue: Issue, document: content.Document, rest: str) -> str:
    return _move(document, rest, -1)


def move_down(_issue: Issue, document: content.Document, rest: str) -> str:
    return _move(document, rest, +1)


def _move(document: content.Document, block_id: str, by: int) -> str:
    place = _position(document, block_id)
    document.blocks.insert(max(0, place + by), document.blocks.pop(place))
    return block_id


def move_after(document: content.Document, block_id: str, after: str) -> None:
    """Move a block behind another one, or to the top with "top"; stays where it is if there is no such block."""
    place = _position(document, block_id)
    block = document.blocks.pop(place)
    target = next((number + 1 for number, there in enumerate(document.blocks) if there.id == after), place)
    document.blocks.insert(0 if after == "top" else target, block)


def remove(_issue: Issue, document: content.Document, rest: str) -> str:
    place = _position(document, rest)
    document.blocks.pop(place)
    return document.blocks[min(place, len(document.blocks) - 1)].id if document.blocks else ""


def _position(document: content.Document, block_id: str) -> int:
    place = next((place for place, block in enumerate(document.blocks) if block.id == block_id), None)
    if place is None:
        raise document_form.BadForm("no such block")
    return place


def _block(document: content.Document, block_id: str) -> content.Block:
    return document.blocks[_position(document, block_id)]


# --- more blocks -----------------------------------------------------------------------------------------------------


def add(_issue: Issue, document: content.Document, rest: str) -> str:
    """add:text at the end, add:text:b1 behind b1."""
    kind, _colon, after = rest.partition(":")
    if kind not in content.BLOCK_TYPES:
        raise document_form.BadForm("kind")
    block: Any = content.BLOCK_TYPES[kind]()
    return insert(document, block, after)


def insert(document: content.Document, block: content.Block, after: str = "") -> str:
    """Put a block in behind `after`, on "top", or at the end; only the first lead stays one."""
    if len(document.blocks) >= document_form.MAX_BLOCKS:
        raise document_form.StepNotPossible(
            _("An issue holds %(most)s blocks at most. Remove one first.") % {"most": document_form.MAX_BLOCKS}
        )
    document.blocks.append(block)
    if after:
        move_after(document, block.id, after)
    return block.id


def duplicate(_issue: Issue, document: content.Document, rest: str) -> str:
    """The same block once more, right behind; of a lead, a story."""
    block = _block(document, rest)
    twin = block.model_copy(deep=True, update={"id": content.new_block_id()})
    return insert(document, _convert_kind(twin, "story") if twin.kind == "lead" else twin, rest)


def add_saved(issue: Issue, document: content.Document, rest: str) -> str:
    """saved:7 and saved:7:b1, a copy of a block kept in the library."""
    key, _colon, after = rest.partition(":")
    kept = library.saved_blocks(issue.newsletter).filter(pk=access.parse_number(key)).first()
    if kept is None:
        raise document_form.StepNotPossible(_("This saved block was deleted meanwhile."))
    block = library.copy_saved_block(kept)
    has_lead = any(there.kind == "lead" for there in document.blocks)
    return insert(document, _convert_kind(block, "story") if has_lead and block.kind == "lead" else block, after)


# --- another kind ----------------------------------------------------------------------------------------------------


def change_kind(_issue: Issue, document: content.Document, rest: str) -> str:
    """as:lead:b2: a story becomes the lead and takes its place, the lead before it a story; as:brief:b2 and so on."""
    kind, _colon, block_id = rest.partition(":")
    block = _block(document, block_id)
    if kind not in document_form.ARTICLE_KINDS or block.kind not in document_form.ARTICLE_KINDS:
        raise document_form.BadForm("kind")
    place = _position(document, block_id)
    if kind == "lead":
        leads = [number for number, there in enumerate(document.blocks) if there.kind == "lead"]
        document.blocks = [
            _convert_kind(there, "story") if there.kind == "lead" else there for there in document.blocks
        ]
        document.blocks.insert(min([*leads, place]) if leads else 0, document.blocks.pop(place))
        place = _position(document, block_id)
    document.blocks[place] = _convert_kind(block, kind)
    return block_id


def _convert_kind(block: content.Block, kind: str) -> content.Block:
    """The same block as another kind; one that becomes the lead gets its article's picture."""
    if block.kind == kind:
        return block
    model = content.BLOCK_TYPES[kind]
    data = {name: value for name, value in block if name in model.model_fields and name != "kind"}
    changed: Any = model(**data)
    if kind == "lead" and changed.picture is None and changed.article:
        article = Article.objects.select_related("image").filter(pk=changed.article).first()
        changed.picture = issues.build_picture(article.image) if article else None
    done: content.Block = changed
    return done


# --- pictures --------------------------------------------------------------------------------------------------------


def choose_picture(issue: Issue, document: content.Document, rest: str) -> str:
    """picture:b1:12, a picture of the newsletter's library for a block, with what it shows."""
    block_id, _colon, key = rest.partition(":")
    file = library.find_picture(issue.newsletter, key)
    if file is None:
        raise document_form.StepNotPossible(_("This picture is not in the library of this newsletter."))
    set_picture(
        document, block_id, issues.build_picture(file), alt=file.alt, language=issue.newsletter.default_language
    )
    return block_id


def set_picture(
    document: content.Document, block_id: str, shown: content.Picture | None, *, alt: str, language: str
) -> None:
    """Show a picture in a block. What was said about another picture does not hold for this one, and goes."""
    block: Any = _block(document, block_id)
    if block.kind not in document_form.PICTURE_KINDS:
        raise document_form.BadForm("takes no picture")
    if block.picture is not None and (shown is None or block.picture.media != shown.media):
        for words in block.words.values():
            words.image_alt = ""
    block.picture = shown
    own: Any = block.words.get(language) or document_form.empty_words(block.kind)
    if shown is not None and alt and not own.image_alt:
        own.image_alt = alt
        block.words[language] = own


def remove_picture(_issue: Issue, document: content.Document, rest: str) -> str:
    set_picture(document, rest, None, alt="", language="")
    return rest


# --- languages -------------------------------------------------------------------------------------------------------


def fill_translation(issue: Issue, document: content.Document, rest: str) -> str:
    """twin:b1 and twin:b1:en, the words of the article's own page in each language that lacks them.

    A page we do not have yet is read now, which can take ten seconds.
    """
    block_id, _colon, language = rest.partition(":")
    block = _block(document, block_id)
    article = Article.objects.filter(pk=getattr(block, "article", None) or 0).first()
    if article is None or not isinstance(block, content.Lead | content.Story | content.Brief):
        raise document_form.BadForm("tells no article")
    wanted = (
        [language]
        if language
        else [code for code in issue.newsletter.languages if not document_form.is_written(block, code)]
    )
    found = {code: page for code in wanted if (page := _article_in_language(issue, article, code)) is not None}
    if not found:
        raise document_form.StepNotPossible(
            _("The article’s page names no page of its own in this language. Write the words here.")
        )
    for code, page in found.items():
        old = block.words.get(code) or content.StoryWords()
        fresh = {
            "headline": page.title,
            "summary": f"<p>{html.escape(page.summary, quote=False)}</p>" if page.summary else "",
            "url": page.url,
            "image_alt": page.image_alt or old.image_alt,
        }
        block.words[code] = old.model_copy(update=fresh)
        block.seen[code] = issues.snapshot_article(page)
    return block_id


def _article_in_language(issue: Issue, article: Article, language: str) -> Article | None:
    if language not in issue.newsletter.languages:
        return None
    if article.language == language:
        return article
    url = article.alternates.get(language, "")
    if not url:
        return None
    known = articles.find_by_url(url)
    if known is not None:
        return known
    try:
        return articles.add_by_url(url, newsletter=issue.newsletter, now=timezone.now())
    except articles.NotAnArticle as error:
        raise document_form.StepNotPossible(str(error)) from error


def use_as_subject(issue: Issue, document: content.Document, rest: str) -> str:
    """subject:b1:id, the headline of a block as the subject in a language."""
    block_id, _colon, language = rest.partition(":")
    words = _block(document, block_id).words.get(language)
    if language not in issue.newsletter.languages:
        raise document_form.BadForm("language")
    if headline := getattr(words, "headline", ""):
        document.envelopes.setdefault(language, content.Envelope()).subject = headline[:200]
    return "subject"


# --- questions -------------------------------------------------------------------------------------------------------


def add_question(issue: Issue, document: content.Document, rest: str) -> str:
    """question:b1:id, one more pair of fields in a language."""
    block, language, _number = _find_question(issue, document, f"{rest}:0")
    own = _questions(issue, block, language)
    if len(own) >= document_form.MAX_QUESTIONS:
        raise document_form.StepNotPossible(
            _("A block holds %(most)s questions at most. Add another block.") % {"most": document_form.MAX_QUESTIONS}
        )
    own.append(content.FaqEntry())
    return f"{block.id}-q{len(own) - 1}-question"


def remove_question(issue: Issue, document: content.Document, rest: str) -> str:
    """noquestion:b1:id:2, also its translations where every language has as many questions."""
    block, language, number = _find_question(issue, document, rest)
    for questions in _parallel_questions(issue, block, language):
        del questions[number : number + 1]
    return block.id


def move_question_up(issue: Issue, document: content.Document, rest: str) -> str:
    return _move_question(issue, document, rest, -1)


def move_question_down(issue: Issue, document: content.Document, rest: str) -> str:
    return _move_question(issue, document, rest, +1)


def _move_question(issue: Issue, document: content.Document, rest: str, by: int) -> str:
    block, language, number = _find_question(issue, document, rest)
    target = number
    for questions in _parallel_questions(issue, block, language):
        target = min(max(0, number + by), len(questions) - 1)
        questions.insert(target, questions.pop(number))
    return f"{block.id}-q{target}-question"


def _find_question(issue: Issue, document: content.Document, rest: str) -> tuple[content.Faq, str, int]:
    block_id, language, number = [*rest.split(":"), "", ""][:3]
    block = _block(document, block_id)
    if not isinstance(block, content.Faq) or language not in issue.newsletter.languages or not number.isdecimal():
        raise document_form.BadForm("question")
    if len(number) > 2 or int(number) >= max(1, len(_questions(issue, block, language))):
        raise document_form.BadForm("no such question")
    return block, language, int(number)


def _questions(issue: Issue, block: content.Faq, language: str) -> list[content.FaqEntry]:
    """A language's questions, as many as the composer shows fields for."""
    default = issue.newsletter.default_language
    words = block.words.setdefault(language, content.FaqWords())
    first = block.words.get(default) if language != default else None
    shown = document_form.count_questions(words, first)
    words.questions += [content.FaqEntry() for _missing in range(shown - len(words.questions))]
    return words.questions


def _parallel_questions(issue: Issue, block: content.Faq, language: str) -> list[list[content.FaqEntry]]:
    """The questions of `language`, with those of others where they are as many: then they translate each other."""
    own = _questions(issue, block, language)
    others = [words.questions for code, words in block.words.items() if code != language]
    return [own, *(questions for questions in others if len(questions) == len(own))]
