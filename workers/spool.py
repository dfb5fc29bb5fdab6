"""Append-only record files of one host: hits before they are loaded, and the answers of a send before they are recorded.

A record is its length, its CRC and its bytes, written by one `write`. A tail torn by a crash is recognised and left
out. A file belongs to whoever holds its `flock`; the kernel lets go when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

_HEAD = struct.Struct("<II")
_ANSWER = struct.Struct("<IB")
MAX_PAYLOAD_BYTES = 1 << 20
SYNC_INTERVAL_S = 0.15
UNFINISHED_MAX_AGE_S = 3600


# --- records ---------------------------------------------------------------------------------------------------------


def encode_record(payload: bytes) -> bytes:
    """One record as it lies in the file; write it with a single `os.write` to a file opened O_APPEND."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def append_record(descriptor: int, payload: bytes) -> int:
    """Write one record to a file opened with O_APPEND; returns its size on disk."""
    record = encode_record(payload)
    written = os.write(descriptor, record)
    if written != len(record):
        raise OSError(errno.ENOSPC, f"The spool took {written} of {len(record)} bytes")
    return written


def read_records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """(payload, offset after it) of each whole record from `offset` on; ends before the first that is torn."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            payload = file.read(length) if length <= MAX_PAYLOAD_BYTES else b""
            if len(payload) != length or zlib.crc32(payload) != checksum:
                return
            offset += _HEAD.size + length
            yield payload, offset


def try_lock(descriptor: int) -> bool:
    """Take the file without waiting; False if somebody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- where we are ----------------------------------------------------------------------------------------------------


@cache
def boot_id() -> str:
    """Changes whenever the host starts: what was not synced by then may be gone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{time.time() - time.monotonic():.0f}"


def folder_id(folder: Path) -> str:
    """A random name for this very folder. A folder that was lost and made again has another one."""
    file = folder / "folder-id"
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    fresh = folder / f"folder-id.{secrets.token_hex(4)}.new"
    fresh.write_text(secrets.token_hex(4))
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    _sync_folder(folder)
    return file.read_text().strip()


def host_name() -> str:
    return socket.gethostname()[:40].replace(":", "-")


def worker_name(folder: Path) -> str:
    """host:pid:boot:folder, which says whose spool tells what a claim holder did."""
    return f"{host_name()}:{os.getpid()}:{boot_id()[:8]}:{folder_id(folder)}"


def spool_path(folder: Path, batch: int, attempt: int) -> Path:
    return folder / f"{batch}-{attempt}.send"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the spool of one claim ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpoolHeader:
    """What a claim set out to do: whom, in which order, and how many messages may be unanswered at once."""

    issue: int
    batch: int
    attempt: int
    worker: str
    window: int
    ids: tuple[int, ...]
    boot: str = field(default_factory=boot_id)
    account: str = ""
    """Which account of a provider it goes by, where that provider can be asked."""


@dataclass(frozen=True, slots=True)
class SpooledResult:
    """What became of the reader at `position` of the dispatch list."""

    position: int
    outcome: str
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    message_id: str = ""


NOTHING_IN_FLIGHT = 0xFFFFFFFF
"""A position that is no reader's: the holder let go in peace, so nobody is uncertain."""
OUTCOMES = ("accepted", "refused", "deferred", "skipped", "uncertain")


def _pack(answer: SpooledResult) -> bytes:
    words = "\0".join((answer.code, answer.detail, answer.provider_id, answer.message_id))
    return _ANSWER.pack(answer.position, OUTCOMES.index(answer.outcome)) + words.encode()


def _unpack(payload: bytes) -> SpooledResult:
    position, outcome = _ANSWER.unpack_from(payload)
    return SpooledResult(position, OUTCOMES[outcome], *payload[_ANSWER.size :].decode().split("\0"))


