"""A chunk whose request is cancelled is stored as far as it arrived, whoever cancelled it."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from cluster.runtime.problems import ClientGone, RequestTimeout
from deployments.ingress.http.upload_chunk import ENDING_S, UploadChunk

LEFT: Message = {"type": "http.disconnect"}


class Line:
    """Messages that wait to be received, as Serve keeps them; after the last nothing comes."""

    def __init__(self, *messages: Message) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)

    def chunk(self) -> UploadChunk:
        return UploadChunk(Request({"type": "http"}, self.messages.get), keep_broken=True)


def body(*blocks: bytes) -> Sequence[Message]:
    return [{"type": "http.request", "body": block, "more_body": True} for block in blocks]


async def read(chunk: UploadChunk, kept: list[bytes], began: asyncio.Event) -> str:
    async for block in chunk.chunks():
        began.set()
        kept.append(block)
        await asyncio.sleep(0)  # a store that takes its time
    return "kept"


async def cancelled(chunk: UploadChunk, kept: list[bytes]) -> None:
    began = asyncio.Event()
    request = asyncio.create_task(chunk.drain_into(read(chunk, kept, began)))
    await began.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_all_that_came_before_the_client_left_is_kept() -> None:
    chunk, kept = Line(*body(b"a", b"b", b"c"), LEFT).chunk(), list[bytes]()
    await cancelled(chunk, kept)
    assert kept == [b"a", b"b", b"c"]
    assert isinstance(chunk.broken, ClientGone)


async def test_a_client_that_is_still_there_is_not_waited_for() -> None:
    chunk, kept = Line(*body(b"a", b"b")).chunk(), list[bytes]()
    async with asyncio.timeout(ENDING_S + 30):
        await cancelled(chunk, kept)
    assert kept == [b"a", b"b"]
    assert isinstance(chunk.broken, RequestTimeout)


async def test_what_the_work_comes_to_is_given_and_its_failure_raised() -> None:
    end: Message = {"type": "http.request", "body": b"z", "more_body": False}
    assert await Line(end).chunk().drain_into(asyncio.sleep(0, "done")) == "done"

    async def fails() -> None:
        raise ClientGone("no")

    with pytest.raises(ClientGone):
        await Line(end).chunk().drain_into(fails())
