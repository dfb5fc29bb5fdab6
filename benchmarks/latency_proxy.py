"""A line that is long: passes bytes on after half a round trip each way. python -m benchmarks.latency_proxy PORT RTT_MS

What is sent travels late; opening a connection, and TCP's own acknowledgements, are as quick as this machine is.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_SIZE = 1 << 18


async def serve(port: int, rtt_ms: float) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK_SIZE)
        await asyncio.gather(relay(reader, far_writer, rtt_ms / 2000), relay(far_reader, writer, rtt_ms / 2000))

    server = await asyncio.start_server(carry, "127.0.0.1", 0, limit=CHUNK_SIZE)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print(server.sockets[0].getsockname()[1], flush=True)
    await orders.read()
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(CHUNK_SIZE):
            loop.call_later(delay_s, writer.write, data)
    except (OSError, asyncio.CancelledError):
        pass
    loop.call_later(delay_s, writer.close)


@contextmanager
def start(port: int, *, rtt_ms: float) -> Iterator[int]:
    """The port of a line to `port` of this machine."""
    command = [sys.executable, "-m", "benchmarks.latency_proxy", str(port), str(rtt_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.communicate()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
