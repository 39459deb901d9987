"""The caption and post pipelines over a fake generator."""

import asyncio
import pickle

import pytest

from cluster.runtime.problems import InvalidRequest, ModelFailed, Overloaded, UnknownModel
from deployments.content.brief import Brief
from deployments.content.pipelines import (
    batch_captions,
    generate_captions,
    generate_posts,
    stream_captions,
)
from deployments.content.registry import ProviderRegistry
from deployments.content.results import Completed, Delta, Event, Started, VariantDone, VariantFailed
from deployments.contracts.generation import GenerateRequest, TokenUsage
from tests.unit.content.fakes import FakeGenerator, order

TEXTS = {
    11: "Meet a new coffee shop, come by today! ☕\n\n#CoffeeShop #Local #Cozy",
    12: "Nothing to do with it. 🙂 #One #Two #Three",
    13: "We all love a new coffee shop. 😋 Tell us your order. #Coffee #Beans #Cups",
}


def scripted(request: GenerateRequest) -> str:
    return TEXTS[request.sampling.seed or 0]


async def events_of(generator: FakeGenerator, **changes: object) -> list[Event]:
    return [event async for event in stream_captions(generator, order(**changes))]


def test_variants_run_at_once_with_their_own_seeds_and_come_back_ranked() -> None:
    generator = FakeGenerator(scripted)
    result = asyncio.run(generate_captions(generator, order()))
    assert [request.sampling.seed for request in generator.seen] == [11, 12, 13]
    assert generator.most == 3
    scores = [variant.score for variant in result.variants]
    assert scores == sorted(scores, reverse=True)
    assert result.variants[-1].index == 1
    assert result.usage == TokenUsage(21, 15)
    assert pickle.loads(pickle.dumps(result)) == result


def test_scores_are_the_weighted_sum_of_their_parts() -> None:
    result = asyncio.run(generate_captions(FakeGenerator(scripted), order()))
    for variant in result.variants:
        assert sum(part.weight for part in variant.subscores) == pytest.approx(1, abs=1e-3)
        total = sum(part.weight * part.value for part in variant.subscores)
        assert total == pytest.approx(variant.score, abs=1e-3)
        assert all(part.reason for part in variant.subscores)


def test_near_copies_are_left_out_and_named() -> None:
    result = asyncio.run(generate_captions(FakeGenerator(lambda _: TEXTS[11]), order()))
    assert [variant.index for variant in result.variants] == [0]
    assert result.duplicates == (1, 2)


def test_one_failing_variant_does_not_fail_the_others() -> None:
    def answer(request: GenerateRequest) -> str | ModelFailed:
        return ModelFailed("nano") if request.sampling.seed == 12 else scripted(request)

    result = asyncio.run(generate_captions(FakeGenerator(answer), order()))
    assert {variant.index for variant in result.variants} == {0, 2}
    assert [failure.index for failure in result.failures] == [1]


def test_the_problem_is_raised_when_every_variant_fails() -> None:
    generator = FakeGenerator(lambda _: Overloaded("busy"))
    with pytest.raises(Overloaded):
        asyncio.run(generate_captions(generator, order()))
    with pytest.raises(Overloaded):
        asyncio.run(events_of(generator))


def test_the_stream_tells_the_same_story_as_the_whole() -> None:
    events = asyncio.run(events_of(FakeGenerator(scripted)))
    assert events[0] == Started(3, "nano")
    for index, seed in enumerate((11, 12, 13)):
        pieces = [e.text for e in events if isinstance(e, Delta) and e.variant == index]
        assert "".join(pieces) == TEXTS[seed]
    assert sorted(e.variant for e in events if isinstance(e, VariantDone)) == [0, 1, 2]
    last = events[-1]
    assert isinstance(last, Completed)
    assert last.result == asyncio.run(generate_captions(FakeGenerator(scripted), order()))


def test_all_variants_progress_before_any_is_done() -> None:
    async def first_pieces() -> set[int]:
        gate = asyncio.Event()
        generator = FakeGenerator(scripted, gate)
        started: set[int] = set()
        async for event in stream_captions(generator, order()):
            if isinstance(event, Delta):
                started.add(event.variant)
            if len(started) == 3 and not gate.is_set():
                assert generator.running == 3
                gate.set()
        return started

    assert asyncio.run(first_pieces()) == {0, 1, 2}


