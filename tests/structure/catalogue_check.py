"""The Indonesian catalogue is complete, compiled and in step with the sources (the last needs gettext)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "newsletter/locale/id/LC_MESSAGES/django.po"
PLACEHOLDER = __import__("re").compile(r"%\((\w+)\)")


def untranslated(catalogue: polib.POFile) -> list[str]:
    return [entry.msgid for entry in catalogue.untranslated_entries() + catalogue.fuzzy_entries() if not entry.obsolete]


def broken_placeholders(catalogue: polib.POFile) -> list[str]:
    """Sentences whose translation lacks, or invents, a named placeholder."""
    return [
        entry.msgid
        for entry in catalogue.translated_entries()
        for words in ([entry.msgstr] if not entry.msgid_plural else entry.msgstr_plural.values())
        if set(PLACEHOLDER.findall(words)) - set(PLACEHOLDER.findall(entry.msgid + entry.msgid_plural))
        or set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)) - set(PLACEHOLDER.findall(words)) - {"number"}
    ]


def compiled_differs(catalogue: polib.POFile) -> bool:
    compiled = {
        entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    }
    wanted = {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in catalogue.translated_entries()}
    return compiled != wanted


def missing_from(catalogue: polib.POFile) -> list[str] | None:
    """Sentences in the sources that the catalogue lacks; None where gettext is not installed."""
    if shutil.which("xgettext") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        ignore = shutil.ignore_patterns(".venv", "var", ".git", "tests", "*.pyc", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignore)
        command = [sys.executable, "manage.py", "makemessages", "--locale", "id", "--no-location", "--no-wrap"]
        command += ["--extension", "html,txt,py,mjml", "--verbosity", "0"]
        subprocess.run(command, cwd=copy, check=True)
        fresh = polib.pofile(str(copy / CATALOGUE.relative_to(ROOT)))
    known = {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}
    return [entry.msgid for entry in fresh if not entry.obsolete and (entry.msgctxt, entry.msgid) not in known]


def main() -> int:
    catalogue = polib.pofile(str(CATALOGUE))
    faults = [f"not translated: {msgid!r}" for msgid in untranslated(catalogue)]
    faults += [f"placeholders differ: {msgid!r}" for msgid in broken_placeholders(catalogue)]
    if compiled_differs(catalogue):
        faults.append("the compiled catalogue is stale: run make messages")
    missing = missing_from(catalogue)
    if missing is None:
        print("catalogue: gettext is not installed, so sources were not compared")
    else:
        faults += [f"missing from the catalogue: {msgid!r}" for msgid in missing]
    print("\n".join(faults) or f"catalogue: {len(catalogue.translated_entries())} sentences, all translated")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
