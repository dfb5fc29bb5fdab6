"""The forms of all kinds, by stored kind. Separate from `registry`, because forms use Django."""

from __future__ import annotations

from importlib import import_module

from newsletter.blocks import registry
from newsletter.blocks.base import BlockBase
from newsletter.blocks.fields import BlockForm

FORMS: dict[str, BlockForm] = {name: import_module(f"newsletter.blocks.{name}.form").FORM for name in registry.KINDS}


def form_of(block: BlockBase) -> BlockForm:
    return FORMS[registry.kind_of(block).name]
