"""A network between an ingress and a replica that delays, stalls and cuts."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace

from deployments.contracts.links import LinkOffer
from tests.contract.links.linked_models import LinkedModel


class Network:
    """Forwards connections to the ports that offers name; change its fields at any time.

    `delay_s` is one way. `left` is how many bytes still pass, in both directions together, before
    every connection is cut (None: all of them). While `stalled`, nothing passes and nothing ends.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.left: int | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.passed = 0
        self._servers: list[asyncio.Server] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ports: dict[int, int] = {}

    async def open(self, target: int) -> int:
        """The port that leads to the port `target`."""
        server = await asyncio.start_server(lambda r, w: self._join(r, w, target), "127.0.0.1", 0)
        self._servers.append(server)
        self._ports[target] = int(server.sockets[0].getsockname()[1])
        return self._ports[target]

    async def join_link(self, model: LinkedModel, name: str) -> None:
        """Lead the links to a replica through here; before the model starts."""
        endpoint = model.endpoint(name)
        await endpoint._start("127.0.0.1")
        await self.open(endpoint._port)
        model.through[name] = self.through()

    def through(self) -> Callable[[LinkOffer], LinkOffer]:
        """What changes an offer so that its link leads through here; `open` the port before."""
        return lambda offer: replace(offer, port=self._ports[offer.port])

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self.flowing.set()
        self.cut()
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._start(self._carry(source, sink))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._start(self._deliver(under_way, sink))
        while True:
            try:
                data = await source.read(65536)
            except OSError:
                data = b""
            await self.flowing.wait()
            if self.left is not None:
                data, self.left = data[: self.left], self.left - len(data)
            arrives = loop.time() + self.delay_s
            if data:
                self.passed += len(data)
                under_way.put_nowait((arrives, data))
            if not data or (self.left is not None and self.left <= 0):
                under_way.put_nowait((arrives, b""))
                return

    async def _deliver(
        self, under_way: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter
    ) -> None:
        """In order, also where the delay becomes shorter; empty: the end."""
        loop, data = asyncio.get_running_loop(), b"-"
        while data:
            arrives, data = await under_way.get()
            await asyncio.sleep(max(0.0, arrives - loop.time()))
            if data and not sink.is_closing():
                sink.write(data)
        if self.left is not None and self.left <= 0:
            self.cut()
        sink.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
