"""Every text of every choice of a stream is checked by itself."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from cluster.runtime.clock import Deadline, SystemClock
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    Sampling,
    TokenUsage,
)
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.context import ModelWaitTimer, RequestContext
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.response_relay import ResponseRelay
from tests.api.fakes import WordsModel
from tests.api.guardrails.guarded_world import (
    REDACTING,
    REFUSING,
    GuardedWorld,
    config_of,
)

CALLER = Caller("acme", "key", frozenset({Scope.GENERATE}))
REQUEST = GenerateRequest("req_1", CALLER, "words", Sampling(), prompt="Whom?", n=2)
CHUNKS = (
    Chunk(0, "wri", tokens=1, prompt_tokens=3),
    Chunk(1, "all is ", tokens=1),
    Chunk(0, "", tokens=1, reasoning="it is john@exam"),
    Chunk(0, "", tokens=1, reasoning="ple.com, I think"),
    Chunk(0, "te to john", tokens=1),
    Chunk(1, "", tokens=1, refusal="I will not name jane@example.com"),
    Chunk(0, "@example.com", tokens=1),
    Chunk(1, "well", tokens=1),
    Chunk(0, " now", "stop", tokens=1),
    Chunk(1, "", "stop", usage=TokenUsage(3, 8)),
)


class ChunksModel(WordsModel):
    """Sends CHUNKS."""

    async def card(self) -> ModelCard:
        return ModelCard("words", "echo", "words", "rev1", 64, 0)

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def generate(self, request: GenerateRequest) -> Completion:
        choices = [
            Choice(
                index,
                "".join(chunk.text for chunk in CHUNKS if chunk.index == index),
                "stop",
                refusal="".join(chunk.refusal for chunk in CHUNKS if chunk.index == index),
                reasoning="".join(chunk.reasoning for chunk in CHUNKS if chunk.index == index),
            )
            for index in (0, 1)
        ]
        return Completion(tuple(choices), TokenUsage(3, 8))

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        for chunk in CHUNKS:
            yield chunk


async def texts(
    world: GuardedWorld, config: GuardrailConfig, *, stream: bool
) -> dict[int, tuple[str, str, str, str]]:
    """By choice: text, reasoning, refusal and finish reason."""
    world.models = ModelRegistry({"words": ChunksModel()}, world.services.clock, {})
    world.app(config)
    clock = SystemClock()
    context = RequestContext(
        "req_1",
        CALLER,
        Plan(id="default"),
        Deadline(clock, clock.monotonic() + 30),
        0,
        Priority.STANDARD,
        NO_DIRECTIVES,
        ModelWaitTimer(clock),
    )
    pipeline, admission = world.made.model_pipeline, world.made.admission
    found = {0: ["", "", "", ""], 1: ["", "", "", ""]}
    async with admission.admitted(context, RequestClass.GENERATE, "chat") as admitted:
        if not stream:
            completion = await pipeline.generate(REQUEST, admitted)
            return {
                each.index: (each.text, each.reasoning, each.refusal, each.finish_reason)
                for each in completion.choices
            }
        usage, relay = None, ResponseRelay()
        async with aclosing(pipeline.stream(REQUEST, admitted, relay)) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                parts = (chunk.text, chunk.reasoning, chunk.refusal, chunk.finish_reason or "")
                known = found[chunk.index]
                assert not known[3], "nothing of a choice follows its end"
                found[chunk.index] = [a + b for a, b in zip(known, parts, strict=True)]
        assert usage is not None
        assert usage.prompt_tokens == 3
        assert not relay.is_allowed, "what is checked may not be passed by"
    return {index: (each[0], each[1], each[2], each[3]) for index, each in found.items()}


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_and_refusals_are_redacted_too(world: GuardedWorld, stream: bool) -> None:
    assert await texts(world, config_of(REDACTING), stream=stream) == {
        0: ("write to [EMAIL] now", "it is [EMAIL], I think", "", "stop"),
        1: ("all is well", "", "I will not name [EMAIL]", "stop"),
    }


async def test_a_choice_that_is_refused_leaves_the_others_alone(world: GuardedWorld) -> None:
    rule = {"id": "r", "type": "words", "words": ["write"], "action": "refuse"}

    found = await texts(world, config_of(rule), stream=True)

    assert found[0][0] == ""
    assert found[0][3] == "content_filter"
    assert found[1] == ("all is well", "", "I will not name jane@example.com", "stop")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_of_any_text_refuses_the_choice(world: GuardedWorld, stream: bool) -> None:
    found = await texts(world, config_of(REFUSING), stream=stream)

    assert found[0][3] == found[1][3] == "content_filter"
    assert all("@" not in "".join(each) for each in found.values())
