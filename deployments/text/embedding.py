"""Vectors for analysis, of many calls at once, from the embedding model that is served anyway.

Flows in: strings of calls. Flows out: their vectors. What calls want in one turn of the event loop
goes to the model together, sorted by length, each string once: the model puts together what waits
for it, so nothing is held back here. The last vectors are remembered, as the calls of one request
want the same ones. Each tenant has its own memory and its own calls of the model. Knows no Serve.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
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

MAX_STRINGS = 256  # of one call of the model; those of a window follow each other
REMEMBERED = 4_096  # vectors, of 1.5 KiB each

_Row = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Vector:
    """The vector of one string, or what comes in its place. Without `waiting` calls nobody needs
    it any more."""

    key: bytes
    row: asyncio.Future[_Row]
    waiting: int = 0


@dataclass(slots=True)
class _EmbeddingWindow:
    """What one tenant wants with one priority; `until` is the latest deadline, monotonic."""

    request: AnalyzeRequest
    until: float
    wanted: dict[str, _Vector] = field(default_factory=dict)


class BatchedEmbedder:
    """Over one embedding model, on one event loop."""

    def __init__(self, embedder: Embedder, model: str, clock: Clock) -> None:
        """`model` is the embedding model's id."""
        self._embedder = embedder
        self._model = model
        self._now = clock.monotonic
        self._vectors: OrderedDict[bytes, _Vector] = OrderedDict()
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
        vectors = [self._find(request, until, text) for text in texts]
        for vector in vectors:
            vector.waiting += 1
        try:
            await asyncio.wait({vector.row for vector in vectors})
        finally:
            for vector in vectors:
                vector.waiting -= 1
        return np.stack([vector.row.result() for vector in vectors])

    def _find(self, request: AnalyzeRequest, until: float, text: str) -> _Vector:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
        key = request.caller.tenant.encode() + b"\0" + digest.digest()
        known = self._vectors.get(key)
        if known is not None:
            self._vectors.move_to_end(key)
            self.counts.add(("memory",))
            return known
        vector = self._vectors[key] = _Vector(key, asyncio.get_running_loop().create_future())
        self._window(request, until).wanted[text] = vector
        self.counts.add(("model",))
        return vector

    def _window(self, request: AnalyzeRequest, until: float) -> _EmbeddingWindow:
        lane = request.caller.tenant, request.priority
        window = self._windows.get(lane)
        if window is None:
            window = self._windows[lane] = _EmbeddingWindow(request, until)
            asyncio.get_running_loop().call_soon(self._flush, lane)
        window.until = max(window.until, until)
        return window

    def _flush(self, lane: tuple[str, Priority]) -> None:
        task = create_detached_task(self._run(self._windows.pop(lane)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, window: _EmbeddingWindow) -> None:
        strings = sorted(window.wanted, key=len)
        for start in range(0, len(strings), MAX_STRINGS):
            part = strings[start : start + MAX_STRINGS]
            vectors = {string: window.wanted[string] for string in part}
            needed = {string: vector for string, vector in vectors.items() if vector.waiting}
            for string in vectors.keys() - needed.keys():
                self._vectors.pop(vectors[string].key, None)
                vectors[string].row.cancel()
            if needed:
                await self._embed(window, needed)
        while len(self._vectors) > REMEMBERED:
            oldest = next(iter(self._vectors.values()))
            if not oldest.row.done():
                break
            del self._vectors[oldest.key]

    async def _embed(self, window: _EmbeddingWindow, vectors: Mapping[str, _Vector]) -> None:
        request = EmbedRequest(
            request_id=f"{window.request.request_id}-embed",
            caller=window.request.caller,
            model=self._model,
            texts=tuple(vectors),
            timeout_s=max(0.001, window.until - self._now()),
            priority=window.request.priority,
            truncate=True,
            trace=window.request.trace,
            trace_state=window.request.trace_state,
        )
        try:
            rows = _unit((await self._embedder.embed(request)).vectors)
            for vector, row in zip(vectors.values(), rows, strict=True):
                vector.row.set_result(row)
        except Exception as error:  # noqa: BLE001 - the callers get it; it is not remembered
            for vector in vectors.values():
                self._vectors.pop(vector.key, None)
                if not vector.row.done():
                    vector.row.set_exception(error)
                    vector.row.exception()  # nobody may be left to take it


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
