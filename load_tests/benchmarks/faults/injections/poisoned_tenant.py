"""A tenant whose requests fail: too large, no JSON, and too little time to be answered.

In: a URL, a key of the tenant's, a model. Out: a few requests a second that all end with a problem.
"""

import contextlib
import itertools

import httpx

from load_tests.benchmarks.faults.injections.background_thread import BackgroundThread

PAUSE_S = 0.1
HUGE_BYTES = 4 << 20  # above `max_body_bytes`
TOO_SHORT_S = "0.05"


class PoisonedTenant(BackgroundThread):
    """Use as a context manager; `sent` counts requests."""

    def __init__(self, url: str, key: str, model: str) -> None:
        self.sent = 0
        self._url, self._key, self._model = url, key, model
        super().__init__()

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "content-type": "application/json"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=10, trust_env=False) as http:
            for number in itertools.count():
                if self._over.wait(PAUSE_S):
                    return
                with contextlib.suppress(httpx.HTTPError):
                    self._send(http, number)
                self.sent += 1

    def _send(self, http: httpx.Client, number: int) -> None:
        if number % 20 == 0:
            http.post("/v1/chat/completions", content=bytes(HUGE_BYTES))
        elif number % 4 == 1:
            http.post("/v1/chat/completions", content=b'{"messages": [')
        else:
            prompt = f"Number {number}: " + "a long story about a small harbour " * 100
            messages = [{"role": "user", "content": prompt}]
            body = {"model": self._model, "messages": messages, "max_tokens": 1000}
            short = {"Mobula-Timeout": TOO_SHORT_S}
            http.post("/v1/chat/completions", json=body, headers=short)
