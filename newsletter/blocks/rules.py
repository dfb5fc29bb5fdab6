"""The checks of all kinds, by stored kind. Separate from `registry`, because checks use Django."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from newsletter.blocks import registry
from newsletter.blocks.base import BlockBase
from newsletter.blocks.findings import BlockChecks


def _load(name: str) -> BlockChecks:
    """A folder without `checks.py` has no rules of its own."""
    module = f"newsletter.blocks.{name}.checks"
    checks: BlockChecks = import_module(module).CHECKS if find_spec(module) else BlockChecks()
    return checks


CHECKS: dict[str, BlockChecks] = {name: _load(name) for name in registry.KINDS}


def checks_of(block: BlockBase) -> BlockChecks:
    return CHECKS[registry.kind_of(block).name]
