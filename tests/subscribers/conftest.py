"""What several tests of the package start from."""

from __future__ import annotations

import pytest

from tests.factories import make_newsletter


@pytest.fixture
def letter():
    return make_newsletter()
