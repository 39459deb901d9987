"""Faults of the connection and of HTTP: the same for every API.

In: an exchange. Out: bytes that end early, never end, come slowly, or are no HTTP.
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from functools import cache

from tests.upstream_server.exchange import Exchange, answer_rightly, event_bytes

MIB = 1 << 20
BIG = 10 * MIB
BOMB = 256 * MIB  # unpacked
_SPACES = b" " * 65536
METADATA_HOST = "http://169.254.169.254/latest/meta-data/"

Respond = Callable[[Exchange], Awaitable[None]]


async def dies_before_head(exchange: Exchange) -> None:
    exchange.abort()


async def closes_before_head(exchange: Exchange) -> None:
    """An orderly end of the connection, as of an idle one that times out at that moment."""
    exchange.closing = True


async def dies_within_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    exchange.abort()


async def dies_within_body(exchange: Exchange) -> None:
    await _half(exchange)
    exchange.abort()


async def closes_within_body(exchange: Exchange) -> None:
    await _half(exchange)
    exchange.closing = True


async def hangs_before_head(exchange: Exchange) -> None:
    await exchange.until_left()


async def hangs_after_head(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.until_left()


async def hangs_within_body(exchange: Exchange) -> None:
    await _half(exchange)
    await exchange.until_left()


async def drips_head(exchange: Exchange) -> None:
    """A byte a second, for ever: each is progress, none is an answer."""
    await _drip(exchange, b"HTTP/1.1 200 OK\r\nx-padding: " + b"a" * 3600)


async def drips_body(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "content-length": "3600"})
    await _drip(exchange, b" " * 3600)


async def sends_endless_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.send(b"x-padding: " + b"a" * 1000 + b"\r\n")


async def sends_endless_line(exchange: Exchange) -> None:
    """A header without an end."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nx-padding: ")
    while True:
        await exchange.send(b"a" * 65536)


async def sends_many_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n")
    for thousand in range(100):
        lines = [b"x-%d-%d: %s\r\n" % (thousand, number, b"a" * 50) for number in range(1000)]
        await exchange.send(b"".join(lines))
    await exchange.send(b"\r\n")


async def sends_endless_interim(exchange: Exchange) -> None:
    """Interim responses (RFC 9110 section 15.2) without a final one."""
    while True:
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


async def switches_protocols(exchange: Exchange) -> None:
    await exchange.head(101, {"upgrade": "websocket", "connection": "upgrade"})
    await exchange.until_left()


