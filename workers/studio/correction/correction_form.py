"""What the pages of corrections show and take: links by where they lead, whom a mail can go to, and the form."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import content, formatting
from newsletter import corrections as notes
from newsletter.models import Article, Correction, CorrectionKind, Issue, IssueStatus, Link
from newsletter.studio.settings.forms import StudioFormMixin
from newsletter.studio.shared import document_form
from workers.reporting import issue_figures
from workers.sending import corrections

NOBODY = "nobody"


# --- links -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinkOccurrence:
    """One numbered link: where it stands in the issue."""

    link: Link
    block: str
    language: str
    clicks: int


@dataclass(frozen=True)
class LinkTarget:
    """Links of an issue that lead to the same page, in reading order."""

    places: tuple[LinkOccurrence, ...]

    @property
    def first(self) -> Link:
        return self.places[0].link

    @property
    def url(self) -> str:
        """Where they lead now."""
        return self.first.target

    @property
    def numbers(self) -> list[int]:
        return [place.link.number for place in self.places]

    @property
    def links(self) -> list[Link]:
        return [place.link for place in self.places]

    @property
    def label(self) -> str:
        return self.first.label or self.url

    @property
    def clicks(self) -> int:
        return sum(place.clicks for place in self.places)

    @property
    def where(self) -> str:
        """ "Indonesian: Lead story; English: Lead story"."""
        return "; ".join(dict.fromkeys(f"{place.language}: {place.block}" for place in self.places))


def link_targets(issue: Issue) -> list[LinkTarget]:
    """Every page that the issue's links lead to, by their first link."""
    found: dict[tuple[str, str], list[LinkOccurrence]] = {}
    clicks = {row.number: row.clicks for row in issue_figures.count_link_clicks(issue)}
    blocks = {block.id: str(document_form.KIND_LABELS[block.kind]) for block in content.parse(issue.content).blocks}
    for link in notes.numbered_links(issue):
        place = LinkOccurrence(
            link,
            blocks.get(link.block) or _("around the blocks"),
            formatting.language_name(link.language),
            clicks.get(link.number, 0),
        )
        found.setdefault((link.url, link.target), []).append(place)
    return [LinkTarget(tuple(places)) for places in found.values()]


def article_title(url: str) -> str:
    """The headline of that page, where it is an article we know."""
    return Article.objects.filter(url=url).values_list("title", flat=True).first() or ""


# --- whom a mail can go to -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecipientChoice:
    key: str
    title: str
    words: str
    does: str
    """What the button does then, in its words."""
    is_disabled: bool = False


def recipient_choices(
    issue: Issue, about: Sequence[Link], circles: Sequence[corrections.RecipientGroup]
) -> list[RecipientChoice]:
    """Nobody first; a circle that is not known stands there disabled, with the reason."""
    if about:
        words = _("The link is right from now on; that is enough for a small slip.")
        does = _("Correct the link")
    else:
        words = _("The archive says it; that is enough for a small slip.")
        does = _("Keep the correction")
    return [
        RecipientChoice(NOBODY, _("Nobody"), words, does),
        *(_recipient_choice(issue, circle, bool(about)) for circle in circles),
    ]


def _recipient_choice(issue: Issue, circle: corrections.RecipientGroup, is_a_link: bool) -> RecipientChoice:
    if circle.unavailable_reason:
        return RecipientChoice(
            circle.key,
            _("Only those who clicked it"),
            _describe_unavailable(circle.unavailable_reason),
            "",
            is_disabled=True,
        )
    count = formatting.format_number(circle.count)
    if circle.key == corrections.EDITION_GROUP:
        names = formatting.join_names([formatting.language_name(language) for language in circle.languages])
        title = _("Those who got it in %(languages)s: %(count)s") % {"languages": names, "count": count}
    elif circle.key == corrections.CLICKED_GROUP:
        title = _("Only those who clicked it: %(count)s") % {"count": count}
    else:
        title = _("Everybody who got issue %(number)s: %(count)s") % {"number": issue.number, "count": count}
    who = formatting.count_readers(circle.count)
    if is_a_link:
        does = _("Correct the link and write to %(who)s…") % {"who": who}
    else:
        does = _("Keep it and write to %(who)s…") % {"who": who}
    return RecipientChoice(circle.key, title, _describe_equation(circle, issue), does, is_disabled=not circle.count)


def _describe_unavailable(reason: str) -> str:
    return {
        corrections.ONLY_TOTALS: _("Not known: this newsletter counts clicks together, not per reader."),
        corrections.UNMEASURED: _("Not known: this newsletter measures no clicks."),
        corrections.EXPIRED: _("Not known any more: clicks of single readers are kept for 30 days."),
        corrections.NO_CLICKS_YET: _("None of the readers who agreed to be measured has clicked it."),
    }[reason]


