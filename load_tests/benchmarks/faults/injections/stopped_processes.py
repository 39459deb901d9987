"""Processes of one kind that are ended or stopped, and their successors, for as long as wanted.

In: what lists the processes by kind, and a kind. Out: none of them does anything, whoever starts
new ones.
"""

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

from cluster.ops.processes import send

LOOK_S = 0.5  # a look at every process of the machine


class StoppedProcesses:
    """Use as a context manager: processes that are there get the signal `first`, those that follow
    SIGSTOP. All go on at the end. Raises LookupError if there is none."""

    def __init__(
        self,
        by_kind: Callable[[], Mapping[str, Sequence[psutil.Process]]],
        kind: str,
        first: signal.Signals = signal.SIGSTOP,
    ) -> None:
        self._by_kind, self._kind, self._first = by_kind, kind, first
        self._seen: dict[int, psutil.Process] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if not self._stop_new(self._first):
            raise LookupError(f"no process is a '{self._kind}'")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        send(signal.SIGCONT, self._seen.values())

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self._stop_new(signal.SIGSTOP)

    def _stop_new(self, how: signal.Signals) -> int:
        """How many there were that had not been seen."""
        new = [each for each in self._by_kind().get(self._kind, ()) if each.pid not in self._seen]
        self._seen.update((each.pid, each) for each in send(how, new))
        return len(new)
