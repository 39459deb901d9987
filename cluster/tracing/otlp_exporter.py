"""Sends recorded spans to a collector, by OTLP over HTTP in JSON, from a thread.

In: spans, without waiting, into a bounded queue; what does not fit is counted as lost. Out: POSTs
of whole batches. A collector that is slow or away costs no request anything: a batch is tried again
for at most RETRIES times, and lost then. What is still queued at the end is sent once.
"""

import gzip
import logging
import ssl
import threading
from collections import deque
from collections.abc import Sequence

import httpx

from cluster.runtime.version import VERSION
from cluster.tracing.genai_names import SERVICE_INSTANCE, SERVICE_NAME, SERVICE_VERSION
from cluster.tracing.otlp_json import encode_spans
from cluster.tracing.otlp_settings import OtlpSettings
from cluster.tracing.span import Attributes, TraceSpan

MAX_QUEUED = 8_192  # spans
MAX_BATCH = 512
INTERVAL_S = 1.0
RETRIES = 3
MAX_PAUSE_S = 30.0
CLOSING_S = 2.0
_RETRYABLE = frozenset((429, 502, 503, 504))  # OTLP/HTTP, "Failures"

logger = logging.getLogger("mobula.tracing")


class OtlpExporter:
    """`process` names this replica. `sent` and `lost` count spans."""

    def __init__(
        self,
        settings: OtlpSettings,
        process: str,
        *,
        interval_s: float = INTERVAL_S,
        max_queued: int = MAX_QUEUED,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Raises ValueError without an endpoint. `transport` is for tests."""
        url = settings.traces_url
        if url is None:
            raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT is not set")
        self._url = url
        self.sent = self.lost = 0
        self.last_error = ""
        self._resource = resource_attributes(settings, process)
        self._is_gzip = settings.compression == "gzip"
        certificate = settings.certificate
        self._client = httpx.Client(
            headers={**settings.header_fields, "content-type": "application/json"},
            timeout=settings.timeout_s,
            verify=(
                True if certificate is None else ssl.create_default_context(cafile=certificate)
            ),
            trust_env=False,
            transport=transport,
        )
        self._interval_s = interval_s
        self._max_queued = max_queued
        self._queue: deque[TraceSpan] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-exporter", daemon=True)
        self._thread.start()

    def export(self, spans: Sequence[TraceSpan]) -> None:
        """Queues spans; from any thread."""
        room = self._max_queued - len(self._queue)
        self._queue.extend(spans[: max(0, room)])
        if len(spans) > room:
            self.lost += len(spans) - max(0, room)

    def close(self) -> None:
        """Sends what is queued, and ends the thread; what is not sent within CLOSING_S is lost."""
        self._closing.set()
        self._thread.join(CLOSING_S)

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
        body = encode_spans(batch, self._resource)
        headers = {}
        if self._is_gzip:
            body, headers = gzip.compress(body, 1), {"content-encoding": "gzip"}
        for attempt in range(attempts):
            pause_s = self._post(body, headers, 2.0**attempt)
            if pause_s is None:
                self._report(len(batch))
                return
            if pause_s < 0 or attempt + 1 == attempts or self._closing.wait(pause_s):
                break
        self.lost += len(batch)
        logger.warning("%d spans were not exported: %s", len(batch), self.last_error)

    def _report(self, count: int) -> None:
        self.sent += count
        self.last_error = ""

    def _post(self, body: bytes, headers: dict[str, str], pause_s: float) -> float | None:
        """None: it was taken. Else the seconds after which to try again; less than 0: never."""
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
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


def resource_attributes(settings: OtlpSettings, process: str) -> Attributes:
    """What describes this process to a collector."""
    return {
        **settings.resource,
        SERVICE_NAME: settings.service_name or settings.resource.get(SERVICE_NAME, "mobula"),
        SERVICE_VERSION: VERSION,
        SERVICE_INSTANCE: process,
    }
