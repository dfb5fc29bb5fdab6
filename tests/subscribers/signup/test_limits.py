"""Where a visitor comes from, and how many may come from there."""

from __future__ import annotations

import datetime

import pytest
from django.test import RequestFactory

from newsletter.web import client_address
from subscribers.models import SignupRequest
from subscribers.signup import limits
from tests.factories import NOW


def visit(peer: str, forwarded: str = ""):
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    return RequestFactory().get("/", REMOTE_ADDR=peer, **headers)


def test_s72_without_trusted_proxies_the_peer_is_the_visitor(settings):
    settings.TRUSTED_PROXIES = []

    assert client_address.get_client_address(visit("192.0.2.9", "198.51.100.7")) == "192.0.2.9"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.8", "198.51.100.7"),
        ("nonsense", ""),
        ("", "10.0.0.9"),
    ],
)
def test_s72_behind_a_trusted_proxy_the_last_foreign_address_counts(settings, forwarded, address):
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]

    assert client_address.get_client_address(visit("10.0.0.9", forwarded)) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.9", "192.0.2.0/24"),
        ("::ffff:192.0.2.9", "192.0.2.0/24"),
        ("2001:db8:1:2::9", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
    ],
)
def test_s72_a_network_is_a_24_or_a_48(address, network):
    assert limits.network_prefix(address) == network


@pytest.mark.django_db
def test_s72_a_network_may_send_30_in_10_minutes():
    for number in range(30):
        assert not limits.is_network_over_limit("192.0.2.0/24", now=NOW)
        SignupRequest.objects.create(
            email=f"a{number}@contoh.id", language="id", network="192.0.2.0/24", created_at=NOW
        )

    assert limits.is_network_over_limit("192.0.2.0/24", now=NOW)
    assert not limits.is_network_over_limit("198.51.100.0/24", now=NOW)
    assert not limits.is_network_over_limit("192.0.2.0/24", now=NOW + datetime.timedelta(minutes=11))


def test_s72_a_second_that_ends_between_two_requests_is_no_second():
    shown = NOW + datetime.timedelta(milliseconds=950)

    with pytest.raises(limits.InvalidStamp):
        limits.check_stamp(limits.make_stamp(shown), now=shown + datetime.timedelta(milliseconds=100))


def test_s72_the_time_stamp_passes_after_a_second():
    stamp = limits.make_stamp(NOW)

    limits.check_stamp(stamp, now=NOW + datetime.timedelta(seconds=1))
    with pytest.raises(limits.InvalidStamp):
        limits.check_stamp(stamp, now=NOW + datetime.timedelta(milliseconds=900))
    with pytest.raises(limits.ExpiredStamp):
        limits.check_stamp(stamp, now=NOW + datetime.timedelta(days=3))


@pytest.mark.parametrize("left", [0, -1])
def test_s72_a_missing_or_shortened_time_stamp_is_bad(left):
    with pytest.raises(limits.InvalidStamp):
        limits.check_stamp(limits.make_stamp(NOW)[:left], now=NOW + datetime.timedelta(minutes=1))


@pytest.mark.parametrize("at", [0, 3, 20])
def test_s72_a_time_stamp_with_one_other_character_is_bad(at):
    stamp = limits.make_stamp(NOW)
    altered = stamp[:at] + ("A" if stamp[at] != "A" else "B") + stamp[at + 1 :]

    with pytest.raises(limits.InvalidStamp):
        limits.check_stamp(altered, now=NOW + datetime.timedelta(minutes=1))
