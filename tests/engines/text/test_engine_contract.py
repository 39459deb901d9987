"""What every engine must do. In: any engine over the nano model."""

import asyncio
import random
from contextlib import aclosing
from typing import Any

import pytest

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.engine import Engine, ImagePrompt, Tokens
from deployments.model.engines.features import ALL
from tests.engines.text.sequences import (
    collect,
    collect_all,
    greedy,
    nano_prompts,
    settled,
    take,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = nano_prompts()

FEATURE_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "seed": ("seed", {"temperature": 1.0, "seed": 1}),
    "penalties": ("presence_penalty", {"presence_penalty": 0.5}),
    "logprobs": ("logprobs", {"logprobs": 0}),
    "top_logprobs": ("top_logprobs", {"logprobs": 3}),
    "temperature": ("temperature", {"temperature": 0.7}),
    "top_p": ("top_p", {"temperature": 1.0, "top_p": 0.9}),
    "top_k": ("top_k", {"temperature": 1.0, "top_k": 5}),
    "min_p": ("min_p", {"temperature": 1.0, "min_p": 0.1}),
    "repetition_penalty": ("repetition_penalty", {"repetition_penalty": 1.2}),
    "logit_bias": ("logit_bias", {"logit_bias": ((5, 2.0),)}),
    "prompt_logprobs": ("echo", {"logprobs": 0, "prompt_logprobs": True}),
    "grammar": ("response_format", {"grammar": 'root ::= "a"'}),
    "images": ("messages", {"image_prompt": ImagePrompt((1,), ())}),
}


async def test_greedy_output_is_the_same_every_time(engine: Engine) -> None:
    first = await collect(engine, greedy(PROMPTS[0]))
    second = await collect(engine, greedy(PROMPTS[0]))

    assert first.ids == second.ids


@pytest.mark.parametrize("max_tokens", [1, 2, 17])
async def test_max_tokens_is_met_exactly(engine: Engine, max_tokens: int) -> None:
    got = await collect(engine, greedy(PROMPTS[1], max_tokens))

    assert len(got.ids) == max_tokens
    assert got.finish_reason == "length"


@pytest.mark.parametrize("place", [0, 5, 20])
async def test_a_stop_id_ends_the_sequence_and_is_left_out(engine: Engine, place: int) -> None:
    whole = await collect(engine, greedy(PROMPTS[2]))
    stop = whole.ids[place]

    got = await collect(engine, greedy(PROMPTS[2], stop_ids=frozenset({stop, 3_000})))

    assert got.ids == whole.ids[: whole.ids.index(stop)]
    assert got.finish_reason == "stop"


async def test_held_back_tokens_come_in_one_batch(engine: Engine) -> None:
    apart = await collect(engine, greedy(PROMPTS[0]))
    whole = await collect(engine, greedy(PROMPTS[0], interval_s=float("inf")))

    assert whole.ids == apart.ids
    assert whole.batches == 1


async def test_tokens_that_are_taken_at_once_are_not_yielded(engine: Engine) -> None:
    """Taken and yielded ones together are the sequence, in order; its end is yielded."""
    usual = await collect(engine, greedy(PROMPTS[0]))
    came: list[int] = []
    asked = 0

    def take(ids: tuple[int, ...]) -> bool:
        nonlocal asked
        asked += 1
        if asked % 4 == 0:
            return False
        came.extend(ids)
        return True

    ends = []
    async with aclosing(engine.generate(greedy(PROMPTS[0], on_tokens=take))) as batches:
        async for tokens in batches:
            came.extend(tokens.ids)
            ends.append(tokens.finish_reason)

    assert tuple(came) == usual.ids
    assert ends[-1] == usual.finish_reason
    assert set(ends[:-1]) <= {None}
    await settled(engine)


async def test_sequences_in_one_batch_do_not_mix(engine: Engine) -> None:
    prompts = nano_prompts(12)
    alone = [await collect(engine, greedy(prompt, 12)) for prompt in prompts]

    together = await collect_all(engine, [greedy(prompt, 12) for prompt in prompts])

    assert [got.ids for got in together] == [got.ids for got in alone]


