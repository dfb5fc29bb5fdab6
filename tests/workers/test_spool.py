"""Spools: records that survive a crash, and file locks that show the owner."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from workers import spool


def make_header(folder: Path, **fields) -> spool.SpoolHeader:
    given = {"issue": 1, "batch": 7, "attempt": 2, "worker": spool.worker_name(folder), "window": 1, "ids": (3, 5, 8)}
    return spool.SpoolHeader(**{**given, **fields})


def test_records_come_back_in_order(tmp_path):
    file = tmp_path / "a.spool"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for payload in (b"satu", b"", b"tiga"):
        spool.append_record(descriptor, payload)

    assert [payload for payload, _end in spool.read_records(file)] == [b"satu", b"", b"tiga"]
    [(_first, end), *_rest] = spool.read_records(file)
    assert [payload for payload, _end in spool.read_records(file, end)] == [b"", b"tiga"]


def test_a_tail_torn_anywhere_loses_only_the_last_record(tmp_path):
    whole = spool.encode_record(b"satu") + spool.encode_record(b"dua")
    file = tmp_path / "a.spool"

    for cut in range(len(spool.encode_record(b"satu")), len(whole)):
        file.write_bytes(whole[:cut])
        assert [payload for payload, _end in spool.read_records(file)] == [b"satu"]


def test_a_flipped_bit_ends_the_reading(tmp_path):
    raw = bytearray(spool.encode_record(b"satu") + spool.encode_record(b"dua"))
    raw[9] ^= 1
    (tmp_path / "a.spool").write_bytes(raw)

    assert list(spool.read_records(tmp_path / "a.spool")) == []


def test_a_held_spool_is_nobody_elses(tmp_path):
    held = spool.SendSpool(tmp_path, make_header(tmp_path))

    assert list(spool.find_orphaned(tmp_path)) == []

    held.close()
    assert [left.batch for left in spool.find_orphaned(tmp_path)] == [7]


def test_a_spool_that_another_process_is_making_is_left_to_it(tmp_path):
    theirs = tmp_path / "7-2.new"
    theirs.write_bytes(b"theirs")
    with theirs.open("rb") as held:
        assert spool.try_lock(held.fileno())

        with pytest.raises(BlockingIOError, match=r"7-2\.new"):
            spool.SendSpool(tmp_path, make_header(tmp_path))

    assert theirs.read_bytes() == b"theirs"
    spool.SendSpool(tmp_path, make_header(tmp_path)).close()
    assert [left.header for left in spool.find_orphaned(tmp_path)] == [make_header(tmp_path)]


def test_what_was_answered_is_read_by_somebody_else(tmp_path):
    held = spool.SendSpool(tmp_path, make_header(tmp_path))
    held.append(spool.SpooledResult(0, "accepted", "250 2.0.0", "", "4XyZ", "<a@b.example>"))
    held.append(spool.SpooledResult(1, "refused", "550 5.1.1", "No such user"))
    held.close()

    [left] = spool.find_orphaned(tmp_path)

    assert left.header == make_header(tmp_path)
    assert left.answers == (
        spool.SpooledResult(0, "accepted", "250 2.0.0", "", "4XyZ", "<a@b.example>"),
        spool.SpooledResult(1, "refused", "550 5.1.1", "No such user"),
    )
    assert left.is_complete


def test_a_spool_from_before_a_restart_may_lack_answers(tmp_path):
    spool.SendSpool(tmp_path, make_header(tmp_path, boot="another-boot")).close()

    [left] = spool.find_orphaned(tmp_path)
    assert not left.is_complete


def test_a_holder_who_lets_go_in_peace_leaves_nobody_uncertain(tmp_path):
    held = spool.SendSpool(tmp_path, make_header(tmp_path))
    held.append(spool.SpooledResult(0, "accepted"))
    held.close(has_in_flight=False)

    [left] = spool.find_orphaned(tmp_path)
    assert (left.window, len(left.answers)) == (0, 1)


def test_a_spool_that_was_never_finished_is_swept_away_in_time(tmp_path):
    file = tmp_path / "7-2.new"
    file.write_bytes(b"")

    assert list(spool.find_orphaned(tmp_path)) == []
    assert file.exists()
    os.utime(file, (0, 0))
    assert list(spool.find_orphaned(tmp_path)) == []
    assert not file.exists()


def test_a_spool_that_is_not_understood_tells_nothing_and_hides_no_other(tmp_path):
    (tmp_path / "3-1.send").write_bytes(spool.encode_record(b'{"of": "another version"}'))
    (tmp_path / "4-1.send").write_bytes(
        spool.encode_record(b'[1, 4, 1, "host", 1, [3], "boot"]') + spool.encode_record(b"?")
    )
    (tmp_path / "copy of 4-1.send").write_bytes(b"")
    spool.SendSpool(tmp_path, make_header(tmp_path)).close()

    strange, torn, whole = spool.find_orphaned(tmp_path)

    assert [(left.batch, left.attempt, left.window) for left in (strange, torn)] == [(3, 1, None), (4, 1, None)]
    assert whole.header == make_header(tmp_path)


def test_a_recorded_spool_is_gone(tmp_path):
    spool.SendSpool(tmp_path, make_header(tmp_path)).discard()

    assert list(spool.find_orphaned(tmp_path)) == []


def test_a_lock_dies_with_its_process(tmp_path):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_hold_and_die, args=(tmp_path,))
    process.start()
    process.join()

    assert [len(left.answers) for left in spool.find_orphaned(tmp_path)] == [1]


def _hold_and_die(folder: Path) -> None:
    held = spool.SendSpool(folder, make_header(folder))
    held.append(spool.SpooledResult(0, "accepted"))
    os._exit(9)


def test_a_folder_keeps_its_name_and_a_new_one_gets_another(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"

    assert spool.folder_id(first) == spool.folder_id(first)
    assert spool.folder_id(first) != spool.folder_id(second)
    assert len(spool.worker_name(first)) <= 80
