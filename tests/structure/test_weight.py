"""Pages stay light: the style sheets keep to their sizes as they are served, and are written for people."""

from __future__ import annotations

import json
from pathlib import Path

import cssbeautifier
import pytest
from django.core.management import call_command
from django.test import override_settings

ROOT = Path(__file__).parents[2]
STYLE_SHEETS = sorted([*ROOT.glob("newsletter/static/**/*.css"), *ROOT.glob("workers/static/**/*.css")])


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """The folder that `collectstatic` fills in production and in `manage.py run`."""
    folder = tmp_path_factory.mktemp("static")
    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "newsletter.web.static_files.MinifyingStorage"},
    }
    with override_settings(STORAGES=storages, STATIC_ROOT=folder):
        call_command("collectstatic", interactive=False, verbosity=0)
    return folder


def served(folder: Path, name: str) -> Path:
    names = json.loads((folder / "staticfiles.json").read_text())["paths"]
    return folder / names[name]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("newsletter/public.css", 6 * 1024),
        ("newsletter/studio.css", 30 * 1024),
        ("newsletter/composer.css", 20 * 1024),
    ],
)
def test_a_style_sheet_keeps_its_size_as_it_is_served(collected, name, most):
    assert served(collected, name).stat().st_size <= most


def test_every_style_sheet_of_the_project_is_minified_when_it_is_collected(collected):
    for file in STYLE_SHEETS:
        name = str(file.relative_to(file.parents[1]))

        assert "\n" not in served(collected, name).read_text(), name


@pytest.mark.parametrize("file", STYLE_SHEETS, ids=lambda file: file.name)
def test_a_style_sheet_is_written_as_make_format_writes_it(file):
    options = cssbeautifier.default_options()
    options.indent_size, options.end_with_newline = 2, True
    options.newline_between_rules, options.space_around_combinator = False, True

    assert file.read_text() == cssbeautifier.beautify(file.read_text(), options), "run make format"
