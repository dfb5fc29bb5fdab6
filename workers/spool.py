"""Append-only record files of one host: hits before they are loaded, and answers of a send before they are recorded.

A record is its length, its CRC and its bytes, written by one `write`. Readers detect a record that a crash left
incomplete and stop before it. The process that holds the `flock` of a file owns it; the kernel releases the lock when
the process ends, even by `kill -9`.

What survives: `kill -9` loses nothing that `write` has returned for, because the page cache belongs to the kernel. A
power failure or kernel crash loses at most the records since the last fsync (SYNC_INTERVAL_S); a changed boot id shows
that this may have happened.
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
"""Age at which a `.new` file is deleted: a crash left it behind between its creation and its renaming."""


# --- records ---------------------------------------------------------------------------------------------------------


def encode_record(payload: bytes) -> bytes:
    """Return a record in the format of the file. Write it with a single `os.write` to a file opened with O_APPEND."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def append_record(descriptor: int, payload: bytes) -> int:
    """Write one record to a file opened with O_APPEND. Return its size. Raises OSError after a short write (disk full)."""
    record = encode_record(payload)
    written = os.write(descriptor, record)
    if written != len(record):
        raise OSError(errno.ENOSPC, f"The spool took {written} of {len(record)} bytes")
    return written


def read_records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield (payload, offset after it) of each complete record from `offset` on. Stop before an incomplete record."""
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
    """Take the exclusive `flock` without waiting. Return False if another open file description holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- host, boot and folder ---------------------------------------------------------------------------------------------


@cache
def boot_id() -> str:
    """Return an id that changes with each start of the host. Records that were not synced before may be lost.

    Without /proc the id is the wall-clock second of the start. Setting the clock changes it; then answers count as
    possibly lost, which is the safe direction.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{time.time() - time.monotonic():.0f}"


def folder_id(folder: Path) -> str:
    """Return the random id of this folder; create it on first use. A folder that was lost and recreated has another id.

    Race: several processes may create it at once. `os.link` is atomic and fails if the id_file exists, so all read the same.
    """
    id_file = folder / "folder-id"
    try:
        return id_file.read_text().strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    fresh = folder / f"folder-id.{secrets.token_hex(4)}.new"
    fresh.write_text(secrets.token_hex(4))
    try:
        os.link(fresh, id_file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    _sync_folder(folder)
    return id_file.read_text().strip()


def host_name() -> str:
    return socket.gethostname()[:40].replace(":", "-")


def worker_name(folder: Path) -> str:
    """Return host:pid:boot:folder. Settling uses it to find the spool of a claim holder."""
    return f"{host_name()}:{os.getpid()}:{boot_id()[:8]}:{folder_id(folder)}"


def spool_path(folder: Path, batch: int, attempt: int) -> Path:
    return folder / f"{batch}-{attempt}.send"


def _sync_folder(folder: Path) -> None:
    """fsync the directory: without it, a power failure may lose a created or renamed entry."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the spool of one claim ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpoolHeader:
    """The first record of a spool: the readers of the claim in order, and how many may be unanswered at once."""

    issue: int
    batch: int
    attempt: int
    worker: str
    window: int
    ids: tuple[int, ...]
    boot: str = field(default_factory=boot_id)
    account: str = ""
    """The provider account that sends, if the provider offers look-ups; else ""."""


@dataclass(frozen=True, slots=True)
class SpooledResult:
    """The outcome of the reader at `position` of `SpoolHeader.ids`."""

    position: int
    outcome: str
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    message_id: str = ""


NOTHING_IN_FLIGHT = 0xFFFFFFFF
"""Position of a last record that says: no message is in flight. It belongs to no reader."""
OUTCOMES = ("accepted", "refused", "deferred", "skipped", "uncertain")


def _pack(result: SpooledResult) -> bytes:
    texts = "\0".join((result.code, result.detail, result.provider_id, result.message_id))
    return _ANSWER.pack(result.position, OUTCOMES.index(result.outcome)) + texts.encode()


def _unpack(payload: bytes) -> SpooledResult:
    position, outcome = _ANSWER.unpack_from(payload)
    return SpooledResult(position, OUTCOMES[outcome], *payload[_ANSWER.size :].decode().split("\0"))


class SendSpool:
    """The answers of one claim, each written before the next message is sent. Locked until closed."""

    def __init__(self, folder: Path, header: SpoolHeader) -> None:
        self.file = spool_path(folder, header.batch, header.attempt)
        # Created under another name, locked, filled and synced before the rename: a `.send` file always has a complete
        # header and a lock. A crash before the rename leaves a `.new` file, and its claim has sent nothing.
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

    def append(self, result: SpooledResult) -> None:
        """Write one answer. It survives `kill -9` at once, a power failure after at most SYNC_INTERVAL_S."""
        append_record(self._descriptor, _pack(result))
        if time.monotonic() - self._synced >= SYNC_INTERVAL_S:
            os.fdatasync(self._descriptor)
            self._synced = time.monotonic()

    def close(self, *, has_in_flight: bool = True) -> None:
        """Release the file for settling. Without a message in flight, record that no reader is uncertain."""
        try:
            if not has_in_flight:
                append_record(self._descriptor, _pack(SpooledResult(NOTHING_IN_FLIGHT, "skipped")))
        finally:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Delete the file, then release the lock. Call it after all results are committed to the database."""
        # Unlink first: if the lock were released first, another process could read the file and settle it again.
        self.file.unlink(missing_ok=True)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class OrphanedSpool:
    """A spool without a holder. `header` is None if the header is incomplete or cannot be parsed."""

    file: Path
    batch: int
    attempt: int
    header: SpoolHeader | None
    answers: tuple[SpooledResult, ...]
    has_in_flight: bool = True

    @property
    def window(self) -> int | None:
        """How many of the unanswered readers may have been sent to; None if unknown."""
        if self.header is None or not self.is_complete:
            return None
        return self.header.window if self.has_in_flight else 0

    @property
    def is_complete(self) -> bool:
        """True if the host has not restarted since: every answer that was written is in the file."""
        return self.header is not None and self.header.boot == boot_id()


def find_orphaned(folder: Path) -> Iterator[OrphanedSpool]:
    """Yield spools that no process holds. Each is locked while the caller handles it; delete `file` after settling."""
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
    """Delete old `.new` files. Their claims sent nothing."""
    for file in folder.glob("*.new"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > UNFINISHED_MAX_AGE_S:
                file.unlink()


def _open_locked(file: Path) -> int | None:
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    # Race: the holder unlinks the file before it releases the lock. Whoever opened it before that gets the lock of a
    # deleted file, so the name is checked again under the lock.
    if try_lock(descriptor) and file.exists():
        return descriptor
    os.close(descriptor)
    return None


def _from_file_name(file: Path) -> OrphanedSpool | None:
    """Return batch and attempt from the file's name, or None if it is not the name of a spool."""
    batch, dash, attempt = file.stem.partition("-")
    if not (dash and batch.isdecimal() and attempt.isdecimal()):
        logger.error("not a spool", extra={"spool": file.name})
        return None
    return OrphanedSpool(file, int(batch), int(attempt), None, ())


def _parse_or_log(left: OrphanedSpool) -> OrphanedSpool:
    """Parse the file. If it cannot be parsed (another version wrote it), all its unanswered readers are uncertain."""
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
    has_in_flight = answers.pop(NOTHING_IN_FLIGHT, None) is None
    return replace(left, header=header, answers=tuple(answers.values()), has_in_flight=has_in_flight)
