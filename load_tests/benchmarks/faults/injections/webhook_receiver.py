"""A receiver of webhooks on this machine, which can refuse what it is sent."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

TAKEN, FAILING = 204, 500


class WebhookReceiver:
    """Use as a context manager; `taken` and `refused` count deliveries."""

    def __init__(self) -> None:
        self.taken = self.refused = 0
        self._status = TAKEN
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(receiver._count())
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Every delivery is answered 500 meanwhile."""
        self._status = FAILING
        try:
            yield
        finally:
            self._status = TAKEN

    def _count(self) -> int:
        status = self._status
        self.taken += status == TAKEN
        self.refused += status != TAKEN
        return status
