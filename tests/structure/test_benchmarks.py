"""The benchmarks keep their promises: exit codes, the keys of the JSON file, and bytes that are exact. No speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("benchmarks")]
ROOT = Path(__file__).resolve().parents[2]


def benchmarks(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """One quick run of `compile`: what it printed, and its JSON."""
    file = tmp_path_factory.mktemp("benchmarks") / "found.json"
    done = benchmarks("compile", "--quick", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(file.read_text())


def test_the_json_holds_machine_results_and_ratios(compiled):
    _printed, found = compiled

    assert set(found) == {"machine", "results", "ratios"}
    assert {"processor", "cores", "memory_mb", "python", "versions", "load_before", "load_after"} <= set(
        found["machine"]
    )
    assert set(found["results"]) == {"compile"}
    assert list(found["ratios"]) == ["build_vs_stdlib"]


def test_the_messages_of_the_reference_issue_are_byte_exact(compiled):
    _printed, found = compiled

    assert found["results"]["compile"]["byte_exact"] is True
    assert found["results"]["compile"]["faults"] == []


def test_the_reference_issue_keeps_its_size(compiled):
    _printed, found = compiled

    told = found["results"]["compile"]
    assert told["links"] == 12
    assert 58_000 <= told["html_bytes"] <= 66_000
    assert 7_500 <= told["text_bytes"] <= 9_000


def test_the_table_names_the_figures_and_the_ratio(compiled):
    printed, _found = compiled

    assert "us a personalised message" in printed
    assert "build_vs_stdlib" in printed
    assert "load average" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [(["compyle"], "there is no benchmark 'compyle'"), (["--json", "/no/such/folder/x.json"], "--json: cannot write")],
    ids=["an unknown name", "a file that cannot be written"],
)
def test_wrong_use_ends_with_2_and_says_why(words, said):
    done = benchmarks(*words)

    assert done.returncode == 2
    assert said in done.stderr


def test_a_database_of_another_kind_is_refused_in_words(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://warta@127.0.0.1/warta")

    done = benchmarks("compile", "--quick")

    assert done.returncode == 1
    assert "DATABASE_URL: it names no database we know" in done.stderr
