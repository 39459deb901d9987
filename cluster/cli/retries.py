"""Carrying on after a broken connection: when to try again, and when to give up.

Flows in: what went wrong. Flows out: nothing after a pause, or the error once there has been no
progress for `limit_s`. The pause doubles from FIRST_S to LONGEST_S.
"""

import time
from collections.abc import Callable

import httpx

from cluster.runtime.clock import Clock, SystemClock

FIRST_S, LONGEST_S = 0.5, 8.0
LIMIT_S = 120.0  # a cluster that is started anew answers within 45 s
TRY_AGAIN = frozenset({408, 423, 429, 500, 502, 503, 504})  # statuses that may pass by themselves


class Unanswered(httpx.TransportError):
    """The cluster answered, but with a status that may pass by itself."""

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(f"HTTP {status}")
        self.retry_after_s = retry_after_s


def check(answer: httpx.Response) -> httpx.Response:
    """The answer, unless its status says that another try may succeed. Raises Unanswered."""
    if answer.status_code not in TRY_AGAIN:
        return answer
    after = answer.headers.get("Retry-After", "")
    raise Unanswered(answer.status_code, float(after) if after.isdigit() else 0.0)


class Retries:
    """Shared by the steps of one command: `progress` whenever something was achieved."""

    def __init__(
        self,
        say: Callable[[str], None],
        limit_s: float = LIMIT_S,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._say, self._limit_s, self._sleep = say, limit_s, sleep
        self._clock = clock or SystemClock()
        self._failures = 0
        self._since = self._clock.monotonic()

    def progress(self) -> None:
        self._failures = 0
        self._since = self._clock.monotonic()

    def wait(self, error: httpx.TransportError) -> None:
        """Pauses before the next try. Raises `error` after `limit_s` without progress."""
        if self._failures == 0:
            self._since = self._clock.monotonic()
        if self._clock.monotonic() - self._since >= self._limit_s:
            raise error
        pause = min(LONGEST_S, FIRST_S * 2 ** min(self._failures, 10))
        if isinstance(error, Unanswered):
            pause = max(pause, min(error.retry_after_s, self._limit_s))
        if self._failures == 0:
            self._say(f"no answer ({error or type(error).__name__}); trying again")
        self._failures += 1
        self._sleep(pause)
