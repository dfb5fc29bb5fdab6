"""Files of records that are only ever appended to: length, CRC-32, payload. A reader stops at a torn or foreign end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_HEAD = struct.Struct("<II")
MOST_PAYLOAD = 1 << 20


def frame(payload: bytes) -> bytes:
    """One record as it lies in the file; write it with a single `os.write` to a file opened O_APPEND."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def read_records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """(payload, offset after it) of each whole record from `offset` on; ends before the first that is torn."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            payload = file.read(length) if length <= MOST_PAYLOAD else b""
            if len(payload) != length or zlib.crc32(payload) != checksum:
                return
            offset += _HEAD.size + length
            yield payload, offset
