"""Tokens: for one purpose each, unreadable, unforgeable, and valid across a change of SECRET_KEY."""

from __future__ import annotations

import datetime
import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import keys, tokens
from tests.factories import NOW

LATER = NOW + datetime.timedelta(days=7)
OTHER_SECRET = "another secret key that is long enough to be one"
issue_ids = st.integers(min_value=0, max_value=2**32 - 1)
subscription_ids = st.integers(min_value=0, max_value=2**48 - 1)

KINDS = {
    "hit": (lambda: tokens.make_hit(12, 3456), tokens.read_hit, (12, 3456)),
    "unsubscribe": (lambda: tokens.make_unsubscribe(3456, 12), tokens.read_unsubscribe, (3456, 12)),
    "preferences": (lambda: tokens.make_preferences(3456), tokens.read_preferences, 3456),
    "confirm": (lambda: tokens.make_confirm(77, LATER), lambda token: tokens.read_confirm(token, NOW), 77),
    "event": (lambda: tokens.make_event_token(12, 3456), tokens.read_event_token, (12, 3456)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_t10_a_token_reads_back(kind):
    make, read, content = KINDS[kind]

    assert read(make()) == content


@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(KINDS, 2)))
def test_t10_a_token_opens_nothing_but_its_own_purpose(kind, other):
    token, read = KINDS[kind][0](), KINDS[other][1]

    with pytest.raises(tokens.InvalidToken):
        read(token)


@pytest.mark.parametrize("kind", KINDS)
def test_t10_every_altered_character_makes_a_token_bad(kind):
    make, read, _content = KINDS[kind]
    token = make()

    for at in range(len(token)):
        altered = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(tokens.InvalidToken):
            read(altered)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "x", "a" * 23, "a" * 36, "é" * 36, "=" * 36, "a/b+c" * 5, "\0" * 23, "A" * 5000])
def test_t10_any_other_text_is_bad(kind, text):
    with pytest.raises(tokens.InvalidToken):
        KINDS[kind][1](text)


@pytest.mark.parametrize("kind", KINDS)
def test_t10_a_token_of_another_installation_is_bad(kind, settings):
    make, read, _content = KINDS[kind]
    token = make()
    settings.SECRET_KEY = OTHER_SECRET

    with pytest.raises(tokens.InvalidToken):
        read(token)


@pytest.mark.parametrize("kind", KINDS)
def test_s16_a_token_outlives_a_change_of_the_secret_key(kind, settings):
    make, read, content = KINDS[kind]
    token = make()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = OTHER_SECRET

    assert read(token) == content
    assert make() != token


@pytest.mark.parametrize("kind", KINDS)
def test_s24_tokens_are_short_enough_for_a_header(kind):
    assert len(KINDS[kind][0]()) <= 40


def test_t10_a_confirmation_link_expires_and_says_what_it_was_for():
    token = tokens.make_confirm(77, NOW)

    with pytest.raises(tokens.ExpiredToken) as expired:
        tokens.read_confirm(token, NOW + datetime.timedelta(seconds=1))

    assert expired.value.request_id == 77


def test_s03_a_message_id_is_the_same_at_each_attempt_and_tells_nothing():
    first = tokens.message_id(12, 3456, "kabarlintas.example")

    assert tokens.message_id(12, 3456, "kabarlintas.example") == first
    assert re.fullmatch(r"<[0-9a-f]{40}@kabarlintas\.example>", first)
    assert tokens.message_id(12, 3457, "kabarlintas.example") != first
    assert tokens.notice_message_id(12, "kabarlintas.example") != first


@given(issue_ids, subscription_ids)
def test_t10_hit_tokens_hold_every_id(issue_id, subscription_id):
    assert tokens.read_hit(tokens.make_hit(issue_id, subscription_id)) == (issue_id, subscription_id)


@given(issue_ids, subscription_ids)
def test_t10_unsubscribe_tokens_hold_every_id(issue_id, subscription_id):
    assert tokens.read_unsubscribe(tokens.make_unsubscribe(subscription_id, issue_id)) == (subscription_id, issue_id)


@given(st.binary(min_size=17, max_size=17))
def test_t10_random_bytes_are_no_hit_token(raw):
    with pytest.raises(tokens.InvalidToken):
        tokens.read_hit(tokens._encode(raw))


@given(subscription_ids, st.integers(min_value=0, max_value=215), st.sampled_from([1, 2, 4, 8, 128]))
def test_t10_one_flipped_bit_makes_an_unsubscribe_token_bad(subscription_id, place, bit):
    raw = bytearray(tokens._decode(tokens.make_unsubscribe(subscription_id), 27))
    raw[place % 27] ^= bit

    with pytest.raises(tokens.InvalidToken):
        tokens.read_unsubscribe(tokens._encode(bytes(raw)))


@given(issue_id=issue_ids, readers=st.lists(subscription_ids, max_size=6))
def test_tokens_made_for_many_readers_are_those_made_for_each(issue_id, readers):
    made = tokens.make_for_subscribers(issue_id, readers)

    assert made == {
        reader: (
            tokens.make_unsubscribe(reader, issue_id),
            tokens.make_preferences(reader),
            tokens.make_hit(issue_id, reader),
            tokens.make_event_token(issue_id, reader),
        )
        for reader in readers
    }


def test_no_two_threads_share_what_serves_one_call_at_a_time():
    """Of two calls at once to one context of the cipher, the second fails."""
    key = keys.current_key(tokens.HIT)
    with ThreadPoolExecutor(1) as other:
        theirs, made = other.submit(lambda: (tokens._encryptor(key), tokens.make_for_subscribers(12, [3456]))).result()

    assert theirs is not tokens._encryptor(key)
    assert tokens._encryptor(key) is tokens._encryptor(key)
    assert made == tokens.make_for_subscribers(12, [3456])


def test_message_ids_are_the_hmac_they_were():
    """Whoever sent an issue half, and is updated, must call the other half by the names it would have had."""
    full = keys.hmac_digest(keys.current_key(tokens.MESSAGE_ID), tokens._pack_ids(3456, 12))

    assert tokens.message_id(12, 3456, "kabar.example") == f"<{full[:20].hex()}@kabar.example>"
