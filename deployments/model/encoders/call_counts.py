"""The calls of an encoder model's replica: for its load, its health and autoscaling."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.generation import ModelLoad
from deployments.model.queueing.latency_stats import LatencyStats


class CallCounts:
    """Used on one event loop. `capacity` is the tokens that a replica holds at once."""

    def __init__(self, clock: Clock, capacity: int) -> None:
        self._clock = clock
        self._capacity = capacity
        self._latency = LatencyStats(clock)
        self._submitted = self._finished = self._cancelled = self._failed = self._open = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Around each call. One that is refused does not count."""
        self._submitted += 1
        self._open += 1
        since = self._clock.monotonic()
        self._latency.record_arrival(since)
        try:
            yield
            self._finished += 1
            self._latency.record_response(since, self._clock.monotonic())
        except asyncio.CancelledError:
            self._cancelled += 1
            raise
        except Exception as error:
            if isinstance(error, Problem) and error.status < 500:
                self._submitted -= 1  # refused: the model has not failed
            else:
                self._failed += 1
            raise
        finally:
            self._open -= 1

    @contextmanager
    def tokens(self, count: int) -> Iterator[None]:
        """While so many tokens wait or run."""
        self._latency.tokens += count
        try:
            yield
        finally:
            self._latency.tokens -= count

    def load(self, running: int, waiting: int) -> ModelLoad:
        return ModelLoad(
            running=running,
            waiting=waiting,
            submitted=self._submitted,
            finished=self._finished,
            cancelled=self._cancelled,
            failed=self._failed,
            tokens_out=0,
            handlers=self._open,
        )

    def report(self, running: int, queued: int) -> dict[str, float]:
        """Texts that run and wait, their tokens, and calls of the last half minute."""
        texts = {"running": running, "queued": queued}
        tokens = {"tokens": self._latency.tokens, "tokens_capacity": self._capacity}
        return texts | tokens | self._latency.summary()