def test_closing_the_stream_closes_every_generator() -> None:
    async def leave_early() -> FakeGenerator:
        generator = FakeGenerator(scripted, asyncio.Event())
        stream = stream_captions(generator, order(variants=5, seed=None))
        generator._answer = lambda _: TEXTS[11]
        async for event in stream:
            if isinstance(event, Delta) and generator.running == 5:
                break
        await stream.aclose()
        return generator

    generator = asyncio.run(leave_early())
    assert (generator.running, generator.closed) == (0, 5)


def test_cancelling_the_call_closes_every_generator() -> None:
    async def cancel() -> FakeGenerator:
        generator = FakeGenerator(scripted, asyncio.Event())
        task = asyncio.create_task(generate_captions(generator, order()))
        await generator.all_running(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return generator

    generator = asyncio.run(cancel())
    assert (generator.running, generator.closed) == (0, 3)


def test_a_failed_variant_is_an_event() -> None:
    def answer(request: GenerateRequest) -> str | ModelFailed:
        return ModelFailed("nano") if request.sampling.seed == 13 else scripted(request)

    events = asyncio.run(events_of(FakeGenerator(answer)))
    assert [e.variant for e in events if isinstance(e, VariantFailed)] == [2]
    assert isinstance(events[-1], Completed)


def test_a_bug_in_the_generator_is_not_swallowed() -> None:
    def answer(request: GenerateRequest) -> str:
        raise LookupError("bug")

    with pytest.raises(LookupError):
        asyncio.run(events_of(FakeGenerator(answer)))


def test_a_batch_keeps_each_problem_with_its_item() -> None:
    generator = FakeGenerator(lambda _: TEXTS[11])
    providers = ProviderRegistry({"nano"}, "nano", {"fast": "nano"})
    orders = [
        order(variants=2),
        order(model="nobody"),
        order(Brief("")),
        order(model="fast", variants=1),
    ]
    outcomes = asyncio.run(batch_captions(generator, providers, orders, concurrency=2))
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3]
    assert outcomes[0].result is not None
    assert isinstance(outcomes[1].problem, UnknownModel)
    assert isinstance(outcomes[2].problem, InvalidRequest)
    assert outcomes[3].result is not None
    assert outcomes[3].result.model == "nano"


def test_a_batch_runs_no_more_items_at_once_than_asked() -> None:
    generator = FakeGenerator(lambda _: TEXTS[11])
    providers = ProviderRegistry({"nano"}, "nano")
    asyncio.run(
        batch_captions(generator, providers, [order(variants=1) for _ in range(9)], concurrency=2)
    )
    assert generator.most <= 2
    assert len(generator.seen) == 9


def test_a_provider_must_name_a_configured_model() -> None:
    with pytest.raises(ValueError, match="not configured"):
        ProviderRegistry({"nano"}, "nano", {"fast": "gone"})


def test_posts_ask_for_a_post_and_for_a_draft_to_be_rewritten() -> None:
    generator = FakeGenerator(scripted)
    brief = Brief("", platform="linkedin", draft="we have a new coffee shop")
    result = asyncio.run(generate_posts(generator, order(brief)))
    assert result.kind == "post"
    assert "Rewrite this draft as a casual LinkedIn post" in generator.seen[0].messages[1].content


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"topic": " \n "}, "topic"),
        ({"topic": "x" * 501}, "topic"),
        ({"platform": "myspace"}, "platform"),
        ({"style": "loud"}, "style"),
        ({"tone": "flat"}, "tone"),
        ({"length": "epic"}, "length"),
        ({"hashtags": 31}, "hashtags"),
        ({"hashtags": -1}, "hashtags"),
        ({"keywords": ("a",) * 11}, "keywords"),
        ({"keywords": ("a" * 61,)}, "keywords.0"),
        ({"audience": "a" * 201}, "audience"),
        ({"draft": "a" * 20_001}, "draft"),
    ],
)
def test_a_brief_out_of_range_names_its_field(changes: dict[str, object], param: str) -> None:
    brief = Brief(**{"topic": "tea", **changes})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(generate_captions(FakeGenerator(scripted), order(brief)))
    assert caught.value.param == param


@pytest.mark.parametrize("variants", [0, 11])
def test_variants_are_one_to_ten(variants: int) -> None:
    with pytest.raises(InvalidRequest, match="variants"):
        asyncio.run(generate_captions(FakeGenerator(scripted), order(variants=variants)))
