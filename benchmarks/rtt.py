"""`rtt`: what a far mail server costs: our plain client and smtplib over one connection, and ours over several.

Both send the same ready bytes. The window is one message a connection for all of them.
"""

from __future__ import annotations

import smtplib

from django.utils import timezone

from benchmarks import figures, people, reference, sinks, slow
from benchmarks.figures import ROUNDS, Findings
from workers import routes
from workers.message import builder
from workers.routes import base

RTTS_MS = (0, 10, 30)
POOLS = (4, 10)


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    newsletter = reference.newsletter()
    edition = reference.frozen(reference.draft(newsletter, now=now), now=now)
    mail = builder.of_edition(edition, newsletter, eight_bit=True, stuffed=True)
    plain = builder.of_edition(edition, newsletter, eight_bit=True)
    readers = people.on_the_wire(300, now=now)
    letters = [_letter(builder.fill(mail, reader, now=now)) for reader in readers]
    datas = [builder.fill(plain, reader, now=now).data for reader in readers]
    with sinks.sink() as sink:
        for rtt_ms in RTTS_MS:
            with slow.line(sink.port, rtt_ms=rtt_ms) as port:
                _at(found, port, rtt_ms, letters, datas, few=4 if quick else 24)
    return found


def _letter(copy: builder.Copy) -> routes.Letter:
    return routes.Letter(copy.sender, copy.recipient, copy.message_id, copy.data, stuffed=copy.stuffed)


def _at(found: Findings, port: int, rtt_ms: int, letters: list[routes.Letter], datas: list[bytes], *, few: int) -> None:
    """All at this distance, one after the other, in each round."""
    ours: dict[int, list[float]] = {1: [], **{size: [] for size in POOLS}}
    theirs = []
    for _ in range(ROUNDS):
        theirs.append(_by_smtplib(port, letters[:few], datas[:few]))
        for size, rates in ours.items():
            rates.append(_by_ours(port, letters[: few * size], connections=size))
    found.tell(f"smtplib_{rtt_ms}ms_per_s", figures.median(theirs), f"letters/s by smtplib, {rtt_ms} ms there and back")
    for size, rates in ours.items():
        over = "one connection" if size == 1 else f"{size} connections"
        found.tell(
            f"ours_{size}_{rtt_ms}ms_per_s", figures.median(rates), f"letters/s by ours over {over}, {rtt_ms} ms"
        )
    found.ratio(f"rtt{rtt_ms}_vs_smtplib", ours[1], theirs)
    found.ratio(f"rtt{rtt_ms}_pool_vs_smtplib", ours[POOLS[0]], theirs)


def _by_smtplib(port: int, letters: list[routes.Letter], datas: list[bytes]) -> float:
    def send() -> None:
        for letter, data in zip(letters, datas, strict=True):
            session.sendmail(letter.sender, [letter.recipient], data)

    with smtplib.SMTP("127.0.0.1", port) as session:
        session.ehlo()
        return figures.rate(len(letters), send)


def _by_ours(port: int, letters: list[routes.Letter], *, connections: int) -> float:
    route = routes.make("smtp-1", f"smtp://127.0.0.1:{port}?tls=off&connections={connections}")
    assert isinstance(route, base.ParallelRoute)
    warm = letters[:connections]
    route.open()
    _all(route, warm, most=connections)
    try:
        return figures.rate(len(letters), lambda: _all(route, letters, most=connections))
    finally:
        route.close()


def _all(route: base.ParallelRoute, letters: list[routes.Letter], *, most: int) -> None:
    results = [route.send(letter) for letter in letters] if most == 1 else _side_by_side(route, letters, most=most)
    if any(result.outcome != "accepted" for result in results):
        raise RuntimeError("the sink did not take every letter")


def _side_by_side(route: base.ParallelRoute, letters: list[routes.Letter], *, most: int) -> list[routes.Result]:
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
