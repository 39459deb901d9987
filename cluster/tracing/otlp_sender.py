"""Sends spans or log records to a collector, by OTLP over HTTP in JSON, from a thread.

In: items, without waiting, into a bounded queue; what does not fit is counted as lost. Out: POSTs
of whole batches. A collector that is slow or away costs no request anything: a batch is tried again
for at most RETRIES times, and lost then. What is still queued at the end is sent once.
"""

import gzip
import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import httpx

from cluster.metrics.catalogue.tracing import EXPORTED
from cluster.metrics.series import Reading
from cluster.tracing.otlp_settings import OtlpTarget

MAX_QUEUED = 8_192  # items
MAX_BATCH = 512
INTERVAL_S = 1.0
RETRIES = 3
MAX_PAUSE_S = 30.0
CLOSING_S = 2.0
LOGGER = "mobula.telemetry"  # its records are not exported: each failure would make another
_RETRYABLE = frozenset((429, 502, 503, 504))  # OTLP/HTTP, "Failures"

T = TypeVar("T")

logger = logging.getLogger(LOGGER)


class OtlpSender(Generic[T]):
    """`encode` makes the body of a batch. `sent` and `lost` count items; `last_error` is why the
    last batch was not taken (empty: it was)."""

    def __init__(
        self,
        target: OtlpTarget,
        encode: Callable[[Sequence[T]], bytes],
        *,
        interval_s: float = INTERVAL_S,
        max_queued: int = MAX_QUEUED,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`transport` is for tests."""
        self.target = target
        self.sent = self.lost = 0
        self.last_error = ""
        self._encode = encode
        certificate = target.certificate
        self._client = httpx.Client(
            headers={**target.headers, "content-type": "application/json"},
            timeout=target.timeout_s,
            verify=(
                True if certificate is None else ssl.create_default_context(cafile=certificate)
            ),
            trust_env=False,
            transport=transport,
        )
        self._interval_s = interval_s
        self._max_queued = max_queued
        self._queue: deque[T] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"otlp-{target.signal}", daemon=True)
        self._thread.start()

    def export(self, items: Sequence[T]) -> None:
        """Queues items; from any thread."""
        room = self._max_queued - len(self._queue)
        self._queue.extend(items[: max(0, room)])
        if len(items) > room:
            self.lost += len(items) - max(0, room)

    def close(self) -> None:
        """Sends what is queued, and ends the thread; what is not sent within CLOSING_S is lost."""
        self._closing.set()
        self._thread.join(CLOSING_S)

    def read_metrics(self) -> Iterator[Reading]:
        """What a collector has taken, and what was lost."""
        signal = self.target.signal
        yield EXPORTED, [((signal, "sent"), self.sent), ((signal, "lost"), self.lost)]

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(self._interval_s)
            while self._queue:
                self._send_batch(1 if is_last else 1 + RETRIES)
        self._client.close()

    def _send_batch(self, attempts: int) -> None:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(MAX_BATCH, len(queue)))]
        body = self._encode(batch)
        headers = {}
        if self.target.compression == "gzip":
            body, headers = gzip.compress(body, 1), {"content-encoding": "gzip"}
        for attempt in range(attempts):
            pause_s = self._post(body, headers, 2.0**attempt)
            if pause_s is None:
                self._report(len(batch))
                return
            if pause_s < 0 or attempt + 1 == attempts or self._closing.wait(pause_s):
                break
        self.lost += len(batch)
        logger.warning(
            "%d %s were not exported: %s", len(batch), self.target.signal, self.last_error
        )

    def _report(self, count: int) -> None:
        self.sent += count
        self.last_error = ""

    def _post(self, body: bytes, headers: dict[str, str], pause_s: float) -> float | None:
        """None: it was taken. Else the seconds after which to try again; less than 0: never."""
        try:
            answer = self._client.post(self.target.url, content=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            self.last_error = type(error).__name__
            return pause_s
        if answer.is_success:
            return None
        self.last_error = f"HTTP {answer.status_code}"
        if answer.status_code not in _RETRYABLE:
            return -1.0
        after = answer.headers.get("retry-after", "")
        return min(float(after), MAX_PAUSE_S) if after.isdecimal() else pause_s
