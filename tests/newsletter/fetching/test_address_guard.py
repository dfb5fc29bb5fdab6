"""Resolution of names by a real DNS server (T-30): changing answers, mixed answers, private addresses."""

from __future__ import annotations

import socket

import pytest

from newsletter.fetching import http_client
from tests.newsletter.fetching import dns_server as name_server
from tests.newsletter.http_server import serving

PUBLIC = "A 93.184.215.14"


@pytest.fixture
def names():
    with name_server.serving() as names:
        yield names


@pytest.fixture
def web(monkeypatch):
    """A web server that stands for every public address; `lines` holds the addresses that were connected to."""
    with serving() as web:
        web.lines = []

        def unconnected(target, address, *, timeout):
            web.lines.append((target.host, address, target.port))
            return http_client.HTTPConnection("127.0.0.1", web.port, timeout=timeout)

        monkeypatch.setattr(http_client, "_make_connection", unconnected)
        yield web


def test_t30_a_public_name_is_asked_once_and_connected_to_as_answered(names, web):
    names.zone["situs.example."] = [PUBLIC, "AAAA 2606:4700:4700::1111"]
    web.put("/a", "halo")

    assert http_client.fetch("http://situs.example/a").body == b"halo"
    assert sorted(one for one in names.asked if "situs" in one) == ["A situs.example.", "AAAA situs.example."]
    assert web.lines[0][1] in {"93.184.215.14", "2606:4700:4700::1111"}
    assert web.asked[0][1]["host"] == "situs.example"


def test_t30_a_name_that_turns_inside_between_look_up_and_connection_gains_nothing(names, web):
    names.zone["situs.example."] = [[PUBLIC], ["A 127.0.0.1"]]
    web.put("/a", "halo")

    assert http_client.fetch("http://situs.example/a").body == b"halo"
    assert [address for _host, address, _port in web.lines] == ["93.184.215.14"]


def test_t30_a_name_that_turns_inside_before_a_redirect_is_refused_there(names, web):
    names.zone["situs.example."] = [[PUBLIC], ["A 169.254.169.254"]]
    web.answers["/a"] = (302, {"Location": "http://situs.example/latest/meta-data/"}, b"")

    with pytest.raises(http_client.PermanentFetchError, match="private network"):
        http_client.fetch("http://situs.example/a")

    assert [path for path, _ in web.asked] == ["/a"]


@pytest.mark.parametrize(
    "records",
    [
        ["A 127.0.0.1"],
        [PUBLIC, "A 10.0.0.5"],
        [PUBLIC, "AAAA ::1"],
        [PUBLIC, "AAAA fd00::1"],
        [PUBLIC, "AAAA ::ffff:127.0.0.1"],
        [PUBLIC, "AAAA 64:ff9b::7f00:1"],
        [PUBLIC, "AAAA 2002:7f00:1::"],
        [PUBLIC, "AAAA 2001:0:7f00:1::"],
        ["AAAA 2606:4700:4700::1111", "A 192.168.0.1"],
        ["CNAME dalam.example."],
        ["CNAME antara.example."],
    ],
)
def test_t30_one_record_that_leads_inside_spoils_the_name(names, web, records):
    names.zone |= {
        "situs.example.": records,
        "antara.example.": ["CNAME dalam.example."],
        "dalam.example.": ["A 10.1.2.3"],
    }

    with pytest.raises(http_client.PermanentFetchError, match="private network"):
        http_client.fetch("http://situs.example/")

    assert web.lines == []


def test_t30_an_alias_of_a_public_name_is_followed_by_its_own_name(names, web):
    names.zone |= {"situs.example.": ["CNAME cdn.example."], "cdn.example.": [PUBLIC]}
    web.put("/a", "halo")

    assert http_client.fetch("http://situs.example/a").body == b"halo"
    assert web.asked[0][1]["host"] == "situs.example"


@pytest.mark.parametrize("host", ["situs.example.", "SITUS.example", "www.situs.example"])
def test_t30_a_trailing_dot_or_capitals_make_no_other_site(names, web, host):
    names.zone |= {"situs.example.": ["A 127.0.0.1"], "www.situs.example.": ["A 127.0.0.1"]}

    with pytest.raises(http_client.PermanentFetchError, match="private network"):
        http_client.fetch(f"http://{host}/")

    assert web.lines == []


@pytest.mark.parametrize(
    "places",
    [
        ["http://127.0.0.1/"],
        ["http://lain.example/2", "http://[::1]/"],
        ["http://lain.example/2", "http://situs.example/3", "http://dalam.example/"],
        ["https://dalam.example/"],
        ["http://lain.example/2", "gopher://dalam.example/"],
        ["http://lain.example/2", "file:///etc/passwd"],
        ["http://lain.example:6379/"],
        ["http://siti:rahasia@lain.example/"],
        ["http://0x7f.1/"],
    ],
)
def test_t30_a_chain_of_redirects_never_arrives_inside(names, web, places):
    names.zone |= {"situs.example.": [PUBLIC], "lain.example.": [PUBLIC], "dalam.example.": ["A 10.0.0.1"]}
    for number, place in enumerate(places, start=1):
        web.answers[f"/{number}"] = (302, {"Location": place}, b"")

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch("http://situs.example/1")

    assert len(web.asked) == len(places)
    assert {address for _host, address, _port in web.lines} == {"93.184.215.14"}


def test_t30_from_http_to_https_is_fine_and_back_is_not(names, web):
    names.zone["situs.example."] = [PUBLIC]
    web.answers["/1"] = (301, {"Location": "https://situs.example/2"}, b"")
    web.put("/2", "aman")
    web.answers["/3"] = (301, {"Location": "http://situs.example/2"}, b"")

    assert http_client.fetch("http://situs.example/1").body == b"aman"
    assert [port for _host, _address, port in web.lines] == [80, 443]
    with pytest.raises(http_client.PermanentFetchError, match="insecure"):
        http_client.fetch("https://situs.example/3")


def test_t30_a_name_nobody_knows_is_refused_in_words(names, web):
    with pytest.raises(http_client.PermanentFetchError, match="no site of this name"):
        http_client.fetch("http://tiada.example/")


def test_the_look_up_of_this_process_is_itself_again_afterwards():
    with name_server.serving() as names:
        names.zone["situs.example."] = [PUBLIC]
        assert socket.getaddrinfo("situs.example", 80, type=socket.SOCK_STREAM)[0][4][0] == "93.184.215.14"

    assert socket.getaddrinfo("127.0.0.1", 80)[0][4][0] == "127.0.0.1"
    assert "resolver" not in socket.getaddrinfo.__module__
