"""The set-up step for the sign-up box on the start page of the studio."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from newsletter.models import Newsletter
from newsletter.studio.start import dashboard
from subscribers.models import SignupRequest


def setup_steps(newsletter: Newsletter) -> Iterator[dashboard.SetupStep]:
    yield dashboard.SetupStep(
        title=_("Sign-up box on your pages"),
        why=_("Copy it into your article pages. This step is done after the first sign-up. 5 min"),
        url=reverse("signup-form-list"),
        is_done=SignupRequest.objects.filter(newsletters=newsletter).exists(),
        place=38,
    )
