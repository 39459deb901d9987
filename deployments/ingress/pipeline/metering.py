"""What one model call costs, and how it went: for limits, the ledger and `/health`.

In: a reservation, the call's chunks or its usage, and how it ended. Out: the reservation settled
and the usage recorded, once.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol, Self

from cluster.runtime.problems import ClientGone, DeadlineExceeded, Problem, to_problem
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.generation import Chunk, GenerateRequest, ModelCall, TokenUsage
from deployments.contracts.limits import Reservation
from deployments.ingress.pipeline.overhead_timer import current_trace
from deployments.ingress.pipeline.settlements import Settlements


class Meter(Protocol):
    """Takes exact usage without waiting."""

    def add(self, caller: Caller, plan: Plan, model: str, amounts: UsageAmounts) -> None: ...

    def add_cache_hit(self, caller: Caller, plan: Plan, model: str) -> None: ...


@dataclass(slots=True)
class RequestCounters:
    """What this replica has answered since it started: `calls` by models, `kept` without."""

    calls: int = 0
    kept: int = 0
    failed: int = 0
    open: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, usage: TokenUsage) -> None:
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens


class Recorder(Protocol):
    """The path of the call."""

    settlements: Settlements

    def record(
        self, request: GenerateRequest, plan: Plan, usage: TokenUsage, *, whole: bool
    ) -> None: ...


class Metered:
    """A reservation that is settled however its call ends.

    A call that failed by our own fault costs nothing, whatever came of it. One that was given up,
    or whose time was up, costs what was generated until its model ended it: the model is asked
    after the caller has left, and the reservation stands until it has answered. Where it cannot
    answer any more, the tokens that came are charged.
    """

    __slots__ = ("_path", "_plan", "_request", "_reservation", "_usage", "_whole", "call")

    def __init__(
        self,
        path: Recorder,
        request: GenerateRequest,
        plan: Plan,
        reservation: Reservation,
        call: ModelCall,
    ) -> None:
        self.call = call
        self._path = path
        self._request = request
        self._plan = plan
        self._reservation = reservation
        self._usage = TokenUsage()
        self._whole = False

    def __enter__(self) -> Self:
        return self

    def whole(self, usage: TokenUsage) -> None:
        self._usage, self._whole = usage, True

    def piece(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.whole(chunk.usage)
        else:
            self._usage += TokenUsage(chunk.prompt_tokens, chunk.tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is not None and not self._whole and is_given_up(error):
            usage = self.call.settlement()
            if usage is not None:
                self._path.settlements.add(usage, self._settle)
                return
        if error is not None and is_server_fault(error):
            self._usage, self._whole = TokenUsage(), False
        self._settle(None)

    def _settle(self, found: TokenUsage | None) -> None:
        """`found` is what the model says, of a call that was given up."""
        if found is not None and found.completion_tokens >= self._usage.completion_tokens:
            self._usage = found
        used = bool(self._usage.prompt_tokens or self._usage.completion_tokens)
        self._reservation.settle(amounts_of(self._usage), requests=int(used or self._whole))
        if used:
            self._path.record(self._request, self._plan, self._usage, whole=self._whole)


class CallRecorder:
    """Counts a call as open while it runs, and as failed if it raises what no caller is to blame
    for.

    `answered` marks the model's first sign of life, up to which the request's trace waits.
    """

    __slots__ = ("_tally", "_trace")

    def __init__(self, tally: RequestCounters) -> None:
        self._tally = tally
        self._trace = current_trace.get()

    def __enter__(self) -> Self:
        self._tally.calls += 1
        self._tally.open += 1
        if self._trace is not None:
            self._trace.opened()
        return self

    def answered(self) -> None:
        if self._trace is not None:
            self._trace.answered()
            self._trace = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        self.answered()
        self._tally.open -= 1
        if isinstance(error, Exception) and to_problem(error).status >= 500:
            self._tally.failed += 1


def is_given_up(error: BaseException) -> bool:
    """Whether nobody waits for the call any more, for no fault of the model's."""
    left = asyncio.CancelledError | GeneratorExit | ClientGone | DeadlineExceeded
    return isinstance(error, left)


def is_server_fault(error: BaseException) -> bool:
    """Whether a call failed by no fault of its caller, who chose how long it may take."""
    if not isinstance(error, Problem):
        return isinstance(error, Exception)
    return error.status >= 500 and not isinstance(error, DeadlineExceeded)


def amounts_of(usage: TokenUsage) -> UsageAmounts:
    """Tokens under the names that plans and prices use."""
    return UsageAmounts(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