async def test_a_seed_gives_the_same_tokens_whatever_else_is_in_the_batch(engine: Engine) -> None:
    if "seed" not in engine.supports:
        pytest.skip("no seed for single sequences; refused by name instead")
    asked = greedy(PROMPTS[0], temperature=1.0, seed=7)
    alone = await collect(engine, asked)
    others = [greedy(p, temperature=1.3, seed=i) for i, p in enumerate(PROMPTS)]

    among, *_ = await collect_all(engine, [asked, *others])

    assert among.ids == alone.ids


async def test_without_a_seed_two_samples_differ(engine: Engine) -> None:
    if engine.name == "echo":
        pytest.skip("echo does not sample")
    asked = greedy(PROMPTS[0], 40, temperature=1.5)

    first, second = await collect_all(engine, [asked, asked])

    assert first.ids != second.ids


@pytest.mark.parametrize("feature", sorted(ALL))
async def test_a_missing_feature_is_refused_by_name(engine: Engine, feature: str) -> None:
    param, fields = FEATURE_FIELDS[feature]
    request = greedy(PROMPTS[0], 2, **fields)
    if feature in engine.supports:
        await collect(engine, request)
        return

    with pytest.raises(UnsupportedParameter) as refused:
        await collect(engine, request)

    with_others = feature in ("top_logprobs", "prompt_logprobs")
    without_any = with_others and "logprobs" not in engine.supports
    assert refused.value.param == ("logprobs" if without_any else param)
    assert engine.stats().handlers == 0


async def test_a_seed_changes_nothing_where_nothing_is_sampled(engine: Engine) -> None:
    plain, seeded = await collect_all(
        engine, [greedy(PROMPTS[0], 5), greedy(PROMPTS[0], 5, seed=1234)]
    )

    assert seeded.ids == plain.ids


async def test_log_probabilities_belong_to_the_tokens(engine: Engine) -> None:
    if "logprobs" not in engine.supports:
        pytest.skip("no log probabilities; refused by name instead")
    got = await collect(engine, greedy(PROMPTS[3], 8, logprobs=0))

    assert len(got.logprobs) == len(got.ids) == 8
    assert all(value <= 1e-3 for value in got.logprobs)


@pytest.mark.parametrize("interval_s", [0.0, float("inf")])
async def test_log_probabilities_of_the_prompt_come_first(
    engine: Engine, interval_s: float
) -> None:
    if "prompt_logprobs" not in engine.supports:
        pytest.skip("no log probabilities of prompts; refused by name instead")
    asked = greedy(PROMPTS[3], 8, logprobs=0, prompt_logprobs=True, interval_s=interval_s)
    async with aclosing(engine.generate(asked)) as stream:
        first, *rest = [tokens async for tokens in stream]

    assert len(first.prompt_logprobs) == len(PROMPTS[3])
    assert first.prompt_logprobs[0] is None
    assert all(value is not None and value <= 1e-3 for value in first.prompt_logprobs[1:])
    assert not any(tokens.prompt_logprobs for tokens in rest)
    plain = await collect(engine, greedy(PROMPTS[3], 8))
    assert [token for tokens in (first, *rest) for token in tokens.ids] == list(plain.ids)


async def test_the_likeliest_token_is_the_first_alternative(engine: Engine) -> None:
    if "top_logprobs" not in engine.supports:
        pytest.skip("no alternatives; refused by name instead")
    asked = greedy(PROMPTS[3], 8, logprobs=3, prompt_logprobs="prompt_logprobs" in engine.supports)
    async with aclosing(engine.generate(asked)) as stream:
        batches = [tokens async for tokens in stream]

    for tokens in batches:
        for token, logprob, top in zip(tokens.ids, tokens.logprobs, tokens.top, strict=True):
            assert top[0] == (token, logprob)
            assert [value for _, value in top] == sorted((v for _, v in top), reverse=True)
    tops = batches[0].prompt_top
    assert all(len(top) == (1 if engine.name == "echo" else 3) for top in tops[1:])


