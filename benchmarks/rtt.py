"""`rtt`: what a far mail server costs: our plain client and smtplib over one connection, and ours over several.

Both send the same ready bytes. The window is one message a connection for all of them.
"""

from __future__ import annotations

import smtplib

from django.utils import timezone

from benchmarks import bulk_subscribers, figures, latency_proxy, reference, smtp_sink
from benchmarks.figures import ROUNDS, Findings
from workers import routes
from workers.message import builder
from workers.routes import base

RTTS_MS = (0, 10, 30)
POOL_SIZES = (4, 10)


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    newsletter = reference.create_newsletter()
    edition = reference.freeze(reference.create_draft(newsletter, now=now), now=now)
    mail = builder.template_for_edition(edition, newsletter, eight_bit=True, stuffed=True)
    plain = builder.template_for_edition(edition, newsletter, eight_bit=True)
    readers = bulk_subscribers.build_readers(300, now=now)
    letters = [_letter(builder.render(mail, reader, now=now)) for reader in readers]
    datas = [builder.render(plain, reader, now=now).data for reader in readers]
    with smtp_sink.start() as sink:
        for rtt_ms in RTTS_MS:
            with latency_proxy.start(sink.port, rtt_ms=rtt_ms) as port:
                _measure_at_rtt(found, port, rtt_ms, letters, datas, few=4 if quick else 24)
    return found


def _letter(copy: builder.RenderedMessage) -> routes.OutgoingMessage:
    return routes.OutgoingMessage(copy.sender, copy.recipient, copy.message_id, copy.data, stuffed=copy.stuffed)


def _measure_at_rtt(
    found: Findings, port: int, rtt_ms: int, letters: list[routes.OutgoingMessage], datas: list[bytes], *, few: int
) -> None:
    """All at this distance, one after the other, in each round."""
    ours: dict[int, list[float]] = {1: [], **{size: [] for size in POOL_SIZES}}
    theirs = []
    for _ in range(ROUNDS):
        theirs.append(_send_by_smtplib(port, letters[:few], datas[:few]))
        for size, rates in ours.items():
            rates.append(_send_by_route(port, letters[: few * size], connections=size))
    found.tell(f"smtplib_{rtt_ms}ms_per_s", figures.median(theirs), f"letters/s by smtplib, {rtt_ms} ms there and back")
    for size, rates in ours.items():
        over = "one connection" if size == 1 else f"{size} connections"
        found.tell(
            f"ours_{size}_{rtt_ms}ms_per_s", figures.median(rates), f"letters/s by ours over {over}, {rtt_ms} ms"
        )
    found.ratio(f"rtt{rtt_ms}_vs_smtplib", ours[1], theirs)
    found.ratio(f"rtt{rtt_ms}_pool_vs_smtplib", ours[POOL_SIZES[0]], theirs)


def _send_by_smtplib(port: int, letters: list[routes.OutgoingMessage], datas: list[bytes]) -> float:
    def send() -> None:
        for letter, data in zip(letters, datas, strict=True):
            session.sendmail(letter.sender, [letter.recipient], data)

    with smtplib.SMTP("127.0.0.1", port) as session:
        session.ehlo()
        return figures.rate(len(letters), send)


def _send_by_route(port: int, letters: list[routes.OutgoingMessage], *, connections: int) -> float:
    route = routes.from_url("smtp-1", f"smtp://127.0.0.1:{port}?tls=off&connections={connections}")
    assert isinstance(route, base.ParallelRoute)
    warm = letters[:connections]
    route.open()
    _send_all(route, warm, most=connections)
    try:
        return figures.rate(len(letters), lambda: _send_all(route, letters, most=connections))
    finally:
        route.close()


def _send_all(route: base.ParallelRoute, letters: list[routes.OutgoingMessage], *, most: int) -> None:
    results = [route.send(letter) for letter in letters] if most == 1 else _send_in_parallel(route, letters, most=most)
    if any(result.outcome != "accepted" for result in results):
        raise RuntimeError("the sink did not take every letter")


def _send_in_parallel(
    route: base.ParallelRoute, letters: list[routes.OutgoingMessage], *, most: int
) -> list[routes.SendResult]:
    flying, results = set(), []
    for letter in letters:
        while len(flying) >= most:
            done = route.finished(flying, wait=True)
            results += [future.result() for future in done]
            flying -= done
        flying.add(route.begin(letter))
    while flying:
        done = route.finished(flying, wait=True)
        results += [future.result() for future in done]
        flying -= done
    return results
