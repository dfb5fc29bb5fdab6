"""The start page's line about the sign-up box."""

from __future__ import annotations

import pytest

from newsletter.studio.start import dashboard
from subscribers.models import SignupRequest
from tests.factories import make_newsletter

pytestmark = pytest.mark.django_db


def box(newsletter):
    return next(step for step in dashboard.list_setup_steps(newsletter) if step.title == "Sign-up box on your pages")


def test_the_first_sign_up_ticks_off_the_box_of_its_newsletter_only():
    used, other = make_newsletter(), make_newsletter()
    before = box(used).is_done

    SignupRequest.objects.create(email="siti@pembaca.example", language="id").newsletters.add(used)

    assert (before, box(used).is_done, box(other).is_done) == (False, True, False)
