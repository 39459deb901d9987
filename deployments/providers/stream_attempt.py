"""One attempt at a stream of an upstream: its first chunk, and the rest.

In: pieces of a body, as they arrive. Out: chunks, those of one piece merged where they are text. A
stream that the upstream cuts, or that holds what cannot be read, ends with a Problem.
"""

from collections import deque
from typing import Any

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Chunk
from deployments.providers.attempts import EVENTS, UpstreamAttempt
from deployments.providers.errors import unreadable
from deployments.providers.http.exchange import Exchange
from deployments.providers.sse import EventTooLarge, SseParser
from deployments.providers.wire import StreamDecoder


class StreamUpstreamAttempt(UpstreamAttempt):
    """A stream: its result is itself, and the first chunk (None: it ended without one). `tokens`
    are those that have arrived, estimated."""

    __slots__ = ("_chunks", "_decoder", "_exchange", "_parser", "ended", "tokens")
    lasts = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ended = True
        self.tokens = 0
        self._chunks: deque[Chunk] = deque()
        self._parser = SseParser()
        self._decoder: StreamDecoder | None = None
        self._exchange: Exchange | None = None

    async def _answer(self) -> "tuple[StreamUpstreamAttempt, Chunk | None]":
        self._exchange = await self._begin(EVENTS, streams=True)
        self._decoder = self._wire.decoder()
        first = await self._next()
        self.ended = first is None
        return self, first

    def rest(self) -> "StreamUpstreamAttempt":
        return self

    def __aiter__(self) -> "StreamUpstreamAttempt":
        return self

    async def __anext__(self) -> Chunk:
        chunks = self._chunks
        if chunks:
            chunk = chunks.popleft()
        else:
            try:
                following = await self._next()
            except Problem as problem:
                self._fail(problem)
                raise
            if following is None:
                raise StopAsyncIteration
            chunk = following
        return chunk

    async def _next(self) -> Chunk | None:
        """The next chunk; None at the end. Raises Problems."""
        exchange, decoder, chunks = self._exchange, self._decoder, self._chunks
        assert exchange is not None
        assert decoder is not None
        while not chunks:
            if self._is_over:
                return None
            piece = await self._piece(exchange)
            try:
                for event, data in self._parser.feed(piece):
                    chunks += decoder.feed(event, data)
            except EventTooLarge:
                model = self._placement.model
                raise unreadable(model, "sent an event that is too large") from None
            if decoder.ended or exchange.ended:
                chunks += decoder.finish()
                self._finish()
            merge_texts(chunks)
            self.tokens += sum([chunk.tokens for chunk in chunks])
        return chunks.popleft()


def merge_texts(chunks: deque[Chunk]) -> None:
    """Joins the texts of chunks that have arrived together, where they are of one choice and hold
    nothing else: each chunk costs its way to the caller."""
    if len(chunks) < 2:
        return
    merged: list[Chunk] = []
    run: list[Chunk] = []
    for chunk in (*chunks, None):
        if run and (chunk is None or chunk.index != run[0].index or not _is_text(chunk)):
            merged.append(_joined(run))
            run = []
        if chunk is not None:
            (run if _is_text(chunk) else merged).append(chunk)
    chunks.clear()
    chunks.extend(merged)


def _is_text(chunk: Chunk) -> bool:
    return not (
        chunk.logprobs
        or chunk.tool_calls
        or chunk.refusal
        or chunk.reasoning
        or chunk.finish_reason
        or chunk.usage
    )


def _joined(run: list[Chunk]) -> Chunk:
    if len(run) == 1:
        return run[0]
    return Chunk(
        run[0].index,
        "".join([chunk.text for chunk in run]),
        tokens=sum([chunk.tokens for chunk in run]),
        prompt_tokens=sum([chunk.prompt_tokens for chunk in run]),
    )
