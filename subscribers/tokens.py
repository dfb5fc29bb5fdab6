"""Encrypted tokens in links and ids. They cannot be guessed, read or used for another purpose. Pure: bytes in, text out.

Each kind has its own key (see `keys`). A token starts with the key's id. A hit token is a single AES block, which is
fast enough for every link of every mail. Its 48 check bits prevent guessing; it gives access to a counter only. All
other tokens use AES-SIV (RFC 5297): deterministic, encrypted, with 128 bits of authenticity.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.cmac import CMAC

from subscribers import keys

HIT = "token hit"
UNSUBSCRIBE = "token unsubscribe"
PREFERENCES = "token preferences"
CONFIRM = "token confirm"
EVENT = "token event"
MESSAGE_ID = "message id"
NOTICE_ID = "notice id"
CHECK_BYTES = bytes(6)


class InvalidToken(ValueError):
    """The token is foreign, altered, or made for another purpose."""


class ExpiredToken(ValueError):
    """The token is valid but has expired. `request_id` is the sign-up request."""

    def __init__(self, request_id: int) -> None:
        super().__init__(f"The link of sign-up request {request_id} has expired")
        self.request_id = request_id


# --- hits ------------------------------------------------------------------------------------------------------------


def make_hit(issue_id: int, subscription_id: int) -> str:
    """The token in tracked links and the pixel. Subscription 0 is shared by all readers."""
    sealed = _encryptor(keys.current_key(HIT)).update(_pack_block(subscription_id, issue_id))
    return _encode(bytes((keys.current_key_id(),)) + sealed)


def read_hit(token: str) -> tuple[int, int]:
    """(issue id, subscription id). Raises InvalidToken."""
    raw = _decode(token, 17)
    for key in _keys(HIT, raw[0]):
        block = _block_cipher(key).decryptor().update(raw[1:])
        if block[10:] == CHECK_BYTES:
            issue_id, shifted = struct.unpack(">IQ", block[:12])
            return issue_id, shifted >> 16
    raise InvalidToken("not one of our hit tokens")


def _pack_block(subscription_id: int, issue_id: int) -> bytes:
    """Ten bytes with the two ids, then six zero bytes."""
    return _BLOCK.pack(issue_id, subscription_id << 16)


_BLOCK = struct.Struct(">IQ4x")


def _encryptor(key: bytes) -> CipherContext:
    """Return the AES-ECB context of this thread. Blocks are independent, so one context can be used for all.

    A context is not thread-safe, so each thread has its own.
    """
    return _encryptor_of(key, threading.get_ident())


@lru_cache(maxsize=256)
def _encryptor_of(key: bytes, _thread: int) -> CipherContext:
    return _block_cipher(key).encryptor()


@lru_cache(maxsize=16)
def _block_cipher(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 a single block, never a message


# --- links of a reader -----------------------------------------------------------------------------------------------


def make_unsubscribe(subscription_id: int, issue_id: int = 0) -> str:
    return _seal(UNSUBSCRIBE, _pack_ids(subscription_id, issue_id))


def read_unsubscribe(token: str) -> tuple[int, int]:
    """(subscription id, issue id). The token never expires. Raises InvalidToken."""
    return _unpack_ids(_open(UNSUBSCRIBE, token, 10))


def make_preferences(subscription_id: int) -> str:
    return _seal(PREFERENCES, _pack_ids(subscription_id, 0))


def read_preferences(token: str) -> int:
    """The subscription id. Raises InvalidToken."""
    return _unpack_ids(_open(PREFERENCES, token, 10))[0]


def make_confirm(request_id: int, expires_at: datetime) -> str:
    return _seal(CONFIRM, struct.pack(">QI", request_id, int(expires_at.timestamp())))


def read_confirm(token: str, now: datetime) -> int:
    """The id of the sign-up request. Raises InvalidToken or ExpiredToken."""
    request_id, expires_at = struct.unpack(">QI", _open(CONFIRM, token, 12))
    if now > datetime.fromtimestamp(expires_at, UTC):
        raise ExpiredToken(request_id)
    return int(request_id)


# --- ids in mail and at providers ------------------------------------------------------------------------------------


def make_event_token(issue_id: int, subscription_id: int) -> str:
    """The token that a provider returns with its events. Only events with a valid token are accepted (T-43)."""
    return _seal(EVENT, _pack_ids(subscription_id, issue_id))


def read_event_token(text: str) -> tuple[int, int]:
    """(issue id, subscription id). Raises InvalidToken."""
    subscription_id, issue_id = _unpack_ids(_open(EVENT, text, 10))
    return issue_id, subscription_id


def message_id(issue_id: int, subscription_id: int, domain: str) -> str:
    """The Message-ID of one delivery. It is the same at each attempt and reveals no ids (S-03)."""
    return _message_id(MESSAGE_ID, _pack_ids(subscription_id, issue_id), domain)


def notice_message_id(notice_id: int, domain: str) -> str:
    return _message_id(NOTICE_ID, struct.pack(">Q", notice_id), domain)


def _message_id(purpose: str, message: bytes, domain: str) -> str:
    return f"<{_digest(keys.current_key(purpose), message)[:20].hex()}@{domain}>"


def _digest(key: bytes, message: bytes) -> bytes:
    """`keys.hmac_digest` with cached key states. For short messages most of the time of HMAC (RFC 2104) is the key."""
    inner, outer = (state.copy() for state in _hmac_states(key))
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=16)
def _hmac_states(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    padded = key.ljust(64, b"\0")
    return hashlib.sha256(bytes(sign ^ 0x36 for sign in padded)), hashlib.sha256(bytes(sign ^ 0x5C for sign in padded))


# --- for many readers at once ----------------------------------------------------------------------------------------


class SubscriberTokens(NamedTuple):
    """The tokens in one reader's copy of an issue."""

    unsubscribe: str
    preferences: str
    hit: str
    event: str


