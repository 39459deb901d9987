"""One attempt of one delivery: sends an event as a signed POST, returns a `DeliveryAttempt`.

A receiver that is slow, huge, redirecting or gone costs at most the time limit and no memory: only
the status of its response is read. Knows no tables and no retries.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from cluster.events.outbox import Event
from cluster.events.signing import signed_headers
from cluster.net.ssrf import UnsafeUrl
from cluster.net.transport import PinnedTransport, guarded_client
from cluster.runtime.clock import Clock

GONE = 410  # the receiver wants no further events


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """`status` is the response's, None where none came; `error` is for the webhook's owner."""

    delivered: bool
    status: int | None
    error: str | None
    took_s: float

    @property
    def gone(self) -> bool:
        return self.status == GONE


class Sender:
    """Posts events through the guarded transport."""

    def __init__(self, transport: PinnedTransport, clock: Clock, limit_s: float) -> None:
        """`limit_s` bounds a whole attempt in seconds."""
        self._client = guarded_client(transport, limit_s)
        self._clock = clock
        self._limit_s = limit_s

    async def send(self, url: str, keys: Sequence[bytes], event: Event) -> DeliveryAttempt:
        """Post once. Failures are returned, not raised."""
        began = self._clock.monotonic()
        status, error = await self._post(url, keys, event)
        took_s = self._clock.monotonic() - began
        return DeliveryAttempt(error is None, status, error, took_s)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(
        self, url: str, keys: Sequence[bytes], event: Event
    ) -> tuple[int | None, str | None]:
        content = encode_event(event)
        headers = signed_headers(keys, event.id, self._clock.wall(), content)
        headers["content-type"] = "application/json"
        if event.trace:
            headers["traceparent"] = event.trace
        try:
            async with (
                asyncio.timeout(self._limit_s),
                self._client.stream("POST", url, content=content, headers=headers) as response,
            ):
                return response.status_code, _refusal(response.status_code)
        except UnsafeUrl as unsafe:
            return None, unsafe.detail
        except (TimeoutError, httpx.TimeoutException):
            return None, f"no answer within {self._limit_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return None, f"the connection failed ({type(error).__name__})"


def encode_event(event: Event) -> bytes:
    """The same bytes for every attempt of the event."""
    payload = {
        "type": event.kind,
        "timestamp": datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z"),
        "tenant": event.tenant,
        "data": dict(event.data),
    }
    return json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()


def _refusal(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered {status}; redirects are not followed"
    return f"answered {status}"
