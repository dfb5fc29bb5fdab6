"""`crash_test` itself: that it kills, counts, and says what it found; and that it would notice a doubled or lost mail."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.running_site import ROOT
from workers.crash_test.trial import Verdict


def crash_test(*arguments):
    command = [sys.executable, "manage.py", "crash_test", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=300)


@pytest.mark.processes
def test_kills_of_every_kind_lose_and_double_nobody():
    done = crash_test("--readers", "240", "--kills", "4", "--seed", "20261124")

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["readers"], told["kills"], told["lost"], told["doubled"]) == (240, 4, 0, 0)
    assert told["accepted"] + told["uncertain"] == 240
    assert told["uncertain"] <= 2 * told["kills"]
    assert len([line for line in done.stdout.splitlines() if " taken " in line]) == 4


@pytest.mark.processes
def test_calls_of_a_merge_provider_that_are_cut_lose_and_double_nobody():
    """Who is without an answer is named, twenty readers a call; the provider is asked for them later."""
    done = crash_test("--route", "http", "--readers", "240", "--kills", "2", "--seed", "20261124")

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert sorted(told) == ["accepted", "doubled", "kills", "lost", "readers", "uncertain"]
    assert (told["readers"], told["lost"], told["doubled"]) == (240, 0, 0)
    assert told["accepted"] + told["uncertain"] == 240
    assert told["uncertain"] <= 2 * 20 * told["kills"]
    assert "instead of an answer" in done.stdout


@pytest.mark.parametrize(
    ("lost", "doubled", "holds"), [(0, 0, True), (1, 0, False), (0, 1, False)], ids=["well", "lost", "doubled"]
)
def test_one_lost_or_doubled_reader_breaks_the_promise(lost, doubled, holds):
    verdict = Verdict(readers=10, kills=1, accepted=9, lost=lost, doubled=doubled, uncertain=0)

    assert verdict.holds is holds


@pytest.mark.parametrize("arguments", [("--readers", "5"), ("--readers", "100", "--kills", "99")])
def test_what_cannot_be_done_is_refused_with_the_limits(arguments):
    with pytest.raises(CommandError, match="at least 100 readers") as refusal:
        call_command("crash_test", *arguments)

    assert refusal.value.returncode == 2
