"""A browser that tells on us: CSP violations, console errors and requests to other hosts fail the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

PATH = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_chromium = pytest.mark.skipif(not PATH, reason="no Chromium found: install it, or name it in CHROMIUM")


@contextmanager
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=PATH, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


def session_cookies(client, *, url: str) -> list[dict[str, str]]:
    """What a browser needs to be logged in at `url` as `client` is."""
    return [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}]


def watched_page(context, *, home: str, complaints: list[str]):
    """A page of `context` that writes down what a visitor's browser would complain about."""
    page = context.new_page()

    def console(message) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            complaints.append(f"console: {message.text}")

    def request(sent) -> None:
        target = urlsplit(sent.url)
        if target.scheme in {"http", "https"} and f"{target.scheme}://{target.netloc}" != home:
            complaints.append(f"request to another host: {target.netloc}")

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", request)
    return page


def axe_complaints(page) -> list[str]:
    """What axe finds by WCAG 2.2 AA, one line a rule."""
    from axe_playwright_python.sync_playwright import Axe

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}}).response["violations"]
    return [f"{rule['id']} at {rule['nodes'][0]['target']}: {rule['help']}" for rule in found]
