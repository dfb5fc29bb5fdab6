"""The kinds of blocks as the composer names them, and how each of their texts is typed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

KIND_LABELS: dict[str, Promise] = {
    "lead": gettext_lazy("Lead story"),
    "story": gettext_lazy("Story"),
    "brief": gettext_lazy("In brief"),
    "text": gettext_lazy("Text"),
    "image": gettext_lazy("Picture"),
    "video": gettext_lazy("Video"),
    "notice": gettext_lazy("Notice"),
    "faq": gettext_lazy("Questions and answers"),
    "quote": gettext_lazy("Quote"),
    "event": gettext_lazy("Event"),
    "button": gettext_lazy("Button"),
    "divider": gettext_lazy("Divider"),
}
EMPTY_HINTS: dict[str, Promise] = {
    "lead": gettext_lazy("The story on top, with a large picture and a button. Add an article, or write one here."),
    "story": gettext_lazy("A headline that links to its article, and two lines about it."),
    "brief": gettext_lazy("One of the short news; those that follow each other share a box."),
    "text": gettext_lazy("Words of your own: a greeting, a note from the newsroom."),
    "image": gettext_lazy("A picture or an infographic. Choose one, or drop it here."),
    "video": gettext_lazy("A still picture that leads to the video; mail programs play none."),
    "notice": gettext_lazy("A box that stands out: for information, a warning, a fraud that goes around."),
    "faq": gettext_lazy("Questions that readers ask, each with a short answer."),
    "quote": gettext_lazy("What somebody said, and who it was."),
    "event": gettext_lazy("A date with its place; readers can put it into their calendar."),
    "button": gettext_lazy("One thing to do, and where it leads."),
}
"""What a block is for, shown while nothing is written in it."""
TONE_LABELS = {
    "info": gettext_lazy("For information"),
    "warning": gettext_lazy("Warning"),
    "scam": gettext_lazy("Warning of fraud"),
}
POLICY_LABELS = {
    "fallback": gettext_lazy("Show the first language, with a note"),
    "optional": gettext_lazy("Leave this block out"),
    "required": gettext_lazy("Do not send until it is translated"),
}
PICTURE_KINDS = frozenset({"lead", "story", "image", "video"})
ARTICLE_KINDS = frozenset({"lead", "story", "brief"})
"""Kinds that tell an article, and can become one another."""


@dataclass(frozen=True)
class Field:
    """How one text of a block is typed."""

    name: str
    label: Promise
    kind: str = "line"
    """line, headline, url, duration, moment or rich (a little HTML)."""
    most: int = 300
    hint: Promise | str = ""
    is_main: bool = False
    """Always in sight; the others fold away."""


HEADLINE = Field("headline", gettext_lazy("Headline"), "headline", is_main=True)
HEADING = Field("heading", gettext_lazy("Heading"), "headline", is_main=True)
SUMMARY = Field("summary", gettext_lazy("Summary"), "rich", 4000, is_main=True)
ARTICLE_URL = Field("url", gettext_lazy("Address of the article"), "url", 1000)
LINK_TEXT = Field(
    "link_text", gettext_lazy("Words of the link"), hint=gettext_lazy("Say where it leads. Empty: no link.")
)
ALT_TEXT = Field(
    "image_alt", gettext_lazy("What the picture shows"), hint=gettext_lazy("For readers who do not see it.")
)
UPDATE = Field("update", gettext_lazy("What changed since"), hint=gettext_lazy("Only for a story you told before."))
QUESTION = Field("question", gettext_lazy("Question"), is_main=True)
ANSWER = Field("answer", gettext_lazy("Answer"), "rich", 4000, is_main=True)
EVENT_TIME_FIELDS = (
    Field("starts_at", gettext_lazy("Starts"), "moment", is_main=True),
    Field("ends_at", gettext_lazy("Ends"), "moment", is_main=True),
)
FIELDS: dict[str, tuple[Field, ...]] = {
    "lead": (HEADLINE, SUMMARY, ARTICLE_URL, LINK_TEXT, ALT_TEXT, UPDATE),
    "story": (HEADLINE, SUMMARY, ARTICLE_URL, LINK_TEXT, ALT_TEXT, UPDATE),
    "brief": (HEADLINE, SUMMARY, ARTICLE_URL, UPDATE),
    "text": (HEADING, Field("body", gettext_lazy("Text"), "rich", 8000, is_main=True)),
    "image": (
        replace(ALT_TEXT, is_main=True),
        Field("caption", gettext_lazy("Caption"), is_main=True),
        Field(
            "facts",
            gettext_lazy("What it says, in words"),
            "rich",
            4000,
            hint=gettext_lazy("For an infographic: its figures, for readers who do not see it."),
        ),
        Field("url", gettext_lazy("Leads to"), "url", 1000, hint=gettext_lazy("Empty: the picture is no link.")),
    ),
    "video": (
        HEADLINE,
        SUMMARY,
        Field("url", gettext_lazy("Address of the video"), "url", 1000, is_main=True),
        Field("duration", gettext_lazy("Length"), "duration", 8, hint=gettext_lazy("Such as 3:45."), is_main=True),
        Field(
            "transcript_url",
            gettext_lazy("Address of the transcript"),
            "url",
            1000,
            hint=gettext_lazy("For readers who do not hear it, or have little data."),
        ),
        ALT_TEXT,
    ),
    "notice": (HEADING, Field("body", gettext_lazy("Text"), "rich", 4000, is_main=True)),
    "faq": (HEADING,),
    "quote": (
        Field("quote", gettext_lazy("Quote"), "headline", 1000, is_main=True),
        Field("source", gettext_lazy("Who said it"), is_main=True),
    ),
    "event": (
        HEADLINE,
        SUMMARY,
        Field("place", gettext_lazy("Place"), is_main=True),
        Field("url", gettext_lazy("Page about it"), "url", 1000),
    ),
    "button": (
        Field("label", gettext_lazy("Words on the button"), is_main=True),
        Field("url", gettext_lazy("Leads to"), "url", 1000, is_main=True),
    ),
    "divider": (),
}
ENVELOPE_FIELDS = (
    Field("subject", gettext_lazy("Subject"), "headline", 200),
    Field("preheader", gettext_lazy("Preview text"), "line", 200),
)
