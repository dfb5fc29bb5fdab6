"""The HTTP client: addresses it refuses (T-30), and responses it refuses (T-31)."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import zlib

import pytest

from newsletter.fetching import http_client


@pytest.fixture
def names(monkeypatch):
    """A replacement for DNS: addresses by name; every look-up is counted."""

    class Names(dict):
        asked: list[str] = []

    names = Names()
    names.asked = []
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        names.asked.append(host)
        if host not in names:
            return real(host, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        answer = names[host]
        answer = answer.pop(0) if answer and isinstance(answer[0], list) else answer
        kinds = [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in answer]
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in kinds]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.fixture
def lines(monkeypatch):
    """Attempted connections: (address, port)."""
    tried: list[tuple[str, int]] = []

    def connect(self):
        tried.append((self.host, self.port))
        raise ConnectionRefusedError

    monkeypatch.setattr(http_client.HTTPConnection, "connect", connect)
    monkeypatch.setattr(http_client.HTTPSConnection, "connect", connect)
    return tried


INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:53aa:64c::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "5f00::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_t30_addresses_that_lead_inside_are_refused(address, names, lines):
    names["situs.example"] = [address]

    with pytest.raises(http_client.PermanentFetchError, match="private network"):
        http_client.fetch("https://situs.example/artikel")

    assert lines == []


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:831::200e"])
def test_ordinary_public_addresses_are_connected_to_as_checked(address, names, lines):
    names["situs.example"] = [address]

    with pytest.raises(http_client.TemporaryFetchError):
        http_client.fetch("https://situs.example/artikel")

    assert lines == [(address, 443)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "artikel",
        "file:///etc/passwd",
        "gopher://situs.example/",
        "ftp://situs.example/a",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:///artikel",
        "http://",
        "http://[::1",
        "http://situs.example:8080/",
        "http://situs.example:22/",
        "http://situs.example:99999/",
        "http://situs.example:abc/",
        "https://siti:rahasia@situs.example/",
        "https://siti@situs.example/",
        "https://situs.example\\@127.0.0.1/",
        "https://situs.example /",
        "https://situs.example\r\nHost: dalam/",
        "https://situs.example\t/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://017700000001/",
        "http://127.0.0.1.:80/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://localhost./",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1%25lo]/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://" + "a" * 64 + ".example/",
    ],
)
def test_t30_forms_of_address_that_are_never_asked(url, names, lines):
    names["localhost"] = names["localhost."] = ["127.0.0.1"]

    with pytest.raises(http_client.PermanentFetchError) as refused:
        http_client.fetch(url)

    assert str(refused.value)
    assert lines == []


def test_one_inside_address_among_public_ones_spoils_them_all(names, lines):
    names["situs.example"] = ["93.184.215.14", "::1"]

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch("https://situs.example/")

    assert lines == []


def test_a_name_that_changes_its_address_is_looked_up_only_once(names, lines):
    names["situs.example"] = [["93.184.215.14"], ["127.0.0.1"]]

    with pytest.raises(http_client.TemporaryFetchError):
        http_client.fetch("http://situs.example/")

    assert names.asked == ["situs.example"]
    assert lines == [("93.184.215.14", 80)]


def test_a_name_that_does_not_exist_is_refused_in_words(monkeypatch):
    def nothing(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)

    with pytest.raises(http_client.PermanentFetchError, match="no site of this name"):
        http_client.fetch("https://situs.example/")


def test_a_name_service_that_hangs_does_not_hang_us(monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: done.wait(5) and [])

    with pytest.raises(http_client.TemporaryFetchError, match="looked up"):
        http_client.fetch("https://situs.example/", limits=http_client.FetchLimits(total_s=0.2))

    done.set()


def test_a_page_of_our_demo_site_is_read(web):
    url = web.put("/demo/artikel", "<h1>Halo</h1>", ETag='"abc"', Last_Modified="Tue, 24 Nov 2026 00:00:00 GMT")

    fetched = http_client.fetch(url)

    assert fetched.body == b"<h1>Halo</h1>"
    assert (fetched.content_type, fetched.charset, fetched.etag) == ("text/html", "utf-8", '"abc"')
    asked = web.asked[0][1]
    assert asked["host"] == f"127.0.0.1:{web.port}"
    assert "cookie" not in asked
    assert "authorization" not in asked


def test_the_name_travels_in_host_while_the_line_goes_to_the_checked_address(web, settings, names):
    settings.SITE_URL = f"http://localhost:{web.port}"
    names["localhost"] = ["127.0.0.1"]
    web.put("/demo/", "ya")

    assert http_client.fetch(f"http://localhost:{web.port}/demo/").body == b"ya"
    assert web.asked[0][1]["host"] == f"localhost:{web.port}"


@pytest.mark.parametrize(
    "path",
    ["/", "/studio/", "/demo", "/demonstrasi/", "/demo/../studio/", "/demo/%2e%2e/studio/", "/demo/%252e%252e/studio/"],
)
def test_t30_no_other_page_of_our_own_origin_is_reached(web, path):
    web.put(path, "rahasia")

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch(web.origin + path)

    assert web.asked == []


def test_t30_our_own_origin_is_closed_outside_embedded_mode(web, settings):
    settings.EMBEDDED = False
    url = web.put("/demo/artikel", "halo")

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch(url)

    assert web.asked == []


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "//localhost:1/demo/",
        "/studio/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "",
        "http://[",
    ],
)
def test_t30_redirects_are_checked_like_the_first_address(web, place):
    web.answers["/demo/a"] = (302, {"Location": place}, b"")

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch(web.origin + "/demo/a")

    assert [path for path, _ in web.asked] == ["/demo/a"]


def test_three_redirects_are_followed_and_a_fourth_is_not(web):
    for number in range(1, 5):
        web.answers[f"/demo/{number}"] = (301, {"Location": f"{number + 1}#bagian"}, b"")
    web.put("/demo/5", "akhir")

    assert http_client.fetch(web.origin + "/demo/2").url == web.origin + "/demo/5"
    with pytest.raises(http_client.PermanentFetchError, match="on and on|from page to page"):
        http_client.fetch(web.origin + "/demo/1")


def test_a_circle_of_redirects_ends(web):
    web.answers["/demo/a"] = (302, {"Location": "/demo/a"}, b"")

    with pytest.raises(http_client.PermanentFetchError):
        http_client.fetch(web.origin + "/demo/a")

    assert len(web.asked) == 4


def test_proxies_of_the_environment_are_not_used(web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    url = web.put("/demo/a", "halo")

    assert http_client.fetch(url).body == b"halo"


def test_what_did_not_change_is_not_sent_again(web):
    web.answers["/demo/umpan"] = (304, {}, b"")

    fetched = http_client.fetch(web.origin + "/demo/umpan", etag='"abc"', last_modified="Tue, 24 Nov 2026 00:00:00 GMT")

    assert fetched.not_modified
    assert web.asked[0][1]["if-none-match"] == '"abc"'
    assert web.asked[0][1]["if-modified-since"] == "Tue, 24 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, http_client.PageGone),
        (410, http_client.PageGone),
        (401, http_client.PermanentFetchError),
        (403, http_client.PermanentFetchError),
        (418, http_client.PermanentFetchError),
        (204, http_client.PermanentFetchError),
        (429, http_client.TemporaryFetchError),
        (500, http_client.TemporaryFetchError),
        (503, http_client.TemporaryFetchError),
    ],
)
def test_answers_without_a_page_are_named_errors_in_words(web, status, error):
    web.answers["/demo/a"] = (status, {}, b"")

    with pytest.raises(error) as failed:
        http_client.fetch(web.origin + "/demo/a")

    assert str(status) not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (404, "Check it in a browser."),
        (401, "ask whoever runs it to let this server in."),
        (403, "ask whoever runs it to let this server in."),
        (418, "Check it in a browser."),
        (429, "Try again later."),
        (503, "Try again later."),
    ],
)
def test_a_page_that_is_not_given_is_told_with_what_to_do(web, status, remedy):
    web.answers["/demo/a"] = (status, {}, b"<title>Just a moment...</title>")

    with pytest.raises((http_client.PermanentFetchError, http_client.TemporaryFetchError)) as failed:
        http_client.fetch(web.origin + "/demo/a")

    assert str(failed.value).endswith(remedy)


SMALL = http_client.FetchLimits(most_bytes=1024 * 1024, connect_s=0.5, total_s=0.6)


def test_t31_too_large_is_refused_before_it_is_read(web):
    def announce(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(50 * 1024 * 1024))
        handler.end_headers()

    web.answers["/demo/a"] = announce

    with pytest.raises(http_client.PermanentFetchError, match="1 MB"):
        http_client.fetch(web.origin + "/demo/a", limits=SMALL)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_t31_size_is_counted_after_unpacking(web, encoding):
    zeros = bytes(30 * 1024 * 1024)
    packed = gzip.compress(zeros) if encoding == "gzip" else zlib.compress(zeros)
    url = web.put("/demo/bom", packed, Content_Encoding=encoding)

    with pytest.raises(http_client.PermanentFetchError, match="1 MB"):
        http_client.fetch(url, limits=SMALL)


def test_packed_pages_are_unpacked(web):
    url = web.put("/demo/a", gzip.compress(b"Paspor"), Content_Encoding="gzip")

    assert http_client.fetch(url).body == b"Paspor"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"\x1f\x8bbroken"),
        ("deflate", b"\xff\xff"),
        ("br", b"\xcf\xff\xff\x7f\xf8/\x10\x94\xa4\xd9\x94\x0c"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"Paspor", mtime=0), mtime=0)),
        ("zstd", b"(\xb5/"),
    ],
    ids=["gzip", "deflate", "br", "twice", "zstd"],
)
def test_what_cannot_be_unpacked_is_refused(web, encoding, body):
    url = web.put("/demo/a", body, Content_Encoding=encoding)

    with pytest.raises(http_client.PermanentFetchError, match="unpacked"):
        http_client.fetch(url)


def _endless(piece, *, pause=0.0):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(pause)

    return answer


def test_t31_a_body_without_end_is_cut_at_the_limit(web):
    web.answers["/demo/a"] = _endless(b"x" * 65536)

    with pytest.raises(http_client.PermanentFetchError, match="1 MB"):
        http_client.fetch(web.origin + "/demo/a", limits=http_client.FetchLimits(most_bytes=1024 * 1024))


def test_t31_a_body_that_trickles_is_cut_in_time(web):
    web.answers["/demo/a"] = _endless(b"x", pause=0.05)
    began = time.monotonic()

    with pytest.raises(http_client.TemporaryFetchError, match="too long"):
        http_client.fetch(web.origin + "/demo/a", limits=SMALL)

    assert time.monotonic() - began < 3


def test_t31_headers_that_trickle_are_cut_in_time(web):
    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Lambat: ")
        for _ in range(100):
            handler.wfile.write(b"a")
            time.sleep(0.05)

    web.answers["/demo/a"] = trickle
    began = time.monotonic()

    with pytest.raises(http_client.TemporaryFetchError, match="too long"):
        http_client.fetch(web.origin + "/demo/a", limits=SMALL)

    assert time.monotonic() - began < 3


def test_t31_a_server_that_says_nothing_is_left_in_time(web):
    web.answers["/demo/a"] = lambda handler: time.sleep(2)
    began = time.monotonic()

    with pytest.raises(http_client.TemporaryFetchError):
        http_client.fetch(web.origin + "/demo/a", limits=SMALL)

    assert time.monotonic() - began < 1.8


def test_a_body_that_breaks_off_is_no_page(web):
    def break_off(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"setengah")

    web.answers["/demo/a"] = break_off

    with pytest.raises(http_client.TemporaryFetchError, match="broke off"):
        http_client.fetch(web.origin + "/demo/a")


def test_an_answer_that_is_not_http_is_no_page(web):
    web.answers["/demo/a"] = lambda handler: handler.wfile.write(b"220 smtp.example ESMTP\r\n")

    with pytest.raises(http_client.TemporaryFetchError):
        http_client.fetch(web.origin + "/demo/a")


def test_t31_the_limits_are_those_we_promise():
    assert (http_client.PAGE_LIMITS.connect_s, http_client.PAGE_LIMITS.total_s, http_client.PAGE_LIMITS.most_bytes) == (
        3,
        10,
        5 * 1024 * 1024,
    )
    assert (
        http_client.IMAGE_LIMITS.connect_s,
        http_client.IMAGE_LIMITS.total_s,
        http_client.IMAGE_LIMITS.most_bytes,
    ) == (
        3,
        10,
        10 * 1024 * 1024,
    )


def test_t31_a_server_that_lets_nobody_in_is_left_after_the_time_to_connect(settings):
    with contextlib.ExitStack() as lines:
        full = lines.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        settings.SITE_URL, settings.EMBEDDED = f"http://127.0.0.1:{full.getsockname()[1]}", True
        for _ in range(4):
            waiting = lines.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        began = time.monotonic()

        with pytest.raises(http_client.TemporaryFetchError, match="cannot be reached"):
            http_client.fetch(settings.SITE_URL + "/demo/", limits=http_client.FetchLimits(connect_s=0.3, total_s=5))

        assert time.monotonic() - began < 2


def test_t31_a_handshake_that_trickles_is_left_after_the_time_to_connect(settings):
    done = threading.Event()

    def trickle(server):
        line, _ = server.accept()
        with line, contextlib.suppress(OSError):
            line.recv(4096)
            line.sendall(b"\x16\x03\x03\x40\x00")  # announces a long TLS record
            while not done.wait(0.05):
                line.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.SITE_URL, settings.EMBEDDED = f"https://127.0.0.1:{server.getsockname()[1]}", True
        threading.Thread(target=trickle, args=[server], daemon=True).start()
        began = time.monotonic()

        with pytest.raises(http_client.TemporaryFetchError, match="cannot be reached"):
            http_client.fetch(settings.SITE_URL + "/demo/", limits=http_client.FetchLimits(connect_s=0.4, total_s=5))

        done.set()
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Banyak: a\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nX-Panjang: " + b"a" * 200_000 + b"\r\n",
        b"HTTP/1.1 999999 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
    ],
)
def test_t31_heads_that_are_too_long_or_nonsense_are_no_answer(web, head):
    web.answers["/demo/a"] = lambda handler: handler.wfile.write(head + b"\r\n")

    with pytest.raises((http_client.TemporaryFetchError, http_client.PermanentFetchError)):
        http_client.fetch(web.origin + "/demo/a", limits=SMALL)


def test_t31_a_length_that_lies_is_not_believed(web):
    def lie(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(b"0123456789" + b"x" * 5000)

    web.answers["/demo/a"] = lie

    assert http_client.fetch(web.origin + "/demo/a").body == b"0123456789"
