"""A few requests a second of a tenant that does nothing wrong, so that there is something to see.

In: a URL, a key, models. Out: one chat after the other, to each model in turn, no two alike.
"""

import contextlib
import itertools
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx

PAUSE_S = 0.25
TIMEOUT_S = "4"


class CalmTraffic:
    """Use as a context manager; `answered` and `failed` count requests."""

    def __init__(self, url: str, key: str, models: Sequence[str]) -> None:
        self.answered = self.failed = 0
        self._url, self._key = url, key
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(model,), daemon=True) for model in models
        ]

    def __enter__(self) -> Self:
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

    def _run(self, model: str) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Mobula-Timeout": TIMEOUT_S}
        with httpx.Client(base_url=self._url, headers=headers, timeout=10, trust_env=False) as http:
            for number in itertools.count():
                if self._over.wait(PAUSE_S):
                    return
                self._ask(http, model, number)

    def _ask(self, http: httpx.Client, model: str, number: int) -> None:
        messages = [{"role": "user", "content": f"Line {number}, and then the next one."}]
        body = {"model": model, "messages": messages, "max_tokens": 16}
        status = 0
        with contextlib.suppress(httpx.HTTPError):
            status = http.post("/v1/chat/completions", json=body).status_code
        self.answered += status == httpx.codes.OK
        self.failed += status != httpx.codes.OK
