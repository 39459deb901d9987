"""Calls of one model's upstreams: which one is asked, and what is known of each.

In: calls in a wire format. Out: attempts at the upstream that the balancing policy chooses among
those that may be asked now; upstreams are the replicas of the model's `ReplicaSet`. An upstream
that has named a time (Retry-After) is not asked before; where all have, a call waits for the first
of them if that is soon, else it is told the time.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import Dispatch, ReplicaInfo
from cluster.balancing.request_info import describe_request
from cluster.resilience.failure_class import (
    AllUpstreamsBusy,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
)
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.providers.attempts import UnaryUpstreamAttempt, WireCall
from deployments.providers.stream_attempt import StreamUpstreamAttempt
from deployments.providers.upstream import Upstream

log = logging.getLogger("mobula.providers")

MAX_WAIT_S = 2.0  # for an upstream that is busy


@dataclass(slots=True)
class AttemptCounts:
    """Attempts since the start of the process."""

    submitted: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0


class UpstreamCaller:
    """One a model, used on one event loop. Implements `Placement` (attempts.py)."""

    def __init__(
        self, model: str, upstreams: Sequence[Upstream], replicas: ReplicaSet, clock: Clock
    ) -> None:
        self.model = model
        self.replicas = replicas
        self.counts = AttemptCounts()
        self.upstreams = {upstream.name: upstream for upstream in upstreams}
        self._now = clock.monotonic
        self._left_out: set[str] = set()  # those that are busy or refuse the key
        replicas.update(
            [ReplicaInfo(each.name, stats={"weight": each.weight}) for each in upstreams]
        )

    def unary(
        self, wire: WireCall, call: str, timeout_s: float, patience_s: float
    ) -> UnaryUpstreamAttempt:
        self.counts.submitted += 1
        chosen, now = self._choose(wire.request, call), self._now()
        return UnaryUpstreamAttempt(self, wire, call, timeout_s, patience_s, now, chosen)

    def stream(
        self, wire: WireCall, call: str, timeout_s: float, patience_s: float
    ) -> StreamUpstreamAttempt:
        self.counts.submitted += 1
        chosen, now = self._choose(wire.request, call), self._now()
        return StreamUpstreamAttempt(self, wire, call, timeout_s, patience_s, now, chosen)

    # Placement

    async def choose_later(
        self, request: Any, call: str, timeout_s: float
    ) -> tuple[Upstream, Dispatch]:
        wait_s = self._wait_s()
        if wait_s <= MAX_WAIT_S and wait_s < timeout_s:
            await asyncio.sleep(wait_s)
            chosen = self._choose(request, call)
            if chosen is not None:
                return chosen
            wait_s = self._wait_s()
        detail = f"The provider of '{self.model}' takes no more requests now."
        raise AllUpstreamsBusy(detail, wait_s, model=self.model)

    def alive(self, dispatch: Dispatch) -> None:
        self.replicas.alive(dispatch)

    def note(self, upstream: Upstream, problem: Problem | None) -> None:
        if problem is None and upstream.last_problem is None:
            return
        was_out = upstream.is_out
        if problem is None:
            upstream.succeeded()
            if was_out:
                log.info("upstream %s of '%s' answers again", upstream.name, self.model)
            return
        now = self._now()
        self._note_problem(upstream, problem, now)
        if upstream.is_out or now < upstream.busy_until:
            self._left_out.add(upstream.name)
        if upstream.is_out and not was_out:
            why = problem.detail
            log.warning("upstream %s of '%s' is left out: %s", upstream.name, self.model, why)

    def _note_problem(self, upstream: Upstream, problem: Problem, now: float) -> None:
        """Other problems than these are the caller's, or of this process."""
        if isinstance(problem, UpstreamBusy):
            upstream.busy(problem, now + problem.extensions["retry_after_s"])
        elif isinstance(problem, UpstreamRefused):
            upstream.refused(problem, now)
        elif isinstance(problem, UpstreamFailed):
            upstream.failed(problem, now)

    def ended(self, outcome: str) -> None:
        counts = self.counts
        if outcome == "finished":
            counts.finished += 1
        elif outcome == "failed":
            counts.failed += 1
        else:
            counts.cancelled += 1

    def _choose(self, request: Any, call: str) -> tuple[Upstream, Dispatch] | None:
        """None where no upstream may be asked now."""
        reachable = self._reachable() if self._left_out else None
        replicas = self.replicas
        info = describe_request(request, replicas.prefix_chars, call)
        dispatch = replicas.place(info, reachable)
        if dispatch is None:
            return None
        return self.upstreams[dispatch.state.replica], dispatch

    def _reachable(self) -> frozenset[str]:
        """Those that may be asked now: rather one that is left out than none. Of those whose time
        is over, each gets one request, which is to show whether it is back."""
        now = self._now()
        for name in (*self._left_out,):
            upstream = self.upstreams[name]
            if now < upstream.busy_until or now < upstream.out_until:
                continue
            if upstream.is_out:
                upstream.probed(now)
                return frozenset((name,))
            self._left_out.discard(name)
        names = self.upstreams.keys()
        ready = frozenset(names - self._left_out)
        return ready or frozenset(
            [name for name in names if now >= self.upstreams[name].busy_until]
        )

    def _wait_s(self) -> float:
        """Until the first upstream may be asked again."""
        soonest = min(upstream.busy_until for upstream in self.upstreams.values())
        return max(0.0, soonest - self._now())