async def sends_no_http(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    exchange.closing = True


async def sends_endless_body(exchange: Exchange) -> None:
    """One JSON string without an end."""
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.chunk(b'{"id": "')
    while True:
        await exchange.chunk(b"a" * 65536)


async def sends_endless_trailers(exchange: Exchange) -> None:
    """Trailer fields (RFC 9112 section 7.1.2) after a right body."""
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.chunk(_body(exchange))
    await exchange.send(b"0\r\n")
    number = 0
    while True:
        number += 1
        await exchange.send(b"x-%d: %s\r\n" % (number, b"a" * 1000))


async def sends_endless_extension(exchange: Exchange) -> None:
    """A chunk extension (RFC 9112 section 7.1.1) without an end."""
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.send(b"5;padding=")
    while True:
        await exchange.send(b"a" * 65536)


async def sends_nul_in_head(exchange: Exchange) -> None:
    body = _body(exchange)
    headers = {"content-type": _kind(exchange), "x-nul": "a\0b", "content-length": str(len(body))}
    await exchange.head(200, headers)
    await exchange.send(body)


async def sends_endless_comments(exchange: Exchange) -> None:
    """Comments keep a stream alive and say nothing."""
    await exchange.begin_stream()
    while True:
        await exchange.chunk(b": keep-alive\n\n")
        await asyncio.sleep(0.01)


async def sends_endless_event(exchange: Exchange) -> None:
    """One event without an end."""
    await exchange.begin_stream()
    await exchange.chunk(b"data: ")
    while True:
        await exchange.chunk(b"a" * 65536)


async def sends_gzip_bomb(exchange: Exchange) -> None:
    """Nobody asked for a content coding."""
    await exchange.respond(_bomb(), kind=_kind(exchange), headers={"content-encoding": "gzip"})


async def sends_two_lengths(exchange: Exchange) -> None:
    """RFC 9112 section 6.3: cannot be recovered from."""
    body = json.dumps(exchange.whole()).encode()
    lengths = [("content-length", str(len(body))), ("content-length", "5")]
    await exchange.head(200, [("content-type", _kind(exchange)), *lengths])
    await exchange.send(body)


async def sends_length_and_chunks(exchange: Exchange) -> None:
    """What smuggles a response: RFC 9112 section 6.1."""
    body = json.dumps(exchange.whole()).encode()
    headers = {"content-type": _kind(exchange), "content-length": "3"}
    await exchange.head(200, {**headers, "transfer-encoding": "chunked"})
    await exchange.chunk(body)
    await exchange.end_stream()
    exchange.closing = True


async def says_too_long(exchange: Exchange) -> None:
    body = _body(exchange)
    await exchange.head(
        200, {"content-type": _kind(exchange), "content-length": str(len(body) + 100)}
    )
    await exchange.send(body)
    exchange.closing = True


async def says_too_short(exchange: Exchange) -> None:
    """The rest stands where the next response of the connection would."""
    body = _body(exchange)
    await exchange.head(
        200, {"content-type": _kind(exchange), "content-length": str(len(body) // 2)}
    )
    await exchange.send(body)


async def says_absurd_length(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "content-length": "9" * 30})
    await exchange.until_left()


async def says_negative_length(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "content-length": "-1"})
    await exchange.until_left()


async def sends_bad_chunk(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.send(b"zz\r\n{}\r\n0\r\n\r\n")
    exchange.closing = True


async def sends_big_chunk(exchange: Exchange) -> None:
    """10 MB of spaces before the answer, all in one chunk; in a stream as one comment."""
    body = _body(exchange)
    ends = (b": ", b"\n\n") if exchange.is_stream else (b"", b"")
    size = BIG + len(body) + len(ends[0]) + len(ends[1])
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.send(b"%x\r\n" % size + ends[0])
    for _ in range(BIG // len(_SPACES)):
        await exchange.send(_SPACES)
    await exchange.send(ends[1] + body + b"\r\n")
    await exchange.end_stream()
    exchange.request.answered = True
    exchange.request.usage = _usage(exchange)


async def says_huge_chunk(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": _kind(exchange), "transfer-encoding": "chunked"})
    await exchange.send(b"ffffffffffffffff\r\n{}")
    await exchange.until_left()


async def answers_twice(exchange: Exchange) -> None:
    """A second response that nobody asked for: it belongs to no request."""
    await answer_rightly(exchange)
    body = b'{"forged": true}'
    await exchange.respond(body)


async def redirects(exchange: Exchange) -> None:
    await exchange.head(307, {"location": exchange.request.target, "content-length": "0"})


async def redirects_to_metadata(exchange: Exchange) -> None:
    """The address that serves a cloud machine's credentials."""
    await exchange.head(302, {"location": METADATA_HOST, "content-length": "0"})


def redirects_to(url: str) -> Respond:
    async def respond(exchange: Exchange) -> None:
        await exchange.head(307, {"location": url, "content-length": "0"})

    return respond


async def sends_empty_body(exchange: Exchange) -> None:
    await exchange.respond(b"", kind=_kind(exchange))


async def sends_no_content(exchange: Exchange) -> None:
    await exchange.head(204, {})


async def answers_and_closes(exchange: Exchange) -> None:
    """A right answer on a connection that ends with it."""
    exchange.closing = True
    body = _body(exchange)
    await exchange.head(200, {"content-type": _kind(exchange), "connection": "close"})
    await exchange.send(body)
    exchange.request.answered = True
    exchange.request.usage = _usage(exchange)


def _usage(exchange: Exchange) -> tuple[int, int]:
    many = int(exchange.request.json.get("n") or 1)
    return exchange.answer.input_tokens, exchange.answer.output_tokens * many


async def _half(exchange: Exchange) -> None:
    """A right beginning: the first half of the events, or of the body."""
    if exchange.is_stream:
        events = exchange.events()
        await exchange.begin_stream()
        for event in events[: len(events) // 2]:
            await exchange.event(event)
        return
    body = _body(exchange)
    await exchange.head(200, {"content-type": _kind(exchange), "content-length": str(len(body))})
    await exchange.send(body[: len(body) // 2])


async def _drip(exchange: Exchange, data: bytes) -> None:
    for at in range(len(data)):
        await exchange.send(data[at : at + 1])
        await asyncio.sleep(1)


def _kind(exchange: Exchange) -> str:
    return "text/event-stream" if exchange.is_stream else "application/json"


def _body(exchange: Exchange) -> bytes:
    if exchange.is_stream:
        return b"".join(map(event_bytes, exchange.events())) + exchange.last_event
    return json.dumps(exchange.whole()).encode()


@cache
def _bomb() -> bytes:
    """Members of gzip may follow each other (RFC 1952 section 2.2)."""
    return gzip.compress(b" " * MIB, 9) * (BOMB // MIB)
