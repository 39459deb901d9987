"""Whether the collector of traces accepts connections, and takes what it is sent.

Nothing is sent by the check: what the exporter's own requests came to is enough.
"""

from typing import Protocol
from urllib.parse import urlsplit

from cluster.health.checks.tcp import TcpCheck
from cluster.health.state import UP, CheckOutcome, degraded, down
from cluster.runtime.clock import Clock

LOST_SHOWN_S = 60.0
_PORTS = {"http": 80, "https": 443}


class ExportCounts(Protocol):
    """cluster/tracing/otlp_sender.py. `lost` counts what the collector never got; `last_error`
    is why the last request failed (empty: it did not)."""

    @property
    def lost(self) -> int: ...
    @property
    def last_error(self) -> str: ...


class CollectorCheck:
    """`url` is where the exporter sends to. One that is no URL is a collector that is down."""

    def __init__(self, url: str, exporter: ExportCounts, clock: Clock) -> None:
        self._connect = _connection_check(url)
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        self._lost_at: float | None = None  # monotonic

    async def __call__(self) -> CheckOutcome:
        self._look_for_losses()
        if self._connect is None:
            return down("its URL has no host or no valid port")
        found = await self._connect()
        if found is not UP:
            return found
        error = self._exporter.last_error
        if error:
            return degraded(f"does not take what it is sent: {error}")
        if self._lost_at is not None and self._clock.monotonic() - self._lost_at < LOST_SHOWN_S:
            return degraded(f"{self._lost} spans were lost since the start, the last lately")
        return UP

    def _look_for_losses(self) -> None:
        lost = self._exporter.lost
        if lost != self._lost:
            self._lost, self._lost_at = lost, self._clock.monotonic()


def _connection_check(url: str) -> TcpCheck | None:
    """None for what is no URL of a server."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return None if not host or port is None else TcpCheck(host, port)
