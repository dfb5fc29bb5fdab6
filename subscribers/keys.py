"""Derived keys: one for each purpose, from SECRET_KEY by HKDF (RFC 5869).

Every stored HMAC and every token contains the one-byte id of its secret, so that old values still verify after
SECRET_KEY changes. The former secret must then be in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


@lru_cache(maxsize=64)
def _key_id(secret: str) -> int:
    return hashlib.sha256(b"warta key id\0" + secret.encode()).digest()[0]


@lru_cache(maxsize=512)
def _derive(secret: str, purpose: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=b"warta", info=purpose.encode()).derive(secret.encode())


def current_key_id() -> int:
    return _key_id(settings.SECRET_KEY)


def current_key(purpose: str, length: int = 32) -> bytes:
    return _derive(settings.SECRET_KEY, purpose, length)


def all_keys(purpose: str, length: int = 32) -> list[tuple[int, bytes]]:
    """(id, key) for SECRET_KEY and every fallback. The current one comes first."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [(_key_id(secret), _derive(secret, purpose, length)) for secret in secrets]


def hmac_digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def constant_time_compare(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one, other)
