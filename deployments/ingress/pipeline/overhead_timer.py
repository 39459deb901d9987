"""How long a request had a model call open, so that the rest can be called our overhead."""

from contextvars import ContextVar

from cluster.runtime.clock import Clock


class ModelWaitTimer:
    """Adds up the time during which at least one model call was open; calls may overlap."""

    __slots__ = ("_clock", "_open", "_since", "_waited")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = 0
        self._since = 0.0
        self._waited = 0.0

    def opened(self) -> None:
        if self._open == 0:
            self._since = self._clock.monotonic()
        self._open += 1

    def answered(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._waited += self._clock.monotonic() - self._since

    def waited_s(self) -> float:
        """Seconds up to now."""
        running = self._clock.monotonic() - self._since if self._open else 0.0
        return self._waited + running


current_trace: ContextVar[ModelWaitTimer | None] = ContextVar("current_trace", default=None)