async def test_leaving_at_any_point_leaves_nothing_behind(engine: Engine) -> None:
    """1,000 streams, each left after 0 to 4 batches, up to 40 of them open at once."""
    streams = 200 if engine.name == "transformers" else 1_000
    dice = random.Random(5)
    door = asyncio.Semaphore(40)

    async def visit(batches: int) -> None:
        async with door:
            await take(engine, greedy(PROMPTS[batches], 30), batches)

    async with asyncio.TaskGroup() as group:
        for _ in range(streams):
            group.create_task(visit(dice.randrange(5)))
    await settled(engine)

    stats = engine.stats()
    assert stats.submitted == stats.finished + stats.cancelled + stats.failed
    assert stats.failed == 0
    assert (await collect(engine, greedy(PROMPTS[0], 3))).finish_reason == "length"


@pytest.mark.parametrize(
    ("batches", "interval_s"), [(0, float("inf")), (0, 0.0), (1, 0.0), (3, 0.0)]
)
async def test_who_leaves_hears_of_all_that_was_generated(
    engine: Engine, batches: int, interval_s: float
) -> None:
    """With no batch read, the consumer is cancelled once the engine has begun."""
    if engine.name == "echo":
        pytest.skip("echo gives everything at once")
    await settled(engine)
    before = engine.stats()
    rest: asyncio.Queue[Tokens] = asyncio.Queue()
    request = greedy(PROMPTS[0], 900, interval_s=interval_s, on_left=rest.put_nowait)
    read = 0
    async with aclosing(engine.generate(request)) as stream:
        for _ in range(batches):
            read += len((await anext(stream)).ids)
        if not batches:
            first = asyncio.ensure_future(anext(stream))
            await until(lambda: engine.stats().steps > before.steps + 3)
            first.cancel()
            await asyncio.wait([first])
            if not first.cancelled():
                read += len(first.result().ids)

    async with asyncio.timeout(60):
        left = await rest.get()
    await settled(engine)

    assert read + len(left.ids) == engine.stats().tokens_out - before.tokens_out
    assert rest.empty()
    if interval_s:
        assert left.ids, "what was held back counts"


async def test_parameters_that_it_does_not_take_are_the_requests_fault(engine: Engine) -> None:
    """Whatever an engine says to them, it fails nobody else, and counts nothing as failed."""
    faults = ({"temperature": 1e-46}, {"top_p": 1e-46}, {"presence_penalty": 1e39})
    before = engine.stats().failed
    for fault in faults:
        request = greedy(PROMPTS[0], 3, **{"temperature": 1.0, **fault})
        try:
            await collect(engine, request)
        except InvalidRequest:
            continue

    assert (await collect(engine, greedy(PROMPTS[0], 3))).finish_reason == "length"
    stats = engine.stats()
    assert stats.failed == before
    assert stats.submitted == stats.finished + stats.cancelled + stats.failed


async def test_cancelled_tasks_leave_nothing_behind(engine: Engine) -> None:
    tasks = [
        asyncio.create_task(collect(engine, greedy(PROMPTS[i % 6], 200, interval_s=float("inf"))))
        for i in range(40)
    ]
    await asyncio.sleep(0)  # all of them have asked, none has an answer

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await settled(engine)

    stats = engine.stats()
    assert stats.submitted == stats.finished + stats.cancelled + stats.failed


async def test_more_than_max_running_wait_their_turn(engine: Engine) -> None:
    got = await collect_all(engine, [greedy(PROMPTS[i % 6], 6) for i in range(40)])

    assert all(sequence.finish_reason == "length" for sequence in got)
    assert engine.stats().waiting == 0


async def test_an_engine_at_rest_is_healthy(engine: Engine) -> None:
    await settled(engine)

    engine.check_health()
