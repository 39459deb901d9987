"""The spans of one model call with several attempts, as their times say."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from cluster.tracing.span import TraceSpan
from cluster.tracing.trace_context import new_context
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    Sampling,
    TokenUsage,
)
from deployments.contracts.text_generator import MadeAttempt
from deployments.ingress.tracing.call_spans import call_spans
from tests.upstream_server.requests import CALLER

REQUEST = GenerateRequest("r", CALLER, "nano", Sampling(), prompt="hi")


@dataclass
class MadeCall:
    """A ModelCall that was sent so often."""

    made: tuple[MadeAttempt, ...]
    provider: str = ""

    def attempts_made(self) -> tuple[MadeAttempt, ...]:
        return self.made

    async def generate(self) -> Completion:
        raise NotImplementedError

    def stream(self) -> AsyncGenerator[Chunk, None]:
        raise NotImplementedError

    def settlement(self) -> None:
        return None


@dataclass
class EndedCall:
    """A TimedCall from 10 to 20."""

    call: MadeCall
    request: GenerateRequest = REQUEST
    usage: TokenUsage = field(default_factory=TokenUsage)
    opened_at: float = 10.0
    answered_at: float | None = 12.0
    ended_at: float = 20.0
    timing: tuple[float, ...] = (1.0, 1.0, 2.0)
    finish_reasons: tuple[str, ...] = ()
    error: str = ""


def spans(*made: MadeAttempt, provider: str = "") -> dict[str, TraceSpan]:
    call = EndedCall(MadeCall(made, provider))
    found = call_spans(call, new_context(is_sampled=True), 100.0, 130.0)
    return {span.name: span for span in found}


def test_one_attempt_at_a_replica_needs_no_span_of_its_own() -> None:
    found = spans(MadeAttempt(10.5, "r1"))

    assert list(found) == ["text_completion nano", "generate nano", "queue", "prefill", "decode"]
    assert found["generate nano"].process == "Model:nano#r1"
    assert found["text_completion nano"].attributes["mobula.replica"] == "r1"


def test_what_is_sent_beside_an_open_attempt_is_a_hedge_and_what_comes_after_it_a_retry() -> None:
    found = spans(
        MadeAttempt(10.0, "r1", 14.0, "overtaken"),
        MadeAttempt(11.0, "r2", 12.0, "model-failed"),
        MadeAttempt(14.5, "r3"),
    )

    attempts = [found[f"attempt {number}"] for number in (1, 2, 3)]
    assert [
        (each.attributes["mobula.attempt.kind"], each.start, each.end, each.error)
        for each in attempts
    ] == [
        ("first", 110.0, 114.0, "overtaken"),
        ("hedge", 111.0, 112.0, "model-failed"),
        ("retry", 114.5, 120.0, ""),
    ]
    assert found["generate nano"].parent_id == attempts[2].span_id
    assert found["generate nano"].process == "Model:nano#r3"


def test_a_replica_that_answered_though_a_later_one_was_asked_is_where_it_was_generated() -> None:
    found = spans(MadeAttempt(10.0, "r1"), MadeAttempt(11.0, "r2", 15.0, "overtaken"))

    assert found["generate nano"].parent_id == found["attempt 1"].span_id
    assert found["generate nano"].process == "Model:nano#r1"


def test_an_upstream_is_named_with_its_provider() -> None:
    found = spans(MadeAttempt(10.0, "up1"), provider="openai")

    assert found["attempt 1"].attributes["mobula.upstream"] == "up1"
    assert found["text_completion nano"].attributes["gen_ai.provider.name"] == "openai"
