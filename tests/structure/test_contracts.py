"""The import rule holds, and each contract bites: every one is broken once in a copy, and must be reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

BREACHES = [
    ("Nobody knows who stands above", "newsletter/roles.py", "import subscribers.models"),
    ("Nobody knows who stands above", "subscribers/audience.py", "import workers.models"),
    ("Inside newsletter", "newsletter/models/__init__.py", "import newsletter.issues"),
    ("Inside newsletter", "newsletter/stray.py", "x = 1"),
    ("Inside subscribers", "subscribers/tokens.py", "import subscribers.models"),
    ("Inside workers", "workers/message/builder.py", "import workers.ledger"),
    ("Rendering and the document are pure", "newsletter/content.py", "import django"),
    ("Only workers know the broker", "newsletter/issues.py", "import celery"),
    ("The web process never imports Celery", "workers/tracking/collector.py", "import celery"),
]


@pytest.fixture
def copy(tmp_path):
    for package in ("newsletter", "subscribers", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_tree_keeps_every_contract():
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("contract", "file", "breach"), BREACHES, ids=[f"{c} {f}" for c, f, _ in BREACHES])
def test_a_breach_of_the_contract_is_reported(copy, contract, file, breach):
    module = copy / file
    module.write_text((module.read_text() if module.exists() else "") + f"\n{breach}\n")

    result = lint(copy)

    assert result.returncode != 0
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(line.startswith(contract) for line in broken), result.stdout
