"""Speaks raw ASGI to an application: for what a well-behaved HTTP client never does."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message

Header = tuple[str, str]


@dataclass
class Wire:
    """One request whose body arrives, and whose client leaves, when the test says so."""

    app: ASGIApp
    path: str
    method: str = "POST"
    headers: Iterable[Header] = ()
    sent: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "Wire":
        self._task = asyncio.create_task(self._run())
        return self

    def body(self, data: bytes, *, more: bool = False) -> "Wire":
        self._inbox.put_nowait({"type": "http.request", "body": data, "more_body": more})
        return self

    def leave(self) -> "Wire":
        self._inbox.put_nowait({"type": "http.disconnect"})
        return self

    async def ended(self) -> "Wire":
        assert self._task is not None
        async with asyncio.timeout(60):
            await asyncio.wait([self._task])
        return self

    async def has_body(self) -> "Wire":
        """Wait until some of the answer's body was sent."""
        async with asyncio.timeout(60):
            while not self.text:
                self._news.clear()
                await self._news.wait()
        return self

    @property
    def status(self) -> int | None:
        return next((m["status"] for m in self.sent if m["type"] == "http.response.start"), None)

    @property
    def text(self) -> str:
        return b"".join(m.get("body", b"") for m in self.sent).decode()

    @property
    def complete(self) -> bool:
        bodies = [m for m in self.sent if m["type"] == "http.response.body"]
        return bool(bodies) and not bodies[-1].get("more_body", False)

    async def _run(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(n.lower().encode(), v.encode()) for n, v in self.headers],
            "client": ("127.0.0.1", 1),
            "server": ("mobula.test", 80),
        }

        async def send(message: Message) -> None:
            self.sent.append(message)
            self._news.set()

        await self.app(scope, self._inbox.get, send)
