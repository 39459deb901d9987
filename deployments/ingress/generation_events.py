"""The events `generation.succeeded`, `.refused`, `.failed` and `.cached` of tenants that want them.

In: lines of the access log, after their requests, in the thread that writes them: a request costs
nothing for it, and without a tenant that has asked for events no line is even parsed. Out: events
on the bus, counted per minute or sampled, as the tenant has set (cluster/tenants/settings.py).
Requests by Python handles have no line, and no events.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random, SystemRandom
from typing import Any

import orjson

from cluster.events.kinds import EventKind
from cluster.runtime.problems import Problem
from cluster.tenants.settings import GenerationEvents, TenantSettings

OPERATIONS = frozenset(
    (
        "chat",
        "responses",
        "messages",
        "completions",
        "captions",
        "captions.batch",
        "posts",
        "posts.batch",
    )
)
DEFAULT_RATIO = 0.01
MAX_SAMPLES = 10  # of a tenant in one batch, a quarter of a second: the bus is for all tenants
_FORWARDED = frozenset(("bypass", "request", "miss", "stale"))  # the model was asked
_CLIENT_LEFT = 499

Publish = Callable[[str, str, Mapping[str, Any]], None]  # tenant, kind, data
GenerationEvent = tuple[str, EventKind, Mapping[str, Any]]


class GenerationEventSource:
    """Takes batches of lines from any thread; publishes on the loop on which it was started."""

    def __init__(
        self,
        tenants: Callable[[], Collection[str]],
        settings_of: Callable[[str], TenantSettings],
        models: Collection[str],
        publish: Publish,
        draw: Random | None = None,
    ) -> None:
        """`tenants` are those that want events now; `models` are the known ids: the client's text
        is not passed on. `draw` decides what is sampled."""
        self._tenants = tenants
        self._settings_of = settings_of
        self._models = models
        self._publish = publish
        self._draw = draw or SystemRandom()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        self._loop = None

    def take(self, lines: Sequence[bytes]) -> None:
        """Publish what these requests are worth; nothing before `start`."""
        loop = self._loop
        wanted = self._tenants() if loop is not None else ()
        if loop is None or not wanted:
            return
        events = [event for line in lines if (event := self._event(line, wanted)) is not None]
        events = _bounded(events)
        if events:
            loop.call_soon_threadsafe(self._publish_all, events)

    def _publish_all(self, events: Sequence[GenerationEvent]) -> None:
        for event in events:
            self._publish(*event)

    def _event(self, text: bytes, wanted: Collection[str]) -> GenerationEvent | None:
        line = orjson.loads(text)
        tenant = line["tenant"]
        if tenant not in wanted or line.get("operation") not in OPERATIONS:
            return None
        try:
            settings = self._settings_of(tenant)
        except Problem:  # it was deleted meanwhile
            return None
        kind = kind_of(line)
        if settings.generation_events is GenerationEvents.COUNTED:
            return tenant, kind, self._data(line)
        ratio = settings.generation_event_ratio
        if self._draw.random() >= (DEFAULT_RATIO if ratio is None else ratio):
            return None
        sample = {"request_id": line["request_id"], "ms": line["ms"]}
        return tenant, kind, {**self._data(line), **sample}

    def _data(self, line: Mapping[str, Any]) -> dict[str, Any]:
        model = line["model"]
        return {
            "operation": line["operation"],
            "model": model if model in self._models else "",
            "status": line["status"],
            "problem": line.get("problem", ""),
        }


def _bounded(events: Sequence[GenerationEvent]) -> list[GenerationEvent]:
    """Without the samples of a tenant beyond MAX_SAMPLES."""
    samples: Counter[str] = Counter()
    bounded = []
    for event in events:
        tenant, _, data = event
        samples[tenant] += "request_id" in data
        if "request_id" not in data or samples[tenant] <= MAX_SAMPLES:
            bounded.append(event)
    return bounded


def kind_of(line: Mapping[str, Any]) -> EventKind:
    """What a line of the access log says of its generation; a client that left counts as failed."""
    status = line["status"]
    if status >= 500 or status == _CLIENT_LEFT:
        return EventKind.GENERATION_FAILED
    if status >= 400:
        return EventKind.GENERATION_REFUSED
    cache = line.get("cache")
    is_hit = cache is not None and cache not in _FORWARDED
    return EventKind.GENERATION_CACHED if is_hit else EventKind.GENERATION_SUCCEEDED
