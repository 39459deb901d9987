"""A replica in a process of its own, which can be stopped and killed, and links to it.

In: commands on standard input, one a line: `open N`, `close N`, `count`. Out: lines of JSON: the
offer of link N, its end, how many requests run. The process ends with its standard input.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from cluster.runtime.settings import ROOT
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from tests.contract.links.scripted_replica import ScriptedReplica, handlers_of


class ReplicaProcess:
    """The parent's side of one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = count(1)
        self._openings: dict[int, ProcessOpening] = {}
        self._counts: asyncio.Queue[int] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        words = (sys.executable, "-m", "tests.contract.links.replica_process", self.name)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, stdin=pipe, stdout=pipe
        )
        self._reader = asyncio.create_task(self._read())

    def open_link(self) -> "ProcessOpening":
        number = next(self._numbers)
        self._openings[number] = ProcessOpening(self, number)
        self.send(f"open {number}")
        return self._openings[number]

    async def is_idle(self) -> bool:
        """Whether it runs no request; waits while it is stopped."""
        self.send("count")
        return await self._counts.get() == 0

    def stop(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    def send(self, command: str) -> None:
        """Nothing where the process has ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(ConnectionError):
            self._process.stdin.write(f"{command}\n".encode())

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "running" in said:
                self._counts.put_nowait(said["running"])
            elif "offer" in said:
                self._openings[said["link"]].offered(said["offer"])
            else:
                self._openings[said["link"]].end()
        for opening in self._openings.values():
            opening.end()


class ProcessOpening:
    """Implements `LinkOpening`: as a call of Serve, it hangs while the process is stopped."""

    def __init__(self, process: ReplicaProcess, number: int) -> None:
        self._process, self._number = process, number
        self._offer: asyncio.Future[Mapping[str, Any]] = asyncio.Future()
        self._ended = asyncio.Event()

    async def offer(self) -> LinkOffer:
        offer = await self._offer
        return LinkOffer(**{**offer, "secret": bytes.fromhex(offer["secret"])})

    async def ended(self) -> None:
        await self._ended.wait()

    def cancel(self) -> None:
        self._process.send(f"close {self._number}")

    def offered(self, offer: Mapping[str, Any]) -> None:
        if not self._offer.done():
            self._offer.set_result(offer)

    def end(self) -> None:
        self._ended.set()


class _Child:
    def __init__(self, name: str) -> None:
        self._replica = ScriptedReplica(name)
        self._endpoint = LinkEndpoint("m", handlers_of(self._replica))
        self._openings: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        async for line in reader:
            command, *numbers = line.decode().split()
            if command == "open":
                [number] = map(int, numbers)
                self._openings[number] = asyncio.create_task(self._open(number))
            elif command == "close":
                self._openings[int(numbers[0])].cancel()
            else:
                say(running=len(self._replica.running))

    async def _open(self, number: int) -> None:
        name = self._replica.name
        offers = self._endpoint.offer(OpenLinkRequest(name), name, "127.0.0.1")
        try:
            async for offer in offers:
                assert isinstance(offer, LinkOffer)
                say(link=number, offer=offer_as_json(offer))
        finally:
            await offers.aclose()
            say(link=number)


def offer_as_json(offer: LinkOffer) -> dict[str, Any]:
    plain = {name: getattr(offer, name) for name in ("link", "host", "port", "version", "tls")}
    return {**plain, "secret": offer.secret.hex()}


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_Child(sys.argv[1]).run())
