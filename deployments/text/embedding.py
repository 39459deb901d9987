"""Vectors for analysis, of many calls at once, from the embedding model that is served anyway.

Flows in: strings of calls. Flows out: their vectors. What calls want within WINDOW_S goes to the
model together, sorted by length, each string once; the last vectors are remembered, as the
operations of a call want the same ones. Each tenant has its own memory and its own calls of the
model. Knows no Serve.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.catalogue import text as text_metrics
from cluster.metrics.series import Counter
from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.tenants.caller import Priority
from deployments.contracts.embedding import Embedder, EmbedRequest
from deployments.contracts.text_analysis import AnalyzeRequest, TextEmbedder

WINDOW_S = 0.005
MAX_STRINGS = 512  # of one call of the model
REMEMBERED = 4_096  # vectors, of 1.5 KiB each

_Row = NDArray[np.float32]
_Pending = asyncio.Future[_Row]


@dataclass(slots=True)
class _EmbeddingWindow:
    """What one tenant wants with one priority; `until` is the latest deadline, monotonic."""

    request: AnalyzeRequest
    until: float
    wanted: dict[str, _Pending] = field(default_factory=dict)


class BatchedEmbedder:
    """Over one embedding model, on one event loop."""

    def __init__(self, embedder: Embedder, model: str, clock: Clock) -> None:
        """`model` is the embedding model's id."""
        self._embedder = embedder
        self._model = model
        self._now = clock.monotonic
        self._rows: OrderedDict[bytes, _Pending] = OrderedDict()
        self._windows: dict[tuple[str, Priority], _EmbeddingWindow] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts = Counter(text_metrics.EMBEDDED)

    def of(self, request: AnalyzeRequest) -> TextEmbedder:
        """The embedder of one call: for its tenant, with its priority and its deadline."""
        return _CallEmbedder(self, request, self._now() + request.timeout_s)

    async def embed(
        self, request: AnalyzeRequest, until: float, texts: Sequence[str]
    ) -> NDArray[np.float32]:
        """One row a text. Raises what the model raises. A caller that leaves ends nothing of what
        others wait for."""
        pending = [self._find(request, until, text) for text in texts]
        await asyncio.wait(set(pending))
        return np.stack([each.result() for each in pending])

    def _find(self, request: AnalyzeRequest, until: float, text: str) -> _Pending:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
        key = request.caller.tenant.encode() + b"\0" + digest.digest()
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
            self.counts.add(("memory",))
            return row
        row = self._rows[key] = asyncio.get_running_loop().create_future()
        row.add_done_callback(lambda done: self._settle(key, done))
        self._window(request, until).wanted[text] = row
        self.counts.add(("model",))
        return row

    def _window(self, request: AnalyzeRequest, until: float) -> _EmbeddingWindow:
        lane = request.caller.tenant, request.priority
        window = self._windows.get(lane)
        if window is None:
            window = self._windows[lane] = _EmbeddingWindow(request, until)
            asyncio.get_running_loop().call_later(WINDOW_S, self._flush, lane)
        window.until = max(window.until, until)
        return window

    def _flush(self, lane: tuple[str, Priority]) -> None:
        window = self._windows.pop(lane)
        strings = sorted(window.wanted, key=len)
        for start in range(0, len(strings), MAX_STRINGS):
            part = strings[start : start + MAX_STRINGS]
            task = create_detached_task(self._run(window, part))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, window: _EmbeddingWindow, strings: Sequence[str]) -> None:
        request = EmbedRequest(
            request_id=f"{window.request.request_id}-embed",
            caller=window.request.caller,
            model=self._model,
            texts=tuple(strings),
            timeout_s=max(0.001, window.until - self._now()),
            priority=window.request.priority,
            truncate=True,
            trace=window.request.trace,
            trace_state=window.request.trace_state,
        )
        try:
            found = await self._embedder.embed(request)
            rows = _unit(found.vectors)
            for string, row in zip(strings, rows, strict=True):
                window.wanted[string].set_result(row)
        except Exception as error:  # noqa: BLE001 - the callers get it
            for string in strings:
                if not window.wanted[string].done():
                    window.wanted[string].set_exception(error)

    def _settle(self, key: bytes, done: _Pending) -> None:
        """A failure is not remembered, and nobody need have waited for it."""
        if done.cancelled() or done.exception() is not None:
            self._rows.pop(key, None)
        while len(self._rows) > REMEMBERED:
            oldest = next(iter(self._rows))
            if not self._rows[oldest].done():
                break
            del self._rows[oldest]


class _CallEmbedder:
    """Implements TextEmbedder."""

    def __init__(self, batches: BatchedEmbedder, request: AnalyzeRequest, until: float) -> None:
        self._batches = batches
        self._request = request
        self._until = until

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._batches.embed(self._request, self._until, texts)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
