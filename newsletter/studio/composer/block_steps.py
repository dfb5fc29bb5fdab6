"""Steps on the blocks of a document: move, remove, add, duplicate, change the kind, picture, translation, items.

Each has the signature of `steps.Step`. It raises document_form.BadForm for what the pages cannot have sent, and
document_form.StepNotPossible with a message for editors.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import articles, content, issues
from newsletter.blocks import registry
from newsletter.blocks.fields import ItemForm
from newsletter.blocks.forms import FORMS, form_of
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
    if kind not in registry.KINDS:
        raise document_form.BadForm("kind")
    return insert(document, registry.KINDS[kind].new_block(), after)


def insert(document: content.Document, block: content.Block, after: str = "") -> str:
    """Insert a block behind `after`, on "top", or at the end."""
    if len(document.blocks) >= document_form.MAX_BLOCKS:
        raise document_form.StepNotPossible(
            _("An issue holds %(most)s blocks at most. Remove one first.") % {"most": document_form.MAX_BLOCKS}
        )
    document.blocks.append(block)
    if after:
        move_after(document, block.id, after)
    return block.id


def duplicate(_issue: Issue, document: content.Document, rest: str) -> str:
    """Insert a copy of the block behind it; of a kind that a document holds once, the copy becomes another kind."""
    block = _block(document, rest)
    twin = block.model_copy(deep=True, update={"id": content.new_block_id()})
    return insert(document, _convert_kind(twin, registry.kind_of(twin).second_becomes), rest)


def add_saved(issue: Issue, document: content.Document, rest: str) -> str:
    """saved:7 and saved:7:b1, a copy of a block kept in the library."""
    key, _colon, after = rest.partition(":")
    saved = library.saved_blocks(issue.newsletter).filter(pk=access.parse_number(key)).first()
    if saved is None:
        raise document_form.StepNotPossible(_("This saved block was deleted meanwhile."))
    block = library.copy_saved_block(saved)
    is_second = any(other.kind == block.kind for other in document.blocks)
    return insert(document, _convert_kind(block, registry.kind_of(block).second_becomes) if is_second else block, after)


# --- another kind ----------------------------------------------------------------------------------------------------


def change_kind(_issue: Issue, document: content.Document, rest: str) -> str:
    """as:lead:b2 makes a story the lead, in the place of the lead before it, which becomes a story; as:brief:b2 …"""
    kind, _colon, block_id = rest.partition(":")
    block = _block(document, block_id)
    if kind not in (block.kind, *registry.kind_of(block).can_become) or not registry.kind_of(block).can_become:
        raise document_form.BadForm("kind")
    if other := registry.KINDS[kind].second_becomes:
        _replace_first(document, block_id, kind, other)
    place = _position(document, block_id)
    document.blocks[place] = _convert_kind(block, kind)
    return block_id


def _replace_first(document: content.Document, block_id: str, kind: str, other: str) -> None:
    """Move a block to where the document's one block of `kind` is, or to the top; that one becomes `other`."""
    place = _position(document, block_id)
    places = [number for number, block in enumerate(document.blocks) if block.kind == kind]
    document.blocks = [_convert_kind(block, other) if block.kind == kind else block for block in document.blocks]
    document.blocks.insert(min([*places, place]) if places else 0, document.blocks.pop(place))


def _convert_kind(block: content.Block, kind: str) -> content.Block:
    """The same block as another kind, if one is given; a kind that shows the picture of its article gets it."""
    if kind in ("", block.kind):
        return block
    model = content.BLOCK_TYPES[kind]
    data = {name: value for name, value in block if name in model.model_fields and name != "kind"}
    changed: Any = model(**data)
    if registry.KINDS[kind].shows_article_picture and changed.picture is None and changed.article:
        article = Article.objects.select_related("image").filter(pk=changed.article).first()
        changed.picture = issues.build_picture(article.image) if article else None
    converted: content.Block = changed
    return converted


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
    """Show a picture in a block. The alt texts of another picture are cleared."""
    block: Any = _block(document, block_id)
    if not registry.kind_of(block).has_picture:
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
    if article is None or not isinstance(block, content.ArticleBlock):
        raise document_form.BadForm("no article")
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


# --- items of a block ------------------------------------------------------------------------------------------------

Step = Callable[[Issue, content.Document, str], str]


def item_verbs() -> dict[str, Step]:
    """The steps on items of all kinds that have some, by their verbs: question, noquestion, question-up …"""
    verbs: dict[str, Step] = {}
    for form in (form.items for form in FORMS.values() if form.items):
        verbs[form.verb] = partial(add_item, form)
        verbs[f"no{form.verb}"] = partial(remove_item, form)
        verbs[f"{form.verb}-up"] = partial(_move_item, form, by=-1)
        verbs[f"{form.verb}-down"] = partial(_move_item, form, by=+1)
    return verbs


def add_item(form: ItemForm, issue: Issue, document: content.Document, rest: str) -> str:
    """question:b1:id, one more item in a language."""
    block, language, _number = _find_item(form, issue, document, f"{rest}:0")
    own = _items(form, issue, block, language)
    if len(own) >= form.most:
        raise document_form.StepNotPossible(str(form.too_many) % {"most": form.most})
    own.append(form.new_item())
    return _first_field(form, block.id, len(own) - 1)


def remove_item(form: ItemForm, issue: Issue, document: content.Document, rest: str) -> str:
    """noquestion:b1:id:2, also its translations if every language has as many items."""
    block, language, number = _find_item(form, issue, document, rest)
    for items in _parallel_items(form, issue, block, language):
        del items[number : number + 1]
    return rest.partition(":")[0]


def _move_item(form: ItemForm, issue: Issue, document: content.Document, rest: str, *, by: int) -> str:
    block, language, number = _find_item(form, issue, document, rest)
    target = number
    for items in _parallel_items(form, issue, block, language):
        target = min(max(0, number + by), len(items) - 1)
        items.insert(target, items.pop(number))
    return _first_field(form, block.id, target)


def _first_field(form: ItemForm, block_id: str, number: int) -> str:
    return f"{block_id}-{form.prefix}{number}-{form.fields[0].name}"


def _find_item(form: ItemForm, issue: Issue, document: content.Document, rest: str) -> tuple[Any, str, int]:
    block_id, language, number = [*rest.split(":"), "", ""][:3]
    block = _block(document, block_id)
    if form_of(block).items is not form or language not in issue.newsletter.languages or not number.isdecimal():
        raise document_form.BadForm("item")
    if len(number) > 2 or int(number) >= max(1, len(_items(form, issue, block, language))):
        raise document_form.BadForm("no such item")
    return block, language, int(number)


def _items(form: ItemForm, issue: Issue, block: Any, language: str) -> list[Any]:
    """A language's items, as many as the composer shows fields for."""
    default = issue.newsletter.default_language
    words: content.WordsBase = block.words.setdefault(language, document_form.empty_words(block.kind))
    first = block.words.get(default) if language != default else None
    missing = document_form.count_items(form, words, first) - len(words.items)
    words.items.extend(form.new_item() for _missing in range(missing))
    return words.items


def _parallel_items(form: ItemForm, issue: Issue, block: Any, language: str) -> list[list[Any]]:
    """The items of `language`, and those of languages with as many items: these are translations of each other."""
    own = _items(form, issue, block, language)
    others = [words.items for code, words in block.words.items() if code != language]
    return [own, *(items for items in others if len(items) == len(own))]
