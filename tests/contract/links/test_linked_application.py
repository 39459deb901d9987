"""What clients of the whole application see of links that fail, and of readers that are slow."""

import asyncio
import itertools
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from deployments.clients.link.options import LinkOptions
from tests.cluster.polling import eventually
from tests.contract.links.faulty_network import Network
from tests.contract.links.linked_application import (
    PATH,
    LinkedApplication,
    chat,
    linked_application,
)
from tests.contract.links.linked_models import LinkedModel
from tests.contract.links.queued_replica import SLOTS, QueuedReplica

QUICK = LinkOptions(ping_s=0.05, silence_s=0.3, setup_s=1.0)
CLIENTS, EACH = 24, 8
NO_ANSWER = 0


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    yield network
    await network.close()


def faults(network: Network) -> Sequence[Callable[[], None]]:
    """Each takes the place of the one before; the last one ends them."""

    def delay(seconds: float) -> Callable[[], None]:
        def change() -> None:
            network.left = None
            network.flowing.set()
            network.delay_s = seconds

        return change

    def cut_after(left: int) -> Callable[[], None]:
        def change() -> None:
            network.flowing.set()
            network.delay_s, network.left = 0.0, left

        return change

    mend = delay(0.0)
    return (
        delay(0.001),
        network.cut,
        delay(0.05),
        cut_after(777),
        mend,
        network.flowing.clear,
        delay(2.0),
        network.cut,
        cut_after(2500),
        delay(0.3),
        network.flowing.clear,
        mend,
    )


async def test_no_slot_stays_taken_and_nothing_hangs_whatever_the_network_does(
    network: Network, tmp_path: Path
) -> None:
    """Delays of 1 ms to 2 s, stalls as of a stopped replica, cuts also in the middle of a frame;
    whole answers and streams, a third of them given up."""
    model = LinkedModel("a", "b", ours=QUICK, replica=QueuedReplica, silence_s=0.3)
    for name in model.replicas:
        await network.join_link(model, name)
    await model.start()
    changes, ends = faults(network), Counter[int]()
    pace = CLIENTS * EACH // len(changes)

    async with linked_application(tmp_path, model, CLIENTS) as served:

        async def use(number: int) -> None:
            for turn in range(EACH):
                async with asyncio.timeout(30):  # the deadline of each is 0.5 s
                    ends[await ask(served, number, turn)] += 1
                if ends.total() % pace == 0:
                    changes[ends.total() // pace - 1]()

        await asyncio.gather(*(use(number) for number in range(CLIENTS)))
        # 429: requests that were given up hold their slots until that is noticed.
        assert set(ends) <= {NO_ANSWER, 200, 429, 503, 504}
        assert ends[200] > 0

        replicas = [each for each in model.replicas.values() if isinstance(each, QueuedReplica)]
        await eventually(lambda: sum(each.held for each in replicas) == 0)
        await eventually(lambda: model.running == model.outstanding == 0)

        async def all_free() -> bool:
            return await served.free_slots() == CLIENTS

        await eventually(all_free)
        whole = await asyncio.gather(
            *(served.client.post(PATH, json=chat("hello")) for _ in range(2 * SLOTS))
        )
        assert {answer.status_code for answer in whole} == {200}
    await model.close()


async def ask(served: LinkedApplication, number: int, turn: int) -> int:
    """The status of one request, 0 for one that was given up."""
    headers = {"Mobula-Timeout": "0.5"}
    body = chat(f"word {number} {turn}", stream=(number + turn) % 2 == 0)
    is_given_up = (number + turn) % 3 == 0
    if not body["stream"]:
        asking = asyncio.create_task(served.client.post(PATH, json=body, headers=headers))
        await asyncio.wait((asking,), timeout=0.02 if is_given_up else None)
        if asking.done():
            return asking.result().status_code
        asking.cancel()
        await asyncio.wait((asking,))
        return NO_ANSWER
    async with served.client.stream("POST", PATH, json=body, headers=headers) as answer:
        async with aclosing(answer.aiter_lines()) as lines:
            async for _ in lines:
                if is_given_up:
                    return NO_ANSWER
        return answer.status_code


WORDS = 4_000


async def test_a_client_that_reads_slowly_holds_up_its_own_stream_only(tmp_path: Path) -> None:
    """Its replica generates no further than windows and buffers reach, and goes on when it reads.
    All streams go over the one link of the one replica."""
    model = LinkedModel("a", ours=LinkOptions(window=64))
    await model.start()
    [replica] = model.replicas.values()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    async with linked_application(tmp_path, model, 8, listener) as served:
        slow = SlowReader(served)
        await slow.send(f"{WORDS} words")
        await eventually(lambda: replica.given > 64)
        given = await settled(lambda: replica.given)
        assert given < WORDS // 2

        body = chat("500 words", stream=True)
        for _ in range(3):
            streamed = await served.client.post(PATH, json=body)
            assert streamed.text.count("data: ") > 1
            assert streamed.text.endswith("data: [DONE]\n\n")
        assert (await served.client.post(PATH, json=chat("hello"))).status_code == 200
        assert replica.given == given + 3 * 500

        assert await slow.read() == "".join(f"{number} " for number in range(WORDS)) + "a"
        await eventually(lambda: model.running == model.outstanding == 0)
    await model.close()


async def settled(value: Callable[[], int]) -> int:
    """The value once it has not changed for a while."""
    seen = [value()]

    def is_steady() -> bool:
        seen.append(value())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    await eventually(is_steady)
    return seen[-1]


class SlowReader:
    """A client whose receive buffer is small and that reads only when it is told to."""

    def __init__(self, served: LinkedApplication) -> None:
        self._url = httpx.URL(served.url)
        self._key = served.key
        self._socket = socket.socket()

    async def send(self, prompt: str) -> None:
        loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        await loop.sock_connect(self._socket, (self._url.host, self._url.port))
        body = json.dumps(chat(prompt, stream=True)).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self._url.host}\r\nConnection: close\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        await loop.sock_sendall(self._socket, head.encode() + body)

    async def read(self) -> str:
        """The text of the stream, which must be whole."""
        loop, answer = asyncio.get_running_loop(), bytearray()
        with self._socket:
            while data := await loop.sock_recv(self._socket, 1 << 16):
                answer += data
        assert b"data: [DONE]" in answer
        events = [
            json.loads(line.removeprefix(b"data: "))
            for line in bytes(answer).splitlines()
            if line.startswith(b"data: {")
        ]
        return "".join(
            choice["delta"].get("content") or ""
            for choice in itertools.chain.from_iterable(event["choices"] for event in events)
        )
