"""The product's settings, with the plain tracking view in place of its pages."""

from newsletter.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.orm_view"
