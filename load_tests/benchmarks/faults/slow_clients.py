"""Connections that never become requests, from many addresses of this machine.

    python -m load_tests.benchmarks.faults.slow_clients --port 8000 --connections 10000

A third sends nothing, a third a byte a second, a third headers without end. Those that the server
ends are opened again. Prints `ready` once each has been tried, and ends, with a line of JSON, when
its standard input closes. One thread over epoll, so that it takes little from who is measured.
"""

import argparse
import contextlib
import errno
import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.ops.descriptors import raise_limit

KINDS = ("silent", "trickle", "endless")
BEGIN = b"GET /version HTTP/1.1\r\nhost: slow.test\r\nx-slow: "
TRICKLE, ENDLESS = b"y", b"y" * 60 + b"\r\nx-more: "
TICK_S = 0.01
SENDS_EVERY_S = 1.0
AT_ONCE = 20  # opened in a tick, so that none waits for a burst of ours


@dataclass(slots=True)
class SlowClient:
    """`number` decides where it comes from and what it sends."""

    number: int
    connection: socket.socket | None = None

    @property
    def kind(self) -> str:
        return KINDS[self.number % len(KINDS)]


@dataclass
class ConnectionCounts:
    """`held` is sampled at each tick, after `ready`."""

    opened: int = 0
    refused: int = 0
    ended: int = 0
    held: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        mean = sum(self.held) / len(self.held) if self.held else 0
        return {
            "opened": self.opened,
            "refused": self.refused,
            "ended_by_server": self.ended,
            "held_on_average": round(mean),
            "held_at_most": max(self.held, default=0),
        }


class SlowClients:
    """Holds `connections` to 127.0.0.1, from `sources` addresses beginning at 127.0.0.2."""

    def __init__(self, port: int, connections: int, sources: int, again_s: float) -> None:
        self._port = port
        self._sources = [f"127.0.0.{2 + index}" for index in range(sources)]
        self._again_s = again_s
        self._clients = [SlowClient(number) for number in range(connections)]
        self._waiting = deque((0.0, client) for client in self._clients)
        self._selector = selectors.EpollSelector()
        self._held = 0
        self.counts = ConnectionCounts()

    def run(self, until_closed: int) -> dict[str, float]:
        """Until the descriptor `until_closed` can be read."""
        self._selector.register(until_closed, selectors.EVENT_READ)
        ready, tick = False, 0
        while True:
            began = time.monotonic()
            if self._look():
                return self.counts.summary()
            self._open(began)
            self._send(tick)
            if not ready and self.counts.opened + self.counts.refused >= len(self._clients):
                ready = True
                print("ready", flush=True)
            if ready:
                self.counts.held.append(self._held)
            tick += 1
            time.sleep(max(0.0, began + TICK_S - time.monotonic()))

    def _look(self) -> bool:
        """Whether it is over; takes leave of those whom the server has ended."""
        for key, _ in self._selector.select(0):
            if key.data is None:
                return True
            with contextlib.suppress(BlockingIOError):
                if self._is_over(key.data):
                    self._drop(key.data)
        return False

    @staticmethod
    def _is_over(client: SlowClient) -> bool:
        assert client.connection is not None
        try:
            return client.connection.recv(4096) == b""
        except ConnectionError:
            return True

    def _drop(self, client: SlowClient) -> None:
        assert client.connection is not None
        self._selector.unregister(client.connection)
        client.connection.close()
        client.connection = None
        self._held -= 1
        self.counts.ended += 1
        self._waiting.append((time.monotonic() + self._again_s, client))

    def _open(self, now: float) -> None:
        for _ in range(AT_ONCE):
            if not self._waiting or self._waiting[0][0] > now:
                return
            _, client = self._waiting.popleft()
            connection = socket.socket()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((self._sources[client.number % len(self._sources)], 0))
            code = connection.connect_ex(("127.0.0.1", self._port))
            if code not in (0, errno.EINPROGRESS):
                connection.close()
                self.counts.refused += 1
                self._waiting.append((now + self._again_s, client))
                continue
            client.connection = connection
            self._selector.register(connection, selectors.EVENT_READ, client)
            self._held += 1
            self.counts.opened += 1
            if client.kind != "silent":
                self._write(client, BEGIN)

    def _send(self, tick: int) -> None:
        """Each in its turn, once a second."""
        turns = int(SENDS_EVERY_S / TICK_S)
        for client in self._clients[tick % turns :: turns]:
            if client.connection is not None and client.kind != "silent":
                self._write(client, TRICKLE if client.kind == "trickle" else ENDLESS)

    @staticmethod
    def _write(client: SlowClient, data: bytes) -> None:
        assert client.connection is not None
        with contextlib.suppress(OSError):
            client.connection.send(data)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.benchmarks.faults.slow_clients", description=__doc__
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--again", type=float, default=1.0, help="Seconds until it is tried again.")
    options = parser.parse_args(argv)
    raise_limit()
    clients = SlowClients(options.port, options.connections, options.sources, options.again)
    print(json.dumps(clients.run(sys.stdin.fileno())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
