"""Attack texts: each would run a script if it were interpreted as markup anywhere. `MARK` shows that one did."""

from __future__ import annotations

from typing import Any

from newsletter import content

MARK = "alert('warta')"
LINK = "https://kabarlintas.example/a"

STRINGS = (
    # out of attributes (F-2), with either quote and without
    f'" onerror="{MARK}" x="',
    f"' onerror='{MARK}' x='",
    f'"><script>{MARK}</script>',
    f"'><img src=x onerror={MARK}>",
    f'"/><svg/onload={MARK}>',
    f"` onmouseover={MARK} `",
    f'\\" onfocus={MARK} autofocus tabindex=1 x=\\"',
    f"&quot; onerror=&quot;{MARK}&quot; x=&quot;",
    f"&#34; onerror=&#34;{MARK}&#34;",
    f"\u201c onerror=\u201c{MARK} \uff02 onload=\uff02{MARK}",
    # plain markup
    f"<script>{MARK}</script>",
    f"<SCRIPT SRC=data:text/javascript,{MARK}></SCRIPT>",
    f"<img src=x onerror={MARK}>",
    f"<svg onload={MARK}><circle/></svg>",
    f"<svg><script>{MARK}</script></svg>",
    f"<svg><animate onbegin={MARK} attributeName=x dur=1s>",
    f'<iframe srcdoc="<script>parent.{MARK}</script>"></iframe>',
    f'<iframe src="javascript:parent.{MARK}"></iframe>',
    f'<object data="data:text/html,<script>parent.{MARK}</script>"></object>',
    f'<embed src="javascript:{MARK}">',
    f"<body onload={MARK}><details open ontoggle={MARK}><summary>x</summary></details>",
    f"<input autofocus onfocus={MARK}><select autofocus onfocus={MARK}>",
    f"<video><source onerror={MARK}></video><audio src=x onerror={MARK}>",
    f'<meta http-equiv=refresh content="0;url=javascript:{MARK}"><base href="javascript:{MARK}//">',
    f"<link rel=stylesheet href=\"javascript:{MARK}\"><style>@import 'javascript:{MARK}';</style>",
    f'<form action="javascript:{MARK}"><button>x</button></form>',
    f"<marquee onstart={MARK}>x</marquee><isindex type=image src=1 onerror={MARK}>",
    f'<p style="background:url(javascript:{MARK});behavior:url(x)">x</p>',
    f"<x onclick={MARK} style=animation-name:x onanimationstart={MARK}>x",
    # links
    f'<a href="javascript:{MARK}">x</a>',
    f'<a href="JaVaScRiPt:{MARK}">x</a>',
    f'<a href="java\tscript:{MARK}">x</a>',
    f'<a href="java&#10;script:{MARK}">x</a>',
    f'<a href=" &#1; javascript:{MARK}">x</a>',
    f'<a href="&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;{MARK}">x</a>',
    f'<a href="javascript&colon;{MARK}">x</a>',
    f'<a href="data:text/html,<script>{MARK}</script>">x</a>',
    f'<a href="vbscript:{MARK}" onclick="{MARK}">x</a>',
    f'<a href="https://kabarlintas.example/&quot; onclick=&quot;{MARK}">x</a>',
    # markup that changes its meaning when it is parsed twice
    f'<svg></p><style><a id="</style><img src=1 onerror={MARK}>">',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={MARK}&gt;">',
    f"<form><math><mtext></form><form><mglyph><style></math><img src onerror={MARK}>",
    f'<noscript><p title="</noscript><img src=x onerror={MARK}>">',
    f'<textarea><p title="</textarea><img src=x onerror={MARK}>">',
    f'<title><p title="</title><img src=x onerror={MARK}>">',
    f'<xmp><p title="</xmp><svg/onload={MARK}>">',
    f"<template><s><template><s><img src=x onerror={MARK}>",
    f"<svg><foreignObject><p><style><!--</style><img title='--><img src=x onerror={MARK}>'>",
    f"<!--><img src=x onerror={MARK}>--><!--!><script>{MARK}</script>-->",
    f"<![CDATA[<script>{MARK}</script>]]>",
    f"]]><script>{MARK}</script>",
    f"<![endif]--><script>{MARK}</script><!--[if mso]>",
    f"<!--[if gte IE 4]><script>{MARK}</script><![endif]-->",
    f"&lt;script&gt;{MARK}&lt;/script&gt;",
    f"&amp;lt;script&amp;gt;{MARK}&amp;lt;/script&amp;gt;",
    f"%3Cscript%3E{MARK}%3C/script%3E",
    f"\ufeff<\u0001script>{MARK}</script>",
    f"＜script＞{MARK}＜/script＞",
    # our own template languages
    f"<mj-raw><script>{MARK}</script></mj-raw>",
    f"</mj-text></mj-column></mj-section><mj-raw><script>{MARK}</script></mj-raw>",
    f'<mj-include path="data:text/html,<script>{MARK}</script>" type="html" />',
    f'<mj-html-attributes><mj-selector path="a"><mj-html-attribute name="onclick">{MARK}</mj-html-attribute></mj-selector>',
    f"<mj-style></style><script>{MARK}</script></mj-style>",
    f"{{{{ request }}}} {{% load x %}} {{% autoescape off %}}<script>{MARK}</script>",
    f"⟦why⟧⟦name:PHNjcmlwdD4⟧<script>{MARK}</script>",
    f'<span data-merge="name"><script>{MARK}</script>" onclick="{MARK}</span>',
    f"<span data-merge='name\" onclick=\"{MARK}'>x</span>",
    f"</title><script>{MARK}</script>",
    f"</style><script>{MARK}</script>",
    f'b1 lang-en" onclick="{MARK}',
)