def _describe_equation(circle: corrections.RecipientGroup, issue: Issue) -> str:
    """ "8,871 got it; 7 have left since, 5 pause, 1 complained." """
    out = circle.excluded
    left = out["left"] + out["pending"]
    parts = [
        (left, ngettext("%(count)s has left since", "%(count)s have left since", left)),
        (out["paused"], ngettext("%(count)s pauses", "%(count)s pause", out["paused"])),
        (out["bounced"], _("%(count)s bounced")),
        (out["complained"], _("%(count)s complained")),
        (out["suppressed"], _("%(count)s stopped by an editor")),
    ]
    taken = ", ".join(words % {"count": formatting.format_number(count)} for count, words in parts if count)
    if circle.key == corrections.CLICKED_GROUP:
        said = _("%(count)s who agreed to be measured clicked it; others may have, too.")
    elif issue.status in {IssueStatus.SENDING, IssueStatus.PAUSED}:
        said = _("%(count)s got it so far; whoever gets it before the note goes out is written to as well.")
    else:
        said = _("%(count)s got it; %(taken)s.") if taken else _("%(count)s got it, and all of them may get mail.")
    return said % {"count": formatting.format_number(circle.got), "taken": taken}


# --- the form --------------------------------------------------------------------------------------------------------


class MultilineField(forms.CharField):
    """Words over several lines, counted as a browser's `maxlength` counts them."""

    def to_python(self, value: Any) -> str:
        return super().to_python(notes.normalize_newlines(value) if isinstance(value, str) else value) or ""


class CorrectionForm(StudioFormMixin, forms.Form):
    """One correction: of a link, where `target` is given, else of a fact. `choices` are those that the page offers."""

    was = forms.CharField(required=False, widget=forms.HiddenInput)
    url = forms.CharField(required=False, max_length=2000)
    is_shown = forms.BooleanField(required=False)
    tells_next = forms.BooleanField(required=False)
    who = forms.ChoiceField(required=False)

    def __init__(
        self, *args: Any, issue: Issue, target: LinkTarget | None, offered: Sequence[RecipientChoice], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.issue, self.target = issue, target
        self.fields["who"] = forms.ChoiceField(
            choices=[(one.key, one.title) for one in offered if not one.is_disabled],
            error_messages={"invalid_choice": _("Choose once more who gets a note: the readers changed.")},
        )
        concerned = {link.language for link in target.links} if target else set(issue.newsletter.languages)
        for language in issue.newsletter.languages:
            box = MultilineField(
                required=False,
                max_length=notes.MAX_NOTE_LENGTH,
                widget=forms.Textarea(attrs={"rows": 3, "lang": language}),
            )
            box.label = formatting.language_name(language)
            if target and language in concerned:
                box.initial = notes.propose_note(_link_label(target, language), language)
            self.fields[f"words_{language}"] = box
            box.widget.attrs["class"] = "input"

    def clean_url(self) -> str:
        typed = str(self.cleaned_data["url"])
        if self.target is None:
            return ""
        try:
            url = notes.parse_address(typed)
        except notes.InvalidLinkAddress as wrong:
            raise forms.ValidationError(str(wrong)) from wrong
        if url == self.target.url:
            raise forms.ValidationError(_("The link leads there already. Write the right address."))
        return url

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.target is None and not self.words and not self.errors:
            self.add_error(self.boxes[0].name, _("Say what was wrong and what is right."))
        return cleaned

    @property
    def boxes(self) -> list[forms.BoundField]:
        return [self[f"words_{language}"] for language in self.issue.newsletter.languages]

    @property
    def words(self) -> dict[str, str]:
        """As they stand in the form, right or wrong, by language."""
        found = {language: self[f"words_{language}"].value() for language in self.issue.newsletter.languages}
        typed = {language: notes.normalize_newlines(str(words or "")).strip() for language, words in found.items()}
        return {language: words for language, words in typed.items() if words}


def _link_label(target: LinkTarget, language: str) -> str:
    return next((link.label for link in target.links if link.language == language and link.label), target.label)


# --- the mail beside it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NotePreview:
    """The note as it will open in the composer, in one language."""

    language: str
    subject: str
    preheader: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str
    closing: str


def build_preview(issue: Issue, form: CorrectionForm) -> NotePreview | None:
    """None as long as nobody said anything."""
    about = form.target.links if form.target else []
    amended = [
        Link(
            number=link.number,
            language=link.language,
            url=link.url,
            label=link.label,
            amended_url=_typed_url(form) or link.url,
        )
        for link in about
    ]
    kind = CorrectionKind.LINK if about else CorrectionKind.FACT
    said = Correction(issue=issue, kind=kind, links=[link.number for link in about], words=form.words)
    letter = notes.build_mail_document(said, amended)
    language = next((link.language for link in about), issue.newsletter.default_language)
    shown = {block.kind: words for block, words, spoken in content.shown_blocks(letter, language, language)}
    notice: Any = shown.get("notice")
    if notice is None:
        return None
    envelope = letter.envelope(language, issue.newsletter.default_language)
    button: Any = shown.get("button")
    closing: Any = shown.get("text")
    return NotePreview(
        language=language,
        subject=envelope.subject,
        preheader=envelope.preheader,
        heading=notice.heading,
        paragraphs=tuple(_plain_paragraph(part) for part in notice.body.split("</p>") if part),
        button=button.label if button else "",
        closing=_plain_paragraph(closing.body) if closing else "",
    )


def _plain_paragraph(paragraph: str) -> str:
    """The words that were put into it: what looks like markup in them was typed."""
    return html.unescape(paragraph.removesuffix("</p>").removeprefix("<p>"))


def _typed_url(form: CorrectionForm) -> str:
    return str(form["url"].value() or "").strip()
