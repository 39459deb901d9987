"""The chaos client against servers that misbehave: each way of ending has a name of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from load_tests.benchmarks.common.http_client import NoRetryClient
from load_tests.benchmarks.faults.chaos.outcomes import RequestOutcome
from load_tests.benchmarks.faults.chaos.verified_requests import VerifyingClient

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(*answers: Answer) -> AsyncIterator[VerifyingClient]:
    """Gives these answers one after the other, over as many connections as the client makes."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                await left.pop(0)(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    wire = NoRetryClient(f"http://127.0.0.1:{port}")
    try:
        yield VerifyingClient(wire, "key", 0.0, patience_s=2.0)
    finally:
        wire.close()
        listening.close()


def sends(*parts: bytes, status: str = "200 OK", headers: str = "", close: bool = False) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode())
        for part in parts:
            writer.write(part)
        await writer.drain()
        if close:
            raise ConnectionError

    return answer


def says(text: str, **more: str) -> Answer:
    body = json.dumps(
        {"choices": [{"message": {"content": text}}], "usage": {"total_tokens": 7}}
    ).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
    return sends(body, headers=f"Content-Length: {len(body)}\r\n{lines}")


def refuses(status: str, body: bytes) -> Answer:
    return sends(body, status=status, headers=f"Content-Length: {len(body)}\r\n")


def streams(*events: object, whole: bool = True) -> Answer:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    pieces = [f"data: {text}\n\n".encode() for text in texts]
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    end = [b"0\r\n\r\n"] if whole else []
    return sends(*chunks, *end, headers="Transfer-Encoding: chunked\r\n", close=not whole)


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    raise ConnectionError


async def says_nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10)


def delta(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}}]}


@pytest.mark.parametrize(
    ("answer", "ending", "why"),
    [
        pytest.param(says("hello"), RequestOutcome.WHOLE, "", id="whole"),
        pytest.param(says("goodbye"), RequestOutcome.WRONG, "text 'goodbye'", id="somebody else's"),
        pytest.param(
            refuses("502 Bad", b'{"error": {"code": "model_failed", "message": "after 3.5 s"}}'),
            RequestOutcome.PROBLEM, "model_failed: after # s", id="a typed problem",
        ),
        pytest.param(refuses("500 Oh", b"<html>"), RequestOutcome.UNTYPED, "<html>", id="not ours"),
        pytest.param(hangs_up, RequestOutcome.UNANSWERED, "on a new connection", id="no answer"),
        pytest.param(
            sends(b"half", headers="Content-Length: 100\r\n", close=True),
            RequestOutcome.CUT,
            "",
            id="half",
        ),
    ],
)  # fmt: skip
async def test_a_unary_request_ends_in_one_way(
    answer: Answer, ending: RequestOutcome, why: str
) -> None:
    async with server(answer) as client:
        result = await client.unary("echo", "hello")

    assert (result.ending, result.why) == (ending, why)
    assert result.tokens == (7 if why.startswith("text ") or ending is RequestOutcome.WHOLE else 0)


@pytest.mark.parametrize(
    ("answer", "ending", "tokens"),
    [
        pytest.param(
            streams(delta("ab"), delta("ab"), {"usage": {"total_tokens": 9}}, "[DONE]"),
            RequestOutcome.WHOLE, 9, id="whole",
        ),
        pytest.param(streams(delta("ab"), "[DONE]"), RequestOutcome.WRONG, 2, id="too short"),
        pytest.param(
            streams(delta("ab"), {"error": {"code": "replica_lost"}}),
            RequestOutcome.IN_BAND, 2, id="told in-band",
        ),
        pytest.param(streams(delta("ab"), whole=False), RequestOutcome.CUT, 2, id="cut"),
        pytest.param(streams(delta("ab")), RequestOutcome.CUT, 2, id="an end without [DONE]"),
    ],
)  # fmt: skip
async def test_a_stream_ends_in_one_way(
    answer: Answer, ending: RequestOutcome, tokens: int
) -> None:
    async with server(answer) as client:
        result = await client.stream("talk", "ab", 4)

    assert (result.ending, result.tokens) == (ending, tokens)


async def test_an_old_connection_that_is_hung_up_is_told_from_a_new_one() -> None:
    async with server(says("hello"), hangs_up) as client:
        await client.unary("echo", "hello")
        result = await client.unary("echo", "hello")

    assert (result.ending, result.why) == (RequestOutcome.UNANSWERED, "on a reused connection")


async def test_what_the_cache_answered_is_known() -> None:
    kept = says("hello", **{"Cache-Status": "Mobula;hit;ttl=60;detail=l1"})
    async with server(kept, says("hello", **{"Cache-Status": "Mobula;fwd=miss"})) as client:
        results = [await client.unary("echo", "hello") for _ in range(2)]

    assert [result.from_cache for result in results] == [True, False]


async def test_nobody_there_is_unreachable_and_nobody_answering_is_silent() -> None:
    nobody = VerifyingClient(NoRetryClient("http://127.0.0.1:9"), "key", 0.0, patience_s=2.0)
    assert (await nobody.unary("echo", "hello")).ending is RequestOutcome.UNREACHABLE

    async with server(says_nothing) as client:
        client._patience_s = 0.05
        assert (await client.unary("echo", "hello")).ending is RequestOutcome.SILENT
