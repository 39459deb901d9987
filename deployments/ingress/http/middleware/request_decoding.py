"""Decodes bodies that come compressed, for every route alike."""

from collections.abc import Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import UnsupportedEncoding
from deployments.ingress.http.content_codings import ACCEPTED, CODINGS, Decoder

_CODING, _LENGTH = b"content-encoding", b"content-length"
_CHUNKED = (b"transfer-encoding", b"chunked")
_IDENTITY = ("", "identity")
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestDecoder:
    """Raises UnsupportedEncoding (415) for another coding and for several, Malformed (422) where
    the body is not what its coding says.
    """

    def __init__(self, app: ASGIApp, decoded: ASGIApp) -> None:
        """`decoded` is the application for bodies that came compressed, with a bound of its own."""
        self._app = app
        self._decoded = decoded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = _given(scope) if scope["type"] == "http" else []
        if not given or scope["method"] in _BODYLESS:
            await self._app(scope, receive, send)
            return
        coding = b",".join(given).decode("latin-1").strip().lower()
        headers = [field for field in scope["headers"] if field[0] != _CODING]
        if coding in _IDENTITY:
            await self._app({**scope, "headers": headers}, receive, send)
            return
        if coding not in CODINGS:
            raise UnsupportedEncoding(coding, ACCEPTED)
        # How long the body is that the routes get, nobody knows.
        headers = [field for field in headers if field[0] not in (_LENGTH, _CHUNKED[0])]
        body = _Body(receive, CODINGS[coding]())
        await self._decoded({**scope, "headers": [*headers, _CHUNKED]}, body, send)


def _given(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == _CODING]


class _Body:
    """A `receive` that gives the pieces of a decoded body, as they are asked for."""

    def __init__(self, receive: Receive, decoder: Decoder) -> None:
        self._receive = receive
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())
        self._is_whole = False

    async def __call__(self) -> Message:
        while (piece := next(self._pieces, None)) is None:
            if self._is_whole:
                return await self._receive()  # that the client has left
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._pieces = self._decoder.feed(message.get("body", b""))
            if not message.get("more_body", False):
                self._is_whole = True
                self._pieces = self._to_the_end(self._pieces)
        is_last = self._is_whole and not piece
        return {"type": "http.request", "body": piece, "more_body": not is_last}

    def _to_the_end(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The last pieces and, as no piece is empty, an empty one that ends the body."""
        yield from pieces
        self._decoder.end()
        yield b""
