"""What model calls use, and how they go: for limits, the ledger and `/health`.

In: a reservation, the call's chunks or its usage, and how it ended. Out: the reservation settled
and the usage recorded, once. Calls that were given up are settled after their callers have left.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol, Self

from cluster.runtime.problems import ClientGone, DeadlineExceeded, Problem, to_problem
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.generation import Chunk, GenerateRequest, TokenUsage
from deployments.contracts.limits import Reservation
from deployments.contracts.text_generator import ModelCall
from deployments.ingress.context import MAX_TIMED_CALLS, ModelWaitTimer
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.response_relay import ResponseRelay

MAX_COST = 10**15  # nano-currency that a provider may say that one call costs
_CLOSING_S = 5.0
_NO_USAGE = TokenUsage()

logger = logging.getLogger("mobula.ingress")


class Meter(Protocol):
    """Takes exact usage without waiting (cluster/usage/ledger.py)."""

    def record_call(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        amounts: UsageAmounts,
        tags: tuple[str, ...] = (),
        cost: int | None = None,
        collected: CollectedUsage | None = None,
    ) -> None:
        """One call of a model. `cost` is what its provider says, in nano-currency. With
        `collected` it is held there until that is stored."""
        ...

    def record_cache_hit(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        tags: tuple[str, ...] = (),
        collected: CollectedUsage | None = None,
    ) -> None:
        """One request for a model that was answered from the cache."""
        ...


@dataclass(slots=True)
class RequestCounters:
    """Responses of this replica since it started: `calls` by models, `cache_hits` by the cache."""

    calls: int = 0
    cache_hits: int = 0
    failed: int = 0
    open: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class UsageRecorder:
    """Records what text models used: in the ledger, in the counters and for later estimates."""

    def __init__(self, meter: Meter, estimator: TokenEstimator) -> None:
        self.estimator = estimator
        self.counters = RequestCounters()
        self.settlements = Settlements()
        self._meter = meter

    def record_call(
        self,
        request: GenerateRequest,
        plan: Plan,
        amounts: UsageAmounts,
        tags: tuple[str, ...] = (),
        cost: int | None = None,
        collected: CollectedUsage | None = None,
        *,
        is_complete: bool,
    ) -> None:
        """Usage of a call that ended; a complete one improves the estimates. `cost` is what its
        provider says, in nano-currency.
        """
        self.counters.prompt_tokens += amounts.input_tokens
        self.counters.completion_tokens += amounts.output_tokens
        if is_complete:
            self.estimator.learn(request, amounts.output_tokens)
        self._meter.record_call(request.caller, plan, request.model, amounts, tags, cost, collected)

    def record_cache_hit(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        tags: tuple[str, ...] = (),
        collected: CollectedUsage | None = None,
    ) -> None:
        """A request that was answered without its model."""
        self.counters.cache_hits += 1
        self._meter.record_cache_hit(caller, plan, model, tags, collected)


@dataclass(slots=True)
class MeteredCall:
    """One call of a model whose reservation is settled however the call ends.

    While its body runs the call counts as open; it counts as failed if it raises a server error. A
    call that failed by a fault of the server costs nothing, whatever it generated. A call that was
    given up, or whose time was up, costs what was generated until its model ended it: the model is
    asked after the caller has left, and the reservation stands until it answers. Where it cannot
    answer any more, the tokens that arrived are charged.

    Implements `TimedCall` (deployments/ingress/context.py).
    """

    recorder: UsageRecorder
    request: GenerateRequest
    plan: Plan
    reservation: Reservation
    call: ModelCall
    timer: ModelWaitTimer | None  # until the call ends: it has the call, for the trace
    usage: TokenUsage = _NO_USAGE
    is_complete: bool = False
    tags: tuple[str, ...] = ()
    collected: CollectedUsage | None = None  # where its usage waits for its request's result
    relay: ResponseRelay | None = None  # gets pieces of text in place of `add`
    chunks: int = 0  # of a stream, once it has ended
    opened_at: float = 0.0
    answered_at: float | None = None
    ended_at: float = 0.0
    timing: tuple[float, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    error: str = ""

    def __enter__(self) -> Self:
        counters = self.recorder.counters
        counters.calls += 1
        counters.open += 1
        timer = self.timer
        if timer is not None:
            self.opened_at = timer.opened()
            if len(timer.calls) < MAX_TIMED_CALLS:
                timer.calls.append(self)
        return self

    def complete(self, usage: TokenUsage) -> None:
        """The model has answered, and used `usage`."""
        if self.answered_at is None and self.timer is not None:
            self.answered_at = self.timer.answered()
        self.usage, self.is_complete = usage, True

    def add(self, chunk: Chunk) -> None:
        """The model has sent a chunk."""
        if self.answered_at is None and self.timer is not None:
            self.answered_at = self.timer.answered()
        self.chunks += 1
        if chunk.usage is not None:
            self.usage, self.is_complete, self.timing = chunk.usage, True, chunk.timing
        else:
            self.usage += TokenUsage(chunk.prompt_tokens, chunk.tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        counters = self.recorder.counters
        counters.open -= 1
        timer, self.timer = self.timer, None
        if timer is not None:
            waits = self.answered_at is None
            self.ended_at = timer.answered() if waits else timer.clock.monotonic()
        if self.relay is not None:
            self._add_relayed(self.relay)
        if error is not None:
            problem = to_problem(error) if isinstance(error, Exception) else None
            self.error = "client-gone" if problem is None else problem.slug
            if problem is not None and problem.status >= 500:
                counters.failed += 1
            if not self.is_complete and is_given_up(error):
                usage = self.call.settlement()
                if usage is not None:
                    self.recorder.settlements.add(usage, self._settle)
                    return
            if is_server_fault(error):
                self.usage, self.is_complete = _NO_USAGE, False
        self._settle(None)

    def _add_relayed(self, relay: ResponseRelay) -> None:
        self.chunks += relay.pieces
        if not self.is_complete:
            self.usage += TokenUsage(0, relay.tokens)

    def _settle(self, reported: TokenUsage | None) -> None:
        """`reported` is what the model says that a call used which was given up."""
        if reported is not None and reported.completion_tokens >= self.usage.completion_tokens:
            self.usage = reported
        usage = self.usage
        has_used = bool(usage.prompt_tokens or usage.completion_tokens)
        prompt, output, cost = usage.prompt_tokens, usage.completion_tokens, usage.cost
        amounts = UsageAmounts(
            prompt,
            output,
            len(self.request.images) if has_used else 0,
            cached_tokens=max(0, min(usage.cached_tokens, prompt)),  # a provider may say anything
            reasoning_tokens=max(0, min(usage.reasoning_tokens, output)),
            estimated_tokens=prompt + output if usage.is_estimated else 0,
        )
        if cost is not None and not 0 <= cost <= MAX_COST:
            logger.warning("a call of %s cannot have cost %s", self.request.model, cost)
            cost = None
        self.reservation.settle(amounts, requests=int(has_used or self.is_complete))
        if has_used:
            self.recorder.record_call(
                self.request,
                self.plan,
                amounts,
                self.tags,
                cost,
                self.collected,
                is_complete=self.is_complete,
            )


class Settlements:
    """Settles calls that were given up. Use it on one event loop; close it before the ledger.

    Each waits in a task and a context of its own: the context of the request has ended, and Serve
    cancels what is called in it.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Calls whose usage is not known yet."""
        return len(self._tasks)

    def add(
        self, usage: Awaitable[TokenUsage], settle: Callable[[TokenUsage | None], None]
    ) -> None:
        """Call `settle` once, with the usage, or with None if it stays unknown."""
        task = asyncio.create_task(self._run(usage, settle), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait some seconds for those that are open; settle the rest without an answer."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(tuple(self._tasks), timeout=_CLOSING_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _run(
        self, usage: Awaitable[TokenUsage], settle: Callable[[TokenUsage | None], None]
    ) -> None:
        reported: TokenUsage | None = None
        try:
            reported = await usage
        except Problem as problem:
            logger.warning("the usage of a cancelled model call is unknown: %s", problem.detail)
        except Exception:
            logger.exception("the usage of a cancelled model call is unknown")
        finally:
            settle(reported)


def is_given_up(error: BaseException) -> bool:
    """Whether nobody waits for the call any more, by no fault of the model."""
    given_up = asyncio.CancelledError | GeneratorExit | ClientGone | DeadlineExceeded
    return isinstance(error, given_up)


def is_server_fault(error: BaseException) -> bool:
    """Whether a call failed by no fault of its caller, who chose how long it may take."""
    if not isinstance(error, Problem):
        return isinstance(error, Exception)
    return error.status >= 500 and not isinstance(error, DeadlineExceeded)