def make_for_subscribers(issue_id: int, subscription_ids: Sequence[int]) -> dict[int, SubscriberTokens]:
    """Make the tokens of many readers at once. A call to the cipher costs more than its blocks, so this is much faster."""
    with_issue, without = (b"".join([_pack_block(pk, issue) for pk in subscription_ids]) for issue in (issue_id, 0))
    columns = (
        _seal_all(UNSUBSCRIBE, with_issue),
        _seal_all(PREFERENCES, without),
        _seal_hits(with_issue),
        _seal_all(EVENT, with_issue),
    )
    return {pk: SubscriberTokens(*tokens) for pk, *tokens in zip(subscription_ids, *columns, strict=True)}


def _seal_hits(blocks: bytes) -> list[str]:
    sealed, head = _encryptor(keys.current_key(HIT)).update(blocks), bytes((keys.current_key_id(),))
    return _encode_all([head + sealed[at : at + 16] for at in range(0, len(sealed), 16)], 17)


def _seal_all(purpose: str, blocks: bytes) -> list[str]:
    """`_seal` for the ten bytes in each block. AES-SIV of ten bytes needs two AES blocks: the IV and the key stream."""
    key, count, head = keys.current_key(purpose, 64), len(blocks) // 16, bytes((keys.current_key_id(),))
    ivs = _encryptor(key[:32]).update(_xor(blocks, _mask(purpose, key) * count))
    counters = (int.from_bytes(ivs) & int.from_bytes(COUNTER_MASK * count)).to_bytes(len(ivs))
    sealed = _xor(blocks, _encryptor(key[32:]).update(counters))
    return _encode_all([head + ivs[at : at + 16] + sealed[at : at + 10] for at in range(0, len(ivs), 16)], 27)


COUNTER_MASK = bytes.fromhex("ffffffffffffffff7fffffff7fffffff")
"""RFC 5297 section 2.5: two bits of the IV are cleared for the counter."""


@lru_cache(maxsize=16)
def _mask(purpose: str, key: bytes) -> bytes:
    """The constant that S2V (RFC 5297 section 2.4) and CMAC add to ten bytes: header, padding mark and subkey."""
    zero, mac = bytes(16), CMAC(algorithms.AES(key[:32]))
    start, header = mac.copy(), mac.copy()
    start.update(zero)
    header.update(purpose.encode())
    before = _xor(_dbl(start.finalize()), header.finalize())
    end = bytes(10) + b"\x80" + bytes(5)
    return _xor(_xor(_dbl(before), end), _dbl(_encryptor(key[:32]).update(zero)))


def _dbl(block: bytes) -> bytes:
    number = int.from_bytes(block) << 1
    return (number ^ (0x87 | 1 << 128) if number >> 128 else number).to_bytes(16)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def _encode_all(raws: Sequence[bytes], length: int) -> list[str]:
    """`_encode` for many values of the same length, by one call of base64."""
    gap, signs = -length % 3, -(-length // 3) * 4
    whole = base64.urlsafe_b64encode(b"".join(raw + bytes(gap) for raw in raws)).decode()
    return [whole[at : at + signs - gap] for at in range(0, len(whole), signs)]


# --- bytes -----------------------------------------------------------------------------------------------------------


def _pack_ids(subscription_id: int, issue_id: int) -> bytes:
    return _pack_block(subscription_id, issue_id)[:10]


def _unpack_ids(raw: bytes) -> tuple[int, int]:
    issue_id, shifted = struct.unpack(">IQ", raw + bytes(2))
    return shifted >> 16, issue_id


def _seal(purpose: str, message: bytes) -> str:
    sealed = _siv(keys.current_key(purpose, 64)).encrypt(message, [purpose.encode()])
    return _encode(bytes((keys.current_key_id(),)) + sealed)


def _open(purpose: str, token: str, length: int) -> bytes:
    raw = _decode(token, 1 + 16 + length)
    for key in _keys(purpose, raw[0], 64):
        try:
            return _siv(key).decrypt(raw[1:], [purpose.encode()])
        except InvalidTag:
            continue
    raise InvalidToken(f"not one of our tokens: {purpose}")


@lru_cache(maxsize=64)
def _siv(key: bytes) -> AESSIV:
    return AESSIV(key)


def _keys(purpose: str, key_id: int, length: int = 32) -> Iterator[bytes]:
    """Every key with this id. Two secrets can have the same one-byte id."""
    return (key for known, key in keys.all_keys(purpose, length) if known == key_id)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str, length: int) -> bytes:
    """Decode a token. Raises InvalidToken for other spellings of the same bytes, so that each token is unique."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken("not base64url") from None
    if len(raw) != length or _encode(raw) != token:
        raise InvalidToken("not the length or spelling of a token")
    return raw
