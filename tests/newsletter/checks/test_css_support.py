"""The curated list of CSS that neither Gmail nor Outlook knows: what it finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from newsletter.checks import css_support


@pytest.mark.parametrize(
    ("style", "name"),
    [
        ("color:red; position : absolute", "position"),
        ("left:0", "left, right, top, bottom, inset"),
        ("INSET-inline-start:0", "left, right, top, bottom, inset"),
        ("z-index:1", "z-index"),
        ("display:inline-flex", "display: flex, display: grid"),
        ("justify-content:center", "flex-direction, flex-wrap, align-items, justify-content"),
        ("grid-template-columns:1fr", "grid-template"),
        ("gap:1px", "gap"),
        ("aspect-ratio:1", "aspect-ratio"),
        ("object-fit:cover", "object-fit"),
        ("transform:none", "transform"),
        ("max-inline-size:1px", "inline-size and its like"),
        ("margin-inline-start:1px", "margin, padding and border by writing direction"),
        ("color:var(--x)", "custom properties"),
        ("width:calc(1px + 1px)", "calc()"),
        ("background:#fff url(x.png)", "background-image"),
        ("visibility:hidden", "visibility"),
    ],
)
def test_a_weak_feature_is_named_in_attributes_and_in_sheets(style, name):
    assert list(css_support.find_weak_features(sheets=[], attributes=[style])) == [name]
    assert list(
        css_support.find_weak_features(sheets=[f"@media (max-width:480px) {{ .a {{ {style} }} }}"], attributes=[])
    ) == [name]


@pytest.mark.parametrize(
    ("sheet", "name"),
    [
        ("p:last-child { margin:0 }", "which child it is"),
        ("p:nth-of-type(2) { margin:0 }", "which child it is"),
        ("td:has(a) { margin:0 }", ":has(), :not(), :lang(), :checked"),
        ("a::before { color:red }", "::before, ::after"),
        ("@supports (gap:1px) { a { color:red } }", "@supports, @keyframes, @container, @layer"),
        (".a { & b { color:red } }", "nesting"),
    ],
)
def test_a_weak_selector_is_named(sheet, name):
    assert list(css_support.find_weak_features(sheets=[sheet], attributes=[])) == [name]


@pytest.mark.parametrize(
    "style",
    [
        "border-left:4px solid;padding-right:2px;text-align:left",
        "text-transform:none;background-color:#fff;vertical-align:top",
        "text-underline-offset:4px;text-decoration-thickness:1px",
        "display:inline-block;max-width:100%;direction:rtl",
    ],
)
def test_what_works_or_only_adorns_is_left_alone(style):
    assert not list(
        css_support.find_weak_features(
            sheets=[f"@media (max-width:480px) {{ .a > b {{ {style} }} }}"], attributes=[style]
        )
    )


def test_what_a_comment_says_is_not_used():
    assert not list(
        css_support.find_weak_features(sheets=["/* p:last-child { position:fixed } */ p { color:red }"], attributes=[])
    )
