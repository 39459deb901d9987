"""Dynamic batching in one process: texts of many calls, one forward pass at a time.

In: the texts of a call, tokenized or not, with their token counts. Out: their vectors. While one
batch runs, what arrives waits and becomes the next: there is no delay to tune. Knows no model and
no wire.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Draining, Overloaded
from deployments.contracts.embedding import Vectors

Text = TypeVar("Text")
Run = Callable[[Sequence[Text]], Awaitable[Vectors]]

# Padding that a batch may have. On a CPU a forward pass costs about as much beside its tokens as
# this many tokens do (MiniLM in OpenVINO), so that more padding is dearer than another pass.
PASS_TOKENS = 16
_SMOOTHING = 0.2
_FIRST_GUESS_S = 0.01
_LONGEST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class _PendingText:
    """One text of a call."""

    text: Any
    tokens: int
    at: int
    call: "_Submission"


@dataclass(slots=True, eq=False)
class _Submission:
    """The texts of one submission; `left` of them have no vector yet."""

    left: int
    done: asyncio.Future[None]
    vectors: list[Vectors | None] = field(default_factory=list)


class Batcher(Generic[Text]):
    """Takes texts from tenants in turn, so that a long list of one does not delay the others.

    A batch has up to `max_batch_tokens`, counted as texts times the longest, of which up to
    PASS_TOKENS are padding; it is filled with neighbours in length out of the first four batches'
    worth in line. At most `max_waiting` texts
    wait, and calls that are not urgent may fill half of that.
    """

    def __init__(
        self, run: Run[Text], max_batch_tokens: int, max_waiting: int, clock: Clock
    ) -> None:
        """`run` computes the vectors of one batch; if it raises for a call's own texts, so does the
        call."""
        self._run = run
        self._max_tokens = max_batch_tokens
        self._max_waiting = max_waiting
        self._clock = clock
        self._lanes: OrderedDict[str, deque[_PendingText]] = OrderedDict()
        self._window: list[_PendingText] = []
        self._running: list[_PendingText] = []
        self._task: asyncio.Task[None] | None = None
        self._per_text_s = _FIRST_GUESS_S
        self._closed = False

    @property
    def waiting(self) -> int:
        """Queued texts."""
        return len(self._window) + sum(map(len, self._lanes.values()))

    @property
    def running(self) -> int:
        """Texts in the batch that runs now."""
        return len(self._running)

    async def submit(
        self, tenant: str, texts: Sequence[Text], tokens: Sequence[int], *, urgent: bool = True
    ) -> Vectors:
        """Vectors in the order of `texts`. Cancelling removes the texts that still wait.

        Raises Overloaded, Draining, and what the batches raise.
        """
        self._check(len(texts), urgent)
        call = _Submission(
            len(texts), asyncio.get_running_loop().create_future(), [None] * len(texts)
        )
        lane = self._lanes.setdefault(tenant, deque())
        lane.extend(
            _PendingText(text, size, at, call)
            for at, (text, size) in enumerate(zip(texts, tokens, strict=True))
        )
        if self._task is None:
            self._task = create_detached_task(self._work())
        try:
            await call.done
        finally:
            self._forget(tenant, call)
        return np.stack([vector for vector in call.vectors if vector is not None])

    async def close(self) -> None:
        """Refuse waiting and new texts; wait for the batch that runs."""
        self._closed = True
        for call in {item.call for item in self._queued()}:
            _fail(call, _draining())
        if self._task is not None:
            await asyncio.wait([self._task])

    def _check(self, texts: int, urgent: bool) -> None:
        if self._closed:
            raise _draining()
        most = self._max_waiting if urgent else max(1, self._max_waiting // 2)
        waiting = self.waiting
        if waiting and waiting + texts > most:
            retry_after_s = min(_LONGEST_RETRY_S, max(1.0, waiting * self._per_text_s))
            raise Overloaded(
                f"The model is busy: {waiting} of {most} texts wait.",
                retry_after_s=retry_after_s,
            )

    async def _work(self) -> None:
        """Run batches until nothing waits."""
        try:
            while batch := self._batch():
                self._running = batch
                started = self._clock.monotonic()
                try:
                    vectors = await self._run([item.text for item in batch])
                except Exception as error:  # noqa: BLE001 - whose fault it is turns out below
                    await self._work_apart(batch, error)
                    continue
                took_s = (self._clock.monotonic() - started) / len(batch)
                self._per_text_s += _SMOOTHING * (took_s - self._per_text_s)
                for item, vector in zip(batch, vectors, strict=True):
                    _deliver(item, vector)
        finally:
            self._running, self._task = [], None

    async def _work_apart(self, batch: Sequence[_PendingText], error: Exception) -> None:
        """Run the texts of each call in a batch that failed by themselves: a text that the model
        cannot take fails its own call, and no other."""
        calls: dict[_Submission, list[_PendingText]] = {}
        for item in batch:
            calls.setdefault(item.call, []).append(item)
        for call, items in calls.items():
            if len(calls) == 1:
                _fail(call, error)
                return
            if call.done.done():
                continue
            self._running = items
            try:
                vectors = await self._run([item.text for item in items])
            except Exception as own:  # noqa: BLE001 - the call gets it
                _fail(call, own)
                continue
            for item, vector in zip(items, vectors, strict=True):
                _deliver(item, vector)

    def _batch(self) -> list[_PendingText]:
        """The shortest texts of the window, up to the limits of tokens and padding, at least
        one."""
        self._drop_ended()
        while not self._window and self._lanes:
            self._fill()
            self._drop_ended()
        taken: list[_PendingText] = []
        tokens = 0
        for item in self._window:
            padded, tokens = (len(taken) + 1) * item.tokens, tokens + item.tokens
            if taken and (padded > self._max_tokens or padded - tokens > PASS_TOKENS):
                break
            taken.append(item)
        del self._window[: len(taken)]
        return taken

    def _fill(self) -> None:
        """Fill the empty window, one text a tenant in turn; it is consumed completely, so
        that long texts are not postponed for ever."""
        room = 4 * self._max_tokens
        while self._lanes and room > 0:
            tenant, lane = self._lanes.popitem(last=False)
            item = lane.popleft()
            if lane:
                self._lanes[tenant] = lane
            self._window.append(item)
            room -= item.tokens
        self._window.sort(key=lambda item: item.tokens)

    def _drop_ended(self) -> None:
        """Texts of calls that failed with another batch, or were cancelled just now."""
        self._window = [item for item in self._window if not item.call.done.done()]

    def _forget(self, tenant: str, call: _Submission) -> None:
        if not call.left:
            return
        lane = deque(item for item in self._lanes.pop(tenant, ()) if item.call is not call)
        if lane:
            self._lanes[tenant] = lane
        self._window = [item for item in self._window if item.call is not call]

    def _queued(self) -> list[_PendingText]:
        return [*self._window, *(item for lane in self._lanes.values() for item in lane)]


def _deliver(item: _PendingText, vector: Vectors) -> None:
    call = item.call
    call.vectors[item.at] = vector
    call.left -= 1
    if not call.left and not call.done.done():
        call.done.set_result(None)


def _fail(call: _Submission, error: Exception) -> None:
    if not call.done.done():
        call.done.set_exception(error)


def _draining() -> Draining:
    return Draining("This replica is shutting down; another one will answer.")
