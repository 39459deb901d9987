"""Events of a tenant, one after the other, that a webhook is to be told of.

In: the operator's client and the receiver's URL. Out: a webhook, and an event every PERIOD_S while
it is entered; the webhook is deleted at the end.
"""

import contextlib
from types import TracebackType
from typing import Self

import httpx

from load_tests.benchmarks.faults.injections.background_thread import BackgroundThread

PERIOD_S = 2.0
TENANT = "calm"
_HOOKS, _TENANT = f"/api/v1/tenants/{TENANT}/webhooks", f"/api/v1/tenants/{TENANT}"


class EventSource(BackgroundThread):
    """Use as a context manager; `published` counts events. Raises httpx.HTTPError."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self.published = 0
        self._http, self._url = http, url
        self._hook = ""
        super().__init__()

    def __enter__(self) -> Self:
        wanted = {"url": self._url, "kinds": ["tenant.updated"]}
        made = self._http.post(_HOOKS, json=wanted).raise_for_status()
        self._hook = f"{_HOOKS}/{made.json()['id']}"
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self._http.delete(self._hook).raise_for_status()

    def _run(self) -> None:
        while not self._over.wait(PERIOD_S):
            with contextlib.suppress(httpx.HTTPError):
                change = {"name": f"{TENANT} {self.published}"}
                self._http.patch(_TENANT, json=change).raise_for_status()
                self.published += 1