class SendSpool:
    """The answers of one claim, written one by one before the next message leaves. Locked until closed."""

    def __init__(self, folder: Path, header: SpoolHeader) -> None:
        self.file = spool_path(folder, header.batch, header.attempt)
        fresh = self.file.with_suffix(".new")
        self._descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        if not try_lock(self._descriptor):
            os.close(self._descriptor)
            raise BlockingIOError(errno.EAGAIN, f"Another process holds {fresh.name}")
        try:
            os.ftruncate(self._descriptor, 0)
            append_record(
                self._descriptor, json.dumps([getattr(header, name) for name in SpoolHeader.__slots__]).encode()
            )
            os.fsync(self._descriptor)
            fresh.rename(self.file)
            _sync_folder(folder)
        except OSError:
            fresh.unlink(missing_ok=True)
            os.close(self._descriptor)
            raise
        self._synced = time.monotonic()

    def answer(self, answer: SpooledResult) -> None:
        append_record(self._descriptor, _pack(answer))
        if time.monotonic() - self._synced >= SYNC_INTERVAL_S:
            os.fdatasync(self._descriptor)
            self._synced = time.monotonic()

    def close(self, *, under_way: bool = True) -> None:
        """Let go of the file and leave it to be settled; say so if no message is without an answer."""
        try:
            if not under_way:
                append_record(self._descriptor, _pack(SpooledResult(NOTHING_IN_FLIGHT, "skipped")))
        finally:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Everything in it is in the database: delete it, then let go."""
        self.file.unlink(missing_ok=True)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class OrphanedSpool:
    """A spool whose holder is gone. `header` is None if not even that was whole."""

    file: Path
    batch: int
    attempt: int
    header: SpoolHeader | None
    answers: tuple[SpooledResult, ...]
    under_way: bool = True

    @property
    def window(self) -> int | None:
        """How many of the unanswered may have left; None if nobody can tell."""
        if self.header is None or not self.is_complete:
            return None
        return self.header.window if self.under_way else 0

    @property
    def is_complete(self) -> bool:
        """The host has not been restarted since: every answer that was written is here."""
        return self.header is not None and self.header.boot == boot_id()


def find_orphaned(folder: Path) -> Iterator[OrphanedSpool]:
    """Spools that nobody holds, locked while you look at them; delete `file` when it is settled."""
    _delete_unfinished(folder)
    for file in sorted(folder.glob("*.send")):
        descriptor = _open_locked(file)
        if descriptor is None:
            continue
        try:
            if named := _from_file_name(file):
                yield _parse_or_log(named)
        finally:
            os.close(descriptor)


def _delete_unfinished(folder: Path) -> None:
    """Spools that were never finished: their claim sent nothing."""
    for file in folder.glob("*.new"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > UNFINISHED_MAX_AGE_S:
                file.unlink()


def _open_locked(file: Path) -> int | None:
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if try_lock(descriptor) and file.exists():
        return descriptor
    os.close(descriptor)
    return None


def _from_file_name(file: Path) -> OrphanedSpool | None:
    """What its name alone tells; None if it is not one of ours."""
    batch, dash, attempt = file.stem.partition("-")
    if not (dash and batch.isdecimal() and attempt.isdecimal()):
        logger.error("not a spool", extra={"spool": file.name})
        return None
    return OrphanedSpool(file, int(batch), int(attempt), None, ())


def _parse_or_log(left: OrphanedSpool) -> OrphanedSpool:
    """Whole, yet not to be understood (by another version of this program): then nobody can tell what it did."""
    try:
        return _parse(left)
    except (LookupError, TypeError, ValueError, struct.error):
        logger.exception("spool not understood", extra={"spool": left.file.name})
        return left


def _parse(left: OrphanedSpool) -> OrphanedSpool:
    payloads = (payload for payload, _end in read_records(left.file))
    first = next(payloads, None)
    if first is None:
        return left
    fields = dict(zip(SpoolHeader.__slots__, json.loads(first), strict=False))
    header = SpoolHeader(**{**fields, "ids": tuple(fields["ids"])})
    answers = {answer.position: answer for answer in map(_unpack, payloads)}
    in_peace = answers.pop(NOTHING_IN_FLIGHT, None) is not None
    return replace(left, header=header, answers=tuple(answers.values()), under_way=not in_peace)
