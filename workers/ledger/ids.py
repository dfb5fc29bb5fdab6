"""Subscription ids as `Batch.reader_ids` stores them: little-endian signed 64-bit integers, ascending."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

BATCH_SIZE = 500


def pack(ids: Iterable[int]) -> bytes:
    return _to_little_endian(array("q", ids)).tobytes()


def unpack(raw: bytes | memoryview) -> array[int]:
    ids = array("q")
    ids.frombytes(bytes(raw))
    return _to_little_endian(ids)


def _to_little_endian(ids: array[int]) -> array[int]:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


Part = TypeVar("Part")


def batched(ids: Sequence[Part]) -> Iterator[Sequence[Part]]:
    return (ids[start : start + BATCH_SIZE] for start in range(0, len(ids), BATCH_SIZE))
