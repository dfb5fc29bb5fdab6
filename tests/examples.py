"""How many examples a test of made-up input looks at: all of them, or, where TEST_EXAMPLES is `few`, every fifth."""

from __future__ import annotations

import os

FEW = os.environ.get("TEST_EXAMPLES", "all") == "few"


def examples(most: int) -> int:
    return max(1, most // 5) if FEW else most
