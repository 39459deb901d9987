"""Errors reported to Sentry, or to what speaks its protocol: one envelope over HTTPS.

In: errors of this process with their groups. Out: for each group its first error, and then at most
one a minute, with what the group says and where in the code it happened. Prompts, responses,
values of variables, messages of exceptions and tenants are not sent. A thread of its own sends;
what it cannot send is counted in `lost`, and never logged as an error, which would be reported.

The format is Sentry's: https://develop.sentry.dev/sdk/data-model/envelopes/
"""

import asyncio
import json
import logging
import queue
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any
from urllib.parse import urlsplit

import httpx

from cluster.logs.error_groups import ErrorGroup
from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from cluster.net.transport import PinnedTransport, guarded_client
from cluster.runtime.version import VERSION

INTERVAL_S = 60.0  # between two reports of one group
MAX_PENDING = 100
TIMEOUT_S = 10.0
CLIENT = f"mobula/{VERSION}"
_MAX_KNOWN = 1_000  # fingerprints
_FRAMES = 50

logger = logging.getLogger("mobula.logs")


@dataclass(frozen=True, slots=True)
class SentryDsn:
    """Where envelopes go, and the public key that names the project's client."""

    url: str
    public_key: str


def parse_dsn(dsn: str) -> SentryDsn:
    """`https://<key>@<host>/<project>`. Raises ValueError, without the DSN."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    if parts.scheme not in ("https", "http") or not parts.username or not parts.hostname:
        raise ValueError("MOBULA_SENTRY_DSN is not of the form https://<key>@<host>/<project>")
    if not project.isdigit():
        raise ValueError("MOBULA_SENTRY_DSN ends in no number of a project")
    host = parts.netloc.rpartition("@")[2]
    return SentryDsn(f"{parts.scheme}://{host}{path}/api/{project}/envelope/", parts.username)


class SentryReporter:
    """Call it with every error; it never waits and never raises."""

    def __init__(
        self, dsn: SentryDsn, process: str, wire: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`wire` sends in the place of the network; for tests."""
        self.lost = 0
        self._dsn = dsn
        self._process = process
        self._wire = wire
        self._pending: queue.Queue[bytes | None] = queue.Queue(MAX_PENDING)
        self._sent: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def __call__(self, group: ErrorGroup, record: logging.LogRecord) -> None:
        last = self._sent.get(group.fingerprint)
        if last is not None and 0 <= record.created - last < INTERVAL_S:
            return
        if len(self._sent) >= _MAX_KNOWN:
            self._sent.clear()
        self._sent[group.fingerprint] = record.created
        try:
            self._pending.put_nowait(envelope(group, record, self._process))
        except queue.Full:
            self.lost += 1
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sentry", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, for so long."""
        if self._thread is None:
            return
        with suppress(queue.Full):
            self._pending.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)
        self._thread = None

    def _run(self) -> None:
        asyncio.run(self._send_all())

    async def _send_all(self) -> None:
        """The operator's own server may be in a private network."""
        transport = PinnedTransport(SsrfGuard(private_hosts=True), wire=self._wire)
        async with guarded_client(transport, TIMEOUT_S) as client:
            while (content := await asyncio.to_thread(self._pending.get)) is not None:
                await self._send(client, content)

    async def _send(self, client: httpx.AsyncClient, content: bytes) -> None:
        key = self._dsn.public_key
        headers = {
            "content-type": "application/x-sentry-envelope",
            "user-agent": CLIENT,
            "x-sentry-auth": f"Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={key}",
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await client.post(self._dsn.url, content=content, headers=headers)
            refusal = f"HTTP {response.status_code}" if response.is_error else ""
        except (UnsafeUrl, TimeoutError, httpx.HTTPError, OSError) as error:
            refusal = type(error).__name__
        if refusal:
            self.lost += 1
            logger.warning("an error could not be reported to Sentry: %s", refusal)


def envelope(group: ErrorGroup, record: logging.LogRecord, process: str) -> bytes:
    """Three lines: about the envelope, about its only item, and the event."""
    event_id = secrets.token_hex(16)
    event = json.dumps(_event(event_id, group, record, process)).encode()
    sent_at = datetime.fromtimestamp(record.created, UTC).isoformat()
    head = json.dumps({"event_id": event_id, "sent_at": sent_at}).encode()
    item = json.dumps({"type": "event", "length": len(event)}).encode()
    return b"\n".join((head, item, event)) + b"\n"


def _event(id: str, group: ErrorGroup, record: logging.LogRecord, process: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": id,
        "timestamp": record.created,
        "platform": "python",
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": group.logger,
        "logentry": {"message": group.message},
        "fingerprint": [group.fingerprint],
        "release": f"mobula@{VERSION}",
        "tags": {"process": process, "request_id": group.request_id},
    }
    if record.exc_info and record.exc_info[0] is not None:
        module, _, name = group.exception.rpartition(".")
        frames = [
            {
                "module": frame.f_globals.get("__name__", ""),
                "function": frame.f_code.co_qualname,
                "lineno": number,
            }
            for frame, number in walk_tb(record.exc_info[2])
        ]
        found = {"type": name, "module": module, "stacktrace": {"frames": frames[-_FRAMES:]}}
        event["exception"] = {"values": [found]}
    return event
