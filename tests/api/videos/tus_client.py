"""What a tus client sends, and a connection that breaks off."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from tests.api.videos.media_world import WRITER

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
UPLOADS = "/api/v1/uploads"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def begin(client: httpx.AsyncClient, length: int, **headers: str) -> str:
    """Where the new upload is."""
    answer = await client.post(UPLOADS, headers={**TUS, "Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def send(
    client: httpx.AsyncClient, at: str, offset: int, data: Any, **headers: str
) -> httpx.Response:
    said = {**PIECE, "Upload-Offset": str(offset), **headers}
    return await client.patch(at, headers=said, content=data)


async def offset_at(client: httpx.AsyncClient, at: str) -> int:
    answer = await client.head(at, headers=TUS)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])


async def break_off(
    app: ASGIApp, method: str, at: str, chunks: list[bytes], headers: Mapping[str, str]
) -> None:
    """A request whose client leaves after `chunks`."""
    said = {"Authorization": f"Bearer {WRITER}", "Host": "mobula.test", **headers}
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send_nowhere(_: Message) -> None:
        pass

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "path": at, "raw_path": at.encode(), "query_string": b"", "scheme": "http",
        "root_path": "", "server": ("mobula.test", 80), "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in said.items()],
    }  # fmt: skip
    await app(scope, receive, send_nowhere)
