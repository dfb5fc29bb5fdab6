"""Addresses: what people type, what we send to, and what makes two of them one person."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import addresses


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        ("siti@contoh.id", "siti@contoh.id", "siti@contoh.id"),
        ("  Siti.Rahma@Contoh.ID ", "Siti.Rahma@contoh.id", "siti.rahma@contoh.id"),
        ("mailto:budi+kabar@contoh.id", "budi+kabar@contoh.id", "budi+kabar@contoh.id"),
        ("<budi@contoh.id>", "budi@contoh.id", "budi@contoh.id"),
        ("budi@contoh.id.", "budi@contoh.id", "budi@contoh.id"),
        ("ｂｕｄｉ＠contoh.id", "budi@contoh.id", "budi@contoh.id"),
        ("budi\u200b@contoh.id", "budi@contoh.id", "budi@contoh.id"),
    ],
)
def test_t06_an_address_keeps_its_case_for_sending_and_folds_it_for_uniqueness(typed, email, key):
    assert addresses.parse(typed) == addresses.EmailAddress(email=email, key=key)


@pytest.mark.parametrize(
    ("typed", "email"),
    [
        ("ivan@пример.рф", "ivan@xn--e1afmkfd.xn--p1ai"),
        ("ana@Bücher.example", "ana@xn--bcher-kva.example"),
        ("li@例え.example", "li@xn--r8jz45g.example"),
    ],
)
def test_t04_an_international_domain_is_stored_as_idna(typed, email):
    assert addresses.parse(typed).email == email


def test_s05_letters_beyond_ascii_before_the_at_are_refused_in_words():
    with pytest.raises(addresses.InvalidAddress, match="letters from a to z"):
        addresses.parse("dé@example.net")


@pytest.mark.parametrize("typed", ["a@exаmple.com", "siti@gmаil.com", "siti@gοogle.com"])
def test_t04_a_domain_that_mixes_alphabets_is_refused(typed):
    with pytest.raises(addresses.InvalidAddress, match="different alphabets"):
        addresses.parse(typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Please enter"),
        ("siti", "@ is missing"),
        ("@contoh.id", "is missing"),
        ("siti@", "is missing"),
        ("si ti@contoh.id", "no spaces"),
        ("a@b.id, c@d.id", "no spaces"),
        ("siti@@contoh.id", "more than one @"),
        ("siti@contoh,id", "comma"),
        ("x" * 65 + "@contoh.id", "too long"),
        ("siti@" + "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 20 + ".id", "."),
        ("siti@localhost", "."),
        ("siti@[127.0.0.1]", "."),
        ("siti@127.0.0.1", "Write it like"),
        ("siti@contoh", "Write it like"),
        ("siti@contoh..id", "does not look like"),
        ("siti@-contoh.id", "does not look like"),
        (".siti@contoh.id", "does not look like"),
        ('"siti"@contoh.id', "does not look like"),
        ("siti@contoh.id\r\nBcc: budi@contoh.id", "."),
    ],
)
def test_s01_what_cannot_be_sent_to_is_refused_with_a_hint(typed, words):
    with pytest.raises(addresses.InvalidAddress, match=words):
        addresses.parse(typed)


@pytest.mark.parametrize("local", ["abuse", "Postmaster", "noreply", "no-reply", "no_reply", "mailer-daemon", "root+x"])
def test_s74_addresses_of_a_function_are_refused_on_the_public_form_only(local):
    with pytest.raises(addresses.InvalidAddress, match="belongs to a role or department"):
        addresses.parse_public(f"{local}@contoh.id")

    assert addresses.parse(f"{local}@contoh.id").is_role


@pytest.mark.parametrize(
    ("key", "mailbox"),
    [
        ("siti+kabar@contoh.id", "siti@contoh.id"),
        ("s.i.t.i+x@gmail.com", "siti@gmail.com"),
        ("siti@googlemail.com", "siti@gmail.com"),
        ("s.iti@contoh.id", "s.iti@contoh.id"),
        ("+x@contoh.id", "+x@contoh.id"),
    ],
)
def test_t07_caps_count_by_the_mailbox_behind_an_address(key, mailbox):
    assert addresses.canonical_mailbox(key) == mailbox


def test_an_address_is_masked_so_that_its_owner_knows_it():
    assert addresses.mask("siti@contoh.id") == "s•••@contoh.id"


@given(st.text(max_size=400))
def test_s01_whatever_is_typed_gives_a_sendable_address_or_is_invalid(typed):
    try:
        address = addresses.parse(typed)
    except addresses.InvalidAddress:
        return

    assert re.fullmatch(r"[!-~]{1,64}@[a-z0-9.-]{3,253}", address.email)
    assert len(address.email) <= 254
    assert address.key == address.email.lower()


@given(
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._+-]{0,20}[A-Za-z0-9])?", fullmatch=True).filter(lambda x: ".." not in x),
    st.sampled_from(["contoh.id", "news.example", "a-b.co.id"]),
)
def test_s01_ordinary_addresses_are_accepted_and_reading_them_again_changes_nothing(local, domain):
    address = addresses.parse(f"{local}@{domain}")

    assert address.email == f"{local}@{domain}"
    assert addresses.parse(address.email) == address
