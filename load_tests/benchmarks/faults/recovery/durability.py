"""What clients were promised before a cluster died, and whether it still held afterwards.

Flows in: a URL and the admin key. Flows out: counts of what was lost: answers whose tokens are in
no ledger, keys that open nothing, jobs that were accepted and do not end.
"""

import contextlib
import itertools
import threading
import time
from pathlib import Path
from typing import Any, Self

import httpx

from load_tests.benchmarks.common.clip_orders import order_clips
from load_tests.benchmarks.common.mobula_command import wait_for
from load_tests.benchmarks.common.tenants import usage_query

TENANT = "recovery"
ORDER = {"count": 1, "min_s": 8, "max_s": 15, "captions": "none", "quality": "draft"}
ENDED = ("succeeded", "partial", "failed", "canceled")
KNOWN_S, JOB_S, FLUSH_S = 10.0, 180.0, 2.5


class DurabilityCheck:
    """`clients` threads ask for text, one request after the other, while it is entered."""

    def __init__(self, url: str, admin_key: str, clients: int) -> None:
        self._admin = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {admin_key}"}, timeout=30,
            trust_env=False,
        )  # fmt: skip
        self._url, self._before = url, 0
        self.key = self._make_tenant()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True)
            for number in range(clients)
        ]
        self._lock = threading.Lock()
        self._before = self.ledger_tokens()
        self.answered = self.failed = self.tokens = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _make_tenant(self) -> str:
        tenant = {"id": TENANT, "name": TENANT, "plan": "default"}
        made = self._admin.post("/api/v1/tenants", json=tenant)
        if made.status_code != httpx.codes.CONFLICT:  # of an earlier round
            made.raise_for_status()
        return self.make_key("recovery")

    def make_key(self, name: str) -> str:
        """A key that works already."""
        made = self._admin.post(
            f"/api/v1/tenants/{TENANT}/keys",
            json={"name": name, "scopes": ["generate", "models:read"]},
        )
        made.raise_for_status()
        key = str(made.json()["key"])
        wait_for(lambda: self.is_key_valid(key), "the key to work", KNOWN_S)
        return key

    def is_key_valid(self, key: str) -> bool:
        headers = {"Authorization": f"Bearer {key}"}
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._url}/v1/models", headers=headers, trust_env=False)
            return answer.status_code == httpx.codes.OK
        return False

    def _ask(self, number: int) -> None:
        """No answer twice: every prompt is another."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=20, trust_env=False) as http:
            for turn in itertools.count():
                if self._over.is_set():
                    return
                prompt = f"A caption about place {number}, visit {turn}."
                body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 12}
                self._count(_tokens(http, body))

    def _count(self, tokens: int | None) -> None:
        with self._lock:
            self.answered += tokens is not None
            self.failed += tokens is None
            self.tokens += tokens or 0
        if tokens is None:
            time.sleep(0.2)

    def ledger_tokens(self) -> int:
        """What the usage ledger says this tenant has used since this began, once all is written."""
        time.sleep(FLUSH_S)
        answer = self._admin.get("/api/v1/usage", params=usage_query(TENANT))
        answer.raise_for_status()
        units = ("input_tokens", "output_tokens")
        rows = answer.json()["data"]
        used = sum(int(row["amounts"].get(unit, 0)) for row in rows for unit in units)
        return used - self._before

    def order_clips(self, folder: Path) -> str:
        """Upload a short talk and order a clip; the job's path, once it was accepted."""
        return order_clips(self._admin, folder, ORDER)

    def succeeds(self, job: str) -> bool:
        """Whether it ends with what was ordered."""
        job_view: dict[str, Any] = {}

        def has_ended() -> bool:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                job_view.update(self._admin.get(job).json())
            return job_view.get("state") in ENDED

        wait_for(has_ended, "the job to end", JOB_S)
        return job_view["state"] == "succeeded"


def _tokens(http: httpx.Client, body: dict[str, Any]) -> int | None:
    """Of a whole answer; None where there was none."""
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = http.post("/v1/chat/completions", json={"model": "nano", **body})
        if answer.status_code == httpx.codes.OK:
            return int(answer.json()["usage"]["total_tokens"])
    return None
