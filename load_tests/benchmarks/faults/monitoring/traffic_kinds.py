"""Traffic of every kind, so that every panel has something to show.

In: a WatchedCluster. Out: requests one after the other, until it is left: generations of each
operation, streams, cached ones, wrong and limited ones, clips, webhooks, administration.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from load_tests.benchmarks.common.clip_orders import order_clips
from load_tests.benchmarks.faults.injections.event_source import EventSource
from load_tests.benchmarks.faults.injections.watched_cluster import FRAIL, STEADY, WatchedCluster

PAUSE_S = 0.1
PATIENCE_S = 0.3  # of a client that leaves
CLIPS_EVERY = 250  # rounds of the operator's
LONG = "a long story about a small harbour " * 100  # which an echo says again
LIMITED = "limited"
CLIPS = {"count": 2, "min_s": 8, "max_s": 15, "captions": "none", "quality": "draft"}
_PLAN = {
    "id": LIMITED,
    "rates": {"generate": {"requests": {"limit": 6, "burst": 2}}},
    "budgets": {"tokens": {"day": 300}},
    "prices": {"input_tokens": 2.0, "output_tokens": 8.0},
}


class TrafficOfEveryKind:
    """Use as a context manager. Raises httpx.HTTPError if it cannot begin."""

    def __init__(self, cluster: WatchedCluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._limited = _make_limited_tenant(cluster.http)
        self._events = EventSource(cluster.http, cluster.receiver.url)
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), daemon=True)
            for kind in (self._generate, self._limit, self._operate)
        ]

    def __enter__(self) -> Self:
        self._events.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._events.__exit__(kind, error, trace)

    def _run(self, kind: Callable[[httpx.Client, int], None]) -> None:
        with httpx.Client(base_url=self._cluster.url, timeout=20, trust_env=False) as http:
            for number in itertools.count():
                if self._over.wait(PAUSE_S):
                    return
                with contextlib.suppress(httpx.HTTPError):
                    kind(http, number)

    def _generate(self, http: httpx.Client, number: int) -> None:
        key = self._cluster.keys["calm"]
        kinds = _generations(number, (STEADY, FRAIL)[number % 2])
        path, body = kinds[number % len(kinds)]
        with http.stream("POST", path, json=body, headers=_bearer(key)) as answer:
            for _ in answer.iter_raw():
                pass

    def _limit(self, http: httpx.Client, number: int) -> None:
        _, body = _generations(number, STEADY)[0]
        http.post("/v1/chat/completions", json=body, headers=_bearer(self._limited))

    def _operate(self, http: httpx.Client, number: int) -> None:
        """What an operator's pages ask for, a wrong request among them. At times a clip job: the
        first of a kind is only counted, and a rate needs a second one."""
        if number % CLIPS_EVERY == 0:
            order_clips(self._cluster.http, self._cluster.command.folder, CLIPS)
        paths = ("/api/v1/usage", "/api/v1/jobs", "/api/v1/limits", "/v1/models", "/nowhere")
        http.get(paths[number % len(paths)], headers=dict(self._cluster.http.headers))


def leave_early(cluster: WatchedCluster, count: int) -> None:
    """Clients that wait for a response, and go before it comes."""
    for number in range(count):
        body = _chat(f"{number}: {LONG}", STEADY) | {"max_tokens": 2000}
        headers = _bearer(cluster.keys["calm"])
        url = f"{cluster.url}/v1/chat/completions"
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(url, json=body, headers=headers, timeout=PATIENCE_S, trust_env=False)


def leave_streams(cluster: WatchedCluster, count: int) -> None:
    """Clients that go after the first bytes of a stream."""
    headers = _bearer(cluster.keys["calm"])
    with httpx.Client(base_url=cluster.url, timeout=20, trust_env=False) as http:
        for number in range(count):
            body = _chat(f"{number}, at length: {LONG}", STEADY)
            body |= {"max_tokens": 2000, "stream": True}
            with http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
                next(answer.iter_raw(), b"")


def fail_in_time(cluster: WatchedCluster, count: int) -> int:
    """Requests that the server cannot answer within their deadline; how many answered 5xx."""
    failed = 0
    with httpx.Client(base_url=cluster.url, timeout=20, trust_env=False) as http:
        for number in range(count):
            body = _chat(f"{number}, in time: {LONG}", STEADY) | {"max_tokens": 2000}
            headers = _bearer(cluster.keys["calm"]) | {"Mobula-Timeout": "0.2"}
            answer = http.post("/v1/chat/completions", json=body, headers=headers)
            failed += answer.status_code >= 500
    return failed


def _generations(number: int, model: str) -> Sequence[tuple[str, dict[str, Any]]]:
    brief = {"brief": f"a bar on roof {number}", "platform": "instagram"}
    return (
        ("/v1/chat/completions", _chat(f"Line {number}.", model)),
        ("/v1/chat/completions", _chat(f"Stream {number}.", model) | {"stream": True}),
        ("/v1/chat/completions", _chat("The same.", model) | {"temperature": 0}),
        ("/v1/completions", {"model": model, "prompt": f"Go {number}", "max_tokens": 16}),
        ("/api/v1/captions", brief),
        ("/v1/chat/completions", {"model": model}),
    )


def _chat(text: str, model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 32}


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _make_limited_tenant(http: httpx.Client) -> str:
    """A key of a tenant whose plan allows little and has prices."""
    http.put(f"/api/v1/plans/{LIMITED}", json=_PLAN).raise_for_status()
    made = {"id": LIMITED, "name": LIMITED, "plan": LIMITED}
    http.post("/api/v1/tenants", json=made).raise_for_status()
    key = {"name": "limited", "scopes": ["generate"]}
    answer = http.post(f"/api/v1/tenants/{LIMITED}/keys", json=key).raise_for_status()
    return str(answer.json()["key"])
