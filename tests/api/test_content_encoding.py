"""Bodies that come compressed: the same answers, bounded by what they hold."""

import gzip
import json
import struct
import zlib
from collections.abc import Callable

import httpx
import pytest
import zstandard
from starlette.types import ASGIApp

from deployments.ingress.http.app import create_app
from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY, MakeServices, client_of
from tests.api.wire import Wire

CHAT = "/v1/chat/completions"
HELLO = json.dumps({"model": "words", "messages": [{"role": "user", "content": "hi " * 20}]})
JSON = {"content-type": "application/json"}


def _bare_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", _bare_deflate),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd stream": ("ZSTD", lambda data: b"".join(_zstd_stream(data))),
    "identity": ("identity", lambda data: data),
}
coded = pytest.mark.parametrize("kind", CODINGS)
compressed = pytest.mark.parametrize("kind", sorted(CODINGS.keys() - {"identity"}))


def _zstd_stream(data: bytes) -> list[bytes]:
    made = zstandard.ZstdCompressor().compressobj()
    return [made.compress(data), made.flush()]


def headers(coding: str) -> dict[str, str]:
    return {**JSON, "content-encoding": coding}


def wire(app: ASGIApp, path: str, coding: str) -> Wire:
    key = {"authorization": f"Bearer {ADMIN_KEY}"}
    return Wire(app, path, headers=list({**headers(coding), **key}.items())).start()


@coded
@pytest.mark.parametrize("step", [1, 10_000])
async def test_a_compressed_body_is_answered_like_a_plain_one(
    app: ASGIApp, kind: str, step: int, model: WordsModel
) -> None:
    coding, compress = CODINGS[kind]
    data = compress(HELLO.encode())
    request = wire(app, CHAT, coding)
    for start in range(0, len(data), step):
        request.body(data[start : start + step], more=start + step < len(data))

    await request.ended()

    assert request.status == 200, request.text
    assert "hi hi" in str(model.requests[0])


@coded
async def test_every_kind_of_route_decodes(client: httpx.AsyncClient, kind: str) -> None:
    coding, compress = CODINGS[kind]
    for path, body in (
        ("/api/v1/captions", {"topic": "tea"}),
        ("/v1/embeddings", {"model": "letters", "input": "hi"}),
        ("/api/v1/auth/login", {"nonsense": 1}),
    ):
        plain = await client.post(path, json=body)
        answer = await client.post(
            path, content=compress(json.dumps(body).encode()), headers=headers(coding)
        )
        assert answer.status_code == plain.status_code, path


@compressed
async def test_a_body_that_grows_over_the_limit_is_413_and_names_it(
    make_services: MakeServices, kind: str
) -> None:
    coding, compress = CODINGS[kind]
    app = create_app(make_services(max_body_bytes=4096, max_image_body_bytes=4096))
    async with client_of(app) as client:
        answer = await client.post(
            CHAT, content=compress(b"[" + b" " * (8 << 20)), headers=headers(coding)
        )

    assert answer.status_code == 413
    assert "4096" in answer.json()["error"]["message"]


async def test_of_a_bomb_only_a_few_pieces_are_decoded(make_services: MakeServices) -> None:
    """32 KiB that stand for 1 GiB: blocks of one repeated byte (RFC 8878)."""
    app = create_app(make_services(max_body_bytes=65_536, max_image_body_bytes=65_536))
    block = struct.pack("<I", (1 << 1) | ((128 << 10) << 3))[:3] + b"a"
    bomb = b"\x28\xb5\x2f\xfd\x00" + bytes([(23 - 10) << 3]) + block * 8_192
    request = wire(app, CHAT, "zstd").body(bomb, more=True)

    await request.ended()

    assert request.status == 413


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "compress", "nonsense" * 100])
async def test_another_coding_is_415_and_names_those_that_are_decoded(
    client: httpx.AsyncClient, coding: str
) -> None:
    answer = await client.post(CHAT, content=HELLO, headers=headers(coding))

    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, zstd"
    assert "zstd" in answer.json()["error"]["message"]


@compressed
async def test_a_body_that_is_not_what_its_coding_says_is_400(
    client: httpx.AsyncClient, kind: str
) -> None:
    coding, compress = CODINGS[kind]
    data = compress(HELLO.encode())
    for wrong in (HELLO.encode(), b"", data[:-1], data[: len(data) // 2], data + b"x", data * 2):
        answer = await client.post(CHAT, content=wrong, headers=headers(coding))
        assert answer.status_code == 400, wrong[:20]
        assert answer.json()["error"]["code"] == "malformed_payload"


async def test_compressed_bytes_over_the_limit_are_413_whatever_they_hold(
    make_services: MakeServices,
) -> None:
    app = create_app(make_services(max_body_bytes=4096, max_image_body_bytes=4096))
    nothing = b"\x00\x00\x00\xff\xff" * 2_000  # empty stored blocks, without end

    async with client_of(app) as client:
        answer = await client.post(CHAT, content=nothing, headers=headers("deflate"))

    assert answer.status_code == 413


async def test_a_get_with_a_coding_is_a_get(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models", headers={"content-encoding": "br"})).status_code == 200
