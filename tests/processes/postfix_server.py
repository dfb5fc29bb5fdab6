"""Debian's Postfix as the mail server of a test: a separate instance in a temporary folder, on a local port.

The system's Postfix is not read, changed or started. Mail for known users of `p.example` and `gmail.com` goes to
a maildir. A policy server of the test, which Postfix queries for each recipient, may decide otherwise.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.running_site import free_port

PROGRAM = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin:/sbin")
WHY_NOT = "" if PROGRAM and os.getuid() == 0 else "needs Postfix (apt install postfix) and root, who alone may start it"

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.p.example
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtputf8_enable = yes
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
virtual_mailbox_domains = p.example, gmail.com, xn--mnchen-3ya.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/people
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_recipient_restrictions =
    reject_unlisted_recipient,
    check_policy_service {{ inet:127.0.0.1:{policy}, default_action=DUNNO }},
    permit_mynetworks, reject
"""
MASTER = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Postfix:
    folder: Path
    port: int
    says: Callable[[str], str | None] = lambda _recipient: None
    """What the policy server answers about a recipient: an action of Postfix's access(5); None lets it pass."""
    asked: list[str] = field(default_factory=list)

    def delivered(self, count: int, *, seconds: float = 10) -> list[bytes]:
        """Wait until the maildir holds so many messages, and return them."""
        until = time.monotonic() + seconds
        new = self.folder / "mail" / "all" / "new"
        while len(found := sorted(new.glob("*")) if new.is_dir() else []) < count and time.monotonic() < until:
            time.sleep(0.05)
        return [file.read_bytes() for file in found]


class _Asked(socketserver.StreamRequestHandler):
    """Postfix's policy delegation protocol: lines of name=value, an empty line, then the action."""

    def handle(self) -> None:
        asked: dict[str, str] = {}
        for raw in self.rfile:
            line = raw.decode().strip()
            if line:
                name, _equals, value = line.partition("=")
                asked[name] = value
                continue
            postfix: Postfix = self.server.postfix  # type: ignore[attr-defined]
            postfix.asked.append(asked["recipient"])
            self.wfile.write(f"action={postfix.says(asked['recipient']) or 'DUNNO'}\n\n".encode())
            asked = {}


@contextmanager
def running(people: list[str]) -> Iterator[Postfix]:
    """Run a Postfix with these local users."""
    with tempfile.TemporaryDirectory(prefix="warta-postfix-") as name:
        folder, policy = Path(name), socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Asked)
        folder.chmod(0o755)
        policy.daemon_threads = True
        here = Postfix(folder, free_port())
        policy.postfix = here  # type: ignore[attr-defined]
        threading.Thread(target=policy.serve_forever, daemon=True).start()
        _prepare(here, people, policy.server_address[1])
        try:
            _order(here, "start")
            yield here
        finally:
            _order(here, "stop")
            policy.shutdown()
            policy.server_close()


def _prepare(here: Postfix, people: list[str], policy: int) -> None:
    owner = pwd.getpwnam("postfix")
    for part in ("etc", "queue", "data", "mail"):
        (here.folder / part).mkdir()
    os.chown(here.folder / "data", owner.pw_uid, owner.pw_gid)
    os.chown(here.folder / "mail", 65534, 65534)
    (here.folder / "people").write_text("".join(f"{email} all/\n" for email in people))
    (here.folder / "etc" / "main.cf").write_text(MAIN.format(folder=here.folder, policy=policy))
    (here.folder / "etc" / "master.cf").write_text(MASTER.format(port=here.port))


def _order(here: Postfix, order: str) -> None:
    command = [str(PROGRAM), "-c", str(here.folder / "etc"), order]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
