"""A DNS server on loopback, and a look-up that queries it. Answers may change from one query to the next."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

Zone = dict[str, list[str]]
"""Records by name, such as "A 93.184.215.14" or "CNAME dalam.example."; a list of lists holds one list per query."""


@dataclass
class Names:
    zone: dict[str, list[str] | list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Received queries, such as "A situs.example."."""

    def records(self, name: str, kind: str) -> list[str]:
        """The present records of `name`. A name with several answers moves to the next one after each query for an A
        record.
        """
        known = self.zone.get(name, [])
        if known and isinstance(known[0], list):
            known = known.pop(0) if kind == "A" and len(known) > 1 else known[0]
        return [str(record) for record in known if str(record).split()[0] in {kind, "CNAME"}]

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = str(question.name), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}")
        reply = dns.message.make_response(query, recursion_available=True)
        if name not in self.zone:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        for _hop in range(5):
            found = self.records(name, kind)
            for record in found:
                form, _, value = record.partition(" ")
                reply.answer.append(dns.rrset.from_text(name, 0, "IN", form, value))
            aliases = [record.split()[1] for record in found if record.startswith("CNAME")]
            if not aliases:
                break
            name = aliases[0]
        return reply.to_wire()


@contextlib.contextmanager
def serving() -> Iterator[Names]:
    """All look-ups of this process use the server while the block runs."""
    names = Names()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, line = self.request
            line.sendto(names.answer(wire), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], server.server_address[1], 2
    dns.resolver.override_system_resolver(resolver)
    try:
        yield names
    finally:
        dns.resolver.restore_system_resolver()
        server.shutdown()
        server.server_close()
        thread.join()
