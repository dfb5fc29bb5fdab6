"""The rules over one rendering, E01–E28: what a reader's program would see, and what a reader could not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from lxml.html import HtmlElement

from newsletter import editions
from newsletter.blocks.findings import Defect, Severity
from newsletter.checks import css_support, hosts
from newsletter.models import Newsletter
from newsletter.rendering import appearance, colours, links, richtext, slots

HARD_LIMIT, SOFT_LIMIT, FOOTER_LIMIT = 102_000, 75_000, 90_000
MAX_LINE_BYTES = 998
LONGEST_SLOT_VALUES = {"hit": "h" * 40, "u": "u" * 80, "p": "p" * 80, "why": "w" * 300, "name": "n" * 240}
"""What slots take at most, for sizes."""

GENERIC_LABELS = frozenset(
    {
        *("klik", "klik di sini", "klik disini", "klik sini", "di sini", "disini", "sini", "baca", "baca selengkapnya"),
        *(
            "selengkapnya",
            "selanjutnya",
            "baca lebih lanjut",
            "lebih lanjut",
            "baca juga",
            "lihat",
            "lihat selengkapnya",
        ),
        *(
            "lihat detail",
            "detail",
            "info",
            "info lebih lanjut",
            "informasi lebih lanjut",
            "tautan",
            "tautan ini",
            "link",
        ),
        *("link ini", "buka", "unduh", "lanjut", "lanjutkan", "baca lagi", "simak", "simak selengkapnya", "cek", "ini"),
        *("click", "click here", "here", "read", "read more", "more", "more info", "more information", "learn more"),
        *("this", "this link", "this page", "link here", "see more", "view more", "continue", "continue reading"),
        *(
            "details",
            "find out more",
            "download",
            "open",
            "go",
            "tap here",
            "read on",
            "full story",
            "read the article",
        ),
    }
)
SHORTENERS = frozenset(
    {
        *("bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "s.id", "buff.ly", "rebrand.ly", "cutt.ly"),
        *("shorturl.at", "rb.gy", "t.ly", "tiny.cc", "lnkd.in", "adf.ly", "bit.do", "v.gd", "gg.gg", "shorturl.asia"),
    }
)
PLACEHOLDER = re.compile(
    r"\[TK\]|\bTKTK\b|(?i:lorem ipsum)|\bXXX+\b|\{\{.*?\}\}|\{%.*?%\}|\*\|\w+\|\*|%recipient\.\w+%|\[\[\w+\]\]"
)
FILE_NAME = re.compile(r"^\S+\.(?:jpe?g|png|gif|webp|svg|bmp)$|^(?:img|dsc|image|screenshot)[ _-]?\d+", re.IGNORECASE)


class ParsedMail:
    """A rendering, parsed once for all rules."""

    def __init__(self, rendering: editions.Rendering, newsletter: Newsletter) -> None:
        self.rendering = rendering
        self.newsletter = newsletter
        self.html = slots.fill(slots.split(rendering.html), LONGEST_SLOT_VALUES)
        self.text = slots.fill(slots.split(rendering.text), LONGEST_SLOT_VALUES)
        self.tree = appearance.parse_html(self.html)

    @cached_property
    def light(self) -> appearance.Cascade:
        return appearance.Cascade(self.tree, dark=False)

    @cached_property
    def words(self) -> list[appearance.VisibleText]:
        return list(self.light.words(self.tree))

    @cached_property
    def dark_words(self) -> list[appearance.VisibleText]:
        return list(appearance.Cascade(self.tree, dark=True).words(self.tree))

    @cached_property
    def headings(self) -> list[HtmlElement]:
        return list(self.tree.iter("h1", "h2", "h3", "h4", "h5", "h6"))

    @cached_property
    def anchors(self) -> list[HtmlElement]:
        return list(self.tree.iter("a"))

    @cached_property
    def images(self) -> list[HtmlElement]:
        return list(self.tree.iter("img"))


FindDefects = Callable[[ParsedMail], Iterator[Defect]]


class MailRule(NamedTuple):
    id: str
    severity: Severity
    all_well: object
    find: FindDefects


def block_id_of(element: HtmlElement) -> str | None:
    """The block an element belongs to; None in masthead and footer."""
    for one in (element, *element.iterancestors()):
        for name in one.get("class", "").split():
            if name.startswith("blk-"):
                return str(name.removeprefix("blk-"))
    return None


def element_text(element: HtmlElement) -> str:
    """The words of an element and the descriptions of its pictures."""
    pictures = " ".join(image.get("alt", "") for image in element.iter("img"))
    return " ".join(f"{element.text_content()} {pictures}".split())


# --- structure -------------------------------------------------------------------------------------------------------


def check_language_and_direction(mail: ParsedMail) -> Iterator[Defect]:
    if mail.tree.get("lang") != mail.rendering.language or mail.tree.get("dir") not in ("ltr", "rtl"):
        yield Defect(_("The mail does not say which language it is in."))


def check_part_languages(mail: ParsedMail) -> Iterator[Defect]:
    body = mail.tree.find("body")
    children = [] if body is None else [child for child in body if isinstance(child.tag, str)]
    if not children or any(not (child.get("lang") and child.get("dir")) for child in children):
        yield Defect(_("A part of the mail does not say which language it is in."))


def check_title_is_subject(mail: ParsedMail) -> Iterator[Defect]:
    title = mail.tree.findtext(".//title") or ""
    if " ".join(title.split()) != " ".join(mail.rendering.subject.split()):
        yield Defect(_("The title of the mail is not its subject."))


def check_heading_order(mail: ParsedMail) -> Iterator[Defect]:
    levels = [int(heading.tag[1]) for heading in mail.headings]
    if levels.count(1) != 1 or levels[0] != 1:
        yield Defect(_("The mail needs exactly one main heading, before all others."))
    for before, heading in zip(levels, mail.headings[1:], strict=False):
        if int(heading.tag[1]) > before + 1:
            yield Defect(_("A heading level is skipped."), block_id_of(heading))


def check_layout_tables(mail: ParsedMail) -> Iterator[Defect]:
    if any(table.get("role") != "presentation" for table in mail.tree.iter("table")):
        yield Defect(_("A layout table would be read out as a table of figures."))


def check_images_described(mail: ParsedMail) -> Iterator[Defect]:
    for image in mail.images:
        if image.get("alt") is None:
            yield Defect(_("A picture has no description."), block_id_of(image))


def check_alt_texts_useful(mail: ParsedMail) -> Iterator[Defect]:
    for image in mail.images:
        description = (image.get("alt") or "").strip()
        is_linked = any(one.tag == "a" for one in image.iterancestors())
        if FILE_NAME.match(description):
            yield Defect(
                _("The description of a picture is a file name. Say what the picture shows."), block_id_of(image)
            )
        elif is_linked and not description:
            yield Defect(_("A picture that is a link has no description. Say where it leads."), block_id_of(image))


def check_links_have_words(mail: ParsedMail) -> Iterator[Defect]:
    for anchor in mail.anchors:
        if not element_text(anchor):
            yield Defect(_("A link has no words."), block_id_of(anchor))


def check_links_descriptive(mail: ParsedMail) -> Iterator[Defect]:
    for anchor in mail.anchors:
        words = element_text(anchor)
        if words.lower().strip(" .…!›»>→:") in GENERIC_LABELS:
            message = _("“%(words)s” does not say where the link leads. Name what readers find there.")
            yield Defect(message % {"words": words}, block_id_of(anchor))


def check_unique_ids(mail: ParsedMail) -> Iterator[Defect]:
    ids = [element.get("id") for element in mail.tree.iter() if isinstance(element.tag, str) and element.get("id")]
    if len(ids) != len(set(ids)):
        yield Defect(_("Two parts of the mail have the same id."))


# --- what it looks like ----------------------------------------------------------------------------------------------


def find_low_contrast(words: Iterable[appearance.VisibleText]) -> Iterator[Defect]:
    for stretch in words:
        ratio = colours.contrast(stretch.colour, stretch.ground)
        if ratio < colours.MIN_CONTRAST:
            yield Defect(
                _("“%(words)s” is hard to read: its contrast is %(ratio)s to 1, and needs 4.5.")
                % {"words": stretch.text[:40], "ratio": f"{ratio:.1f}"},
                block_id_of(stretch.element),
            )


def check_light_contrast(mail: ParsedMail) -> Iterator[Defect]:
    yield from find_low_contrast(mail.words)


def check_dark_contrast(mail: ParsedMail) -> Iterator[Defect]:
    """In our own dark look, and where a mail program makes one by force: of all colours, or of pale grounds only."""
    yield from find_low_contrast(mail.dark_words)
    yield from find_low_contrast(_inverted(mail.words, partly=False))
    yield from find_low_contrast(_inverted(mail.words, partly=True))


def _inverted(words: Iterable[appearance.VisibleText], *, partly: bool) -> Iterator[appearance.VisibleText]:
    for stretch in words:
        is_pale = colours.lightness(stretch.ground) > 0.5
        is_deep = colours.lightness(stretch.colour) < 0.5
        ground = colours.invert(stretch.ground) if is_pale or not partly else stretch.ground
        colour = colours.invert(stretch.colour) if is_deep or not partly else stretch.colour
        yield replace(stretch, ground=ground, colour=colour)


def check_links_underlined(mail: ParsedMail) -> Iterator[Defect]:
    for stretch in mail.words:
        if stretch.link is not None and not stretch.is_underlined and not mail.light.is_button(stretch.link):
            yield Defect(_("A link is not underlined."), block_id_of(stretch.element))


def check_font_sizes(mail: ParsedMail) -> Iterator[Defect]:
    for stretch in mail.words:
        is_small_print = any("muted" in one.get("class", "").split() for one in stretch.element.iterancestors())
        if stretch.size < (13 if is_small_print else 14):
            yield Defect(_("Some words are too small to read."), block_id_of(stretch.element))


def check_button_heights(mail: ParsedMail) -> Iterator[Defect]:
    for anchor in mail.anchors:
        if mail.light.is_button(anchor) and mail.light.height(anchor) < 44:
            yield Defect(_("A button is too small for a finger."), block_id_of(anchor))


def check_zoom_allowed(mail: ParsedMail) -> Iterator[Defect]:
    for meta in mail.tree.iter("meta"):
        if meta.get("name") == "viewport" and re.search(
            r"user-scalable\s*=\s*(?:no|0)|maximum-scale", meta.get("content", "")
        ):
            yield Defect(_("Readers could not zoom in."))


def check_css_support(mail: ParsedMail) -> Iterator[Defect]:
    sheets = [style.text or "" for style in mail.tree.iter("style")]
    attributes = [element.get("style", "") for element in mail.tree.iter() if isinstance(element.tag, str)]
    for name in css_support.find_weak_features(sheets=sheets, attributes=attributes):
        yield Defect(_("The layout uses something that neither Gmail nor Outlook knows: %(name)s.") % {"name": name})


# --- size, links, words ----------------------------------------------------------------------------------------------


def check_size(mail: ParsedMail) -> Iterator[Defect]:
    size = len(mail.html.encode())
    figures = {"size": f"{size:,}", "most": f"{HARD_LIMIT:,}"}
    if size > HARD_LIMIT:
        message = _("The mail has %(size)s bytes; above %(most)s Gmail cuts off its end. Remove some blocks.")
        yield Defect(message % figures)
    elif size > SOFT_LIMIT:
        yield Defect(_("The mail is long: %(size)s bytes. Gmail cuts it off above %(most)s.") % figures, None, "warns")
    unsubscribe = mail.html.encode().find(f"/u/{LONGEST_SLOT_VALUES['u']}/".encode())
    if unsubscribe > FOOTER_LIMIT:
        yield Defect(_("The unsubscribe link comes so late that Gmail may cut it off. Remove some blocks."))


def check_link_targets(mail: ParsedMail) -> Iterator[Defect]:
    own = tuple(links.host(url) for url in (mail.newsletter.site_url, settings.SITE_URL))
    for link in mail.rendering.links:
        yield from _sound(link.url, link.label, link.block, own)
    ours = (*(anchor.get("href", "") for anchor in mail.anchors), *(image.get("src", "") for image in mail.images))
    for address in ours:
        if (
            urlsplit(address).scheme not in ("https", "mailto")
            and not is_own_url(address)
            and not _is_numbered(mail, address)
        ):
            yield Defect(
                _("An address in the mail is not a secure web address: %(address)s") % {"address": address[:80]}
            )


def _sound(url: str, label: str, block: str, own: tuple[str, ...]) -> Iterator[Defect]:
    if is_own_url(url):
        return
    host = links.host(url)
    words = {
        "label": label,
        "host": host,
        "own": hosts.find_imitated_host(host, own),
        "said": hosts.host_in_label(label),
    }
    if url.startswith("http:"):
        message = _("The link “%(label)s” starts with http. Use the secure address that starts with https.")
        yield Defect(message % words, block, about=url)
    if host in SHORTENERS:
        message = _("The link “%(label)s” hides its target behind %(host)s. Use the address it leads to.")
        yield Defect(message % words, block, about=url)
    if hosts.is_ip_address(host):
        message = _("The link “%(label)s” leads to a number, %(host)s, rather than to a site with a name.")
        yield Defect(message % words, block, about=url)
    if words["own"]:
        message = _("The link “%(label)s” leads to %(host)s, which can be taken for %(own)s.")
        yield Defect(message % words, block, about=url)
    if words["said"] and hosts.registered_domain(words["said"]) != hosts.registered_domain(host):
        message = _("The link says %(said)s, but leads to %(host)s.")
        yield Defect(message % words, block, about=url)


def is_own_url(address: str) -> bool:
    """Whether it leads to this very service, which in embedded mode has no certificate."""
    return address == settings.SITE_URL or address.startswith(f"{settings.SITE_URL}/")


def _is_numbered(mail: ParsedMail, address: str) -> bool:
    return any(link.url == address for link in mail.rendering.links)


def check_preheader(mail: ParsedMail) -> Iterator[Defect]:
    preheader = mail.rendering.preheader
    if not preheader:
        yield Defect(_("There is no preview text. Readers see it beside the subject."))
    elif not 40 <= len(preheader) <= 100:
        message = _("The preview text has %(length)s characters. From 40 to 100 fill the space in the inbox.")
        yield Defect(message % {"length": len(preheader)})
    elif preheader.casefold() == mail.rendering.subject.casefold():
        yield Defect(_("The preview text repeats the subject. Say something more."))


def check_subject(mail: ParsedMail) -> Iterator[Defect]:
    subject = mail.rendering.subject
    if not subject:
        yield Defect(_("There is no subject."), None, "blocks")
    elif not 10 <= len(subject) <= 78:
        message = _("The subject has %(length)s characters. From 10 to 78 can be read in every inbox.")
        yield Defect(message % {"length": len(subject)})


def check_placeholders(mail: ParsedMail) -> Iterator[Defect]:
    seen: list[tuple[str, str | None]] = [(mail.rendering.subject, None), (mail.rendering.preheader, None)]
    seen += [(stretch.text, block_id_of(stretch.element)) for stretch in mail.words]
    seen += [(image.get("alt", ""), block_id_of(image)) for image in mail.images]
    for text, block in seen:
        found = PLACEHOLDER.search(text)
        if found:
            message = _("“%(words)s” is still to be filled in.") % {"words": found[0][:40]}
            yield Defect(message, block)


def check_unsubscribe_link(mail: ParsedMail) -> Iterator[Defect]:
    leave = f"{settings.SITE_URL}/u/{LONGEST_SLOT_VALUES['u']}/"
    if not any(anchor.get("href") == leave for anchor in mail.anchors) or leave not in mail.text:
        yield Defect(_("There is no link to unsubscribe."))


def check_text_part(mail: ParsedMail) -> Iterator[Defect]:
    text = "".join(mail.text.split())
    for heading in mail.headings:
        if "".join(heading.text_content().split()) not in text:
            yield Defect(_("The plain text lacks a heading."), block_id_of(heading))
    for anchor in mail.anchors:
        if "".join(anchor.get("href", "").split()) not in text:
            yield Defect(_("The plain text lacks a link."), block_id_of(anchor))


def check_line_lengths(mail: ParsedMail) -> Iterator[Defect]:
    longest = max(len(line.encode()) for line in (*mail.html.split("\n"), *mail.text.split("\n")))
    if longest >= MAX_LINE_BYTES:
        yield Defect(_("A line of the mail has %(length)s bytes; 997 are allowed.") % {"length": longest})


def check_picture_formats(mail: ParsedMail) -> Iterator[Defect]:
    for image in mail.images:
        kind = PurePosixPath(urlsplit(image.get("src", "")).path).suffix.lower()
        if kind not in (".jpg", ".jpeg", ".png", ".gif"):
            yield Defect(_("Not every mail program shows this kind of picture. Use JPEG or PNG."), block_id_of(image))
        if not image.get("width"):
            yield Defect(_("A picture has no width."), block_id_of(image))


def check_postal_address(mail: ParsedMail) -> Iterator[Defect]:
    address = richtext.clean_line(mail.newsletter.postal_address)
    if not address:
        yield Defect(_("The newsletter has no postal address. Add it in the settings."))
    elif "".join(address.split()) not in "".join(mail.tree.text_content().split()):
        yield Defect(_("The mail does not show the postal address."))


RULES = (
    MailRule("E01", "blocks", gettext_lazy("The mail says its language."), check_language_and_direction),
    MailRule("E02", "blocks", gettext_lazy("Every part says its language."), check_part_languages),
    MailRule("E03", "blocks", gettext_lazy("The title is the subject."), check_title_is_subject),
    MailRule("E04", "blocks", gettext_lazy("Headings are in order."), check_heading_order),
    MailRule("E05", "blocks", gettext_lazy("Screen readers skip the layout."), check_layout_tables),
    MailRule("E06", "blocks", gettext_lazy("Every picture can have a description."), check_images_described),
    MailRule("E07", "blocks", gettext_lazy("Descriptions of pictures say something."), check_alt_texts_useful),
    MailRule("E08", "blocks", gettext_lazy("Every link has words."), check_links_have_words),
    MailRule("E09", "warns", gettext_lazy("Every link says where it leads."), check_links_descriptive),
    MailRule("E10", "blocks", gettext_lazy("All words are easy to read."), check_light_contrast),
    MailRule("E11", "warns", gettext_lazy("All words are easy to read in the dark."), check_dark_contrast),
    MailRule("E12", "warns", gettext_lazy("Links are underlined."), check_links_underlined),
    MailRule("E13", "warns", gettext_lazy("No words are too small."), check_font_sizes),
    MailRule("E14", "warns", gettext_lazy("Buttons are large enough for a finger."), check_button_heights),
    MailRule("E15", "warns", gettext_lazy("Readers can zoom in."), check_zoom_allowed),
    MailRule("E16", "blocks", gettext_lazy("The mail is short enough for Gmail."), check_size),
    MailRule("E17", "warns", gettext_lazy("Pictures are light and of a common kind."), check_picture_formats),
    MailRule("E18", "warns", gettext_lazy("Links are secure and show where they lead."), check_link_targets),
    MailRule("E20", "warns", gettext_lazy("The preview text fits."), check_preheader),
    MailRule("E21", "warns", gettext_lazy("The subject fits."), check_subject),
    MailRule("E22", "blocks", gettext_lazy("Nothing is left to be filled in."), check_placeholders),
    MailRule("E23", "blocks", gettext_lazy("Readers can unsubscribe."), check_unsubscribe_link),
    MailRule("E24", "warns", gettext_lazy("The plain text says the same."), check_text_part),
    MailRule("E25", "warns", gettext_lazy("No id is used twice."), check_unique_ids),
    MailRule("E27", "warns", gettext_lazy("The layout works in Gmail and Outlook."), check_css_support),
    MailRule("E28", "blocks", gettext_lazy("No line is too long for the wire."), check_line_lengths),
    MailRule("address", "blocks", gettext_lazy("The postal address is there."), check_postal_address),
)
