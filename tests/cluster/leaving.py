"""Clients that leave while their answer is computed, in every way that a connection can end."""

import json
from asyncio import StreamWriter, open_connection
from collections.abc import Mapping
from typing import Any, Literal, get_args

import httpx

Way = Literal["closes", "resets", "closes for writing", "sent its body apart", "had more to ask"]
WAYS: tuple[Way, ...] = get_args(Way)


class LeavingClient:
    """One connection with one request, which leaves in its own `way`.

    Head and body apart, as most clients send them, and bytes behind the request were each once a
    reason for HAProxy not to look at the connection again.
    """

    def __init__(self, client: httpx.AsyncClient, way: Way) -> None:
        """`client` knows the address and the credential."""
        self._url, self._key = client.base_url, client.headers["authorization"]
        self._way = way
        self._writer: StreamWriter | None = None

    async def ask(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        payload = json.dumps(body).encode()
        fields = {
            "Host": self._url.netloc.decode(),
            "Authorization": self._key,
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()
        _, self._writer = await open_connection(self._url.host, self._url.port)
        if self._way == "sent its body apart":
            self._writer.write(head)
            await self._writer.drain()
            self._writer.write(payload)
        elif self._way == "had more to ask":
            self._writer.write(head + payload + head + payload)
        else:
            self._writer.write(head + payload)
        await self._writer.drain()

    def leave(self) -> None:
        assert self._writer is not None, "it leaves after it has asked"
        if self._way == "resets":
            self._writer.transport.abort()
        elif self._way == "closes for writing":
            self._writer.write_eof()
        else:
            self._writer.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
