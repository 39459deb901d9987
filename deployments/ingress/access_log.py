"""The access log of an ingress replica, and the events of generations that are made of its lines.

In: one line a request (deployments/ingress/http/middleware/boundary.py). Out: a file in the home,
events on the tenants' bus (generation_events.py), and log records of a collector, if there is one.
"""

import asyncio
import os
from collections.abc import Collection, Sequence

from cluster.logs.process_log import FOLDER, current_log
from cluster.runtime.line_log import BufferedLineWriter
from cluster.runtime.settings import Settings
from deployments.ingress.generation_events import GenerationEventSource
from deployments.ingress.tenant_services import TenantServices


class AccessLog:
    """`write` takes a line, at once; `models` are the ids that events may name."""

    def __init__(
        self, settings: Settings, tenancy: TenantServices, models: Collection[str]
    ) -> None:
        directory, bus = tenancy.directory, tenancy.bus
        self._events = GenerationEventSource(
            directory.tenants_with_events,
            directory.settings_of,
            models,
            lambda *event: bus.publish(*event),
        )
        folder, name = settings.home / FOLDER, f"access-{os.getpid()}"
        self._log = current_log()
        self._writer = BufferedLineWriter(folder, name, on_lines=self._take)
        self.write = self._writer.write

    def start(self) -> None:
        """Publish events from now on, on the running loop."""
        self._events.start()

    def _take(self, lines: Sequence[bytes]) -> None:
        self._events.take(lines)
        if self._log is not None:
            self._log.export(lines)

    async def close(self) -> None:
        """Write the last lines and publish their events; before the tenants' bus is closed."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.sleep(0)  # what the thread has handed over to the loop
        self._events.stop()