ADDRESSES = (
    f"javascript:{MARK}",
    f"JAVASCRIPT:{MARK}",
    f"java\tscript:{MARK}",
    f"java&#115;cript:{MARK}",
    f"&#106;avascript:{MARK}",
    f"\x01javascript:{MARK}",
    f"javascript&colon;{MARK}",
    f"data:text/html,<script>{MARK}</script>",
    f"vbscript:{MARK}",
    f'//evil.example/" onclick="{MARK}',
    f'https://kabarlintas.example/" onclick="{MARK}',
    f"https://kabarlintas.example/' onclick='{MARK}",
    f"https://kabarlintas.example/<script>{MARK}</script>",
    f'mailto:x@y.example?subject="><script>{MARK}</script>',
)


def document(words: str, *, address: str = LINK, picture: content.Picture | None = None) -> content.Document:
    """`words` in every text of every kind, `address` in every URL field."""
    line, rich = words, f"<p>{words}</p><ul><li>{words}</li></ul>"
    story = content.StoryWords(headline=line, summary=rich, url=address, link_text=line, image_alt=line, update=line)
    blocks: list[Any] = [
        content.Lead(id="blead", picture=picture, words={"id": story}),
        content.Story(id="bstory", picture=picture, words={"id": story}),
        content.Brief(id="bbrief", words={"id": story}),
        content.Text(id="btext", words={"id": content.TextWords(heading=line, body=rich)}),
        content.Callout(id="bnotice", tone="scam", words={"id": content.TextWords(heading=line, body=rich)}),
        content.Image(
            id="bimage",
            picture=picture,
            words={"id": content.ImageWords(image_alt=line, caption=line, facts=rich, url=address)},
        ),
        content.Video(
            id="bvideo",
            picture=picture,
            words={
                "id": content.VideoWords(
                    headline=line, summary=rich, url=address, duration=line, transcript_url=address, image_alt=line
                )
            },
        ),
        content.Faq(
            id="bfaq",
            words={"id": content.FaqWords(heading=line, questions=[content.FaqEntry(question=line, answer=rich)])},
        ),
        content.Quote(id="bquote", words={"id": content.QuoteWords(quote=line, source=line)}),
        content.CalendarEvent(
            id="bevent",
            starts_at="2026-11-28T08:00",
            words={"id": content.CalendarEventWords(headline=line, summary=rich, place=line, url=address)},
        ),
        content.Button(id="bbutton", words={"id": content.ButtonWords(label=line, url=address)}),
    ]
    whole = content.Document(envelopes={"id": content.Envelope(subject=line, preheader=line)}, blocks=blocks)
    return content.parse(content.dump(whole))  # no two blocks have the same text
