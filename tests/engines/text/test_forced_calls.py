"""Forced tool calls of nano on the openvino engine: valid, though it cannot choose sensibly."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from cluster.runtime.clock import SystemClock
from deployments.cache.chunking import ChunkAggregator
from deployments.contracts.generation import GenerateRequest, Message, Tool, ToolSettings
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import TextModel
from load_tests.benchmarks.speed.bench_tools import bench_tools, find_fault, random_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = Tool(
    "publish_post",
    "Publish a post",
    json.dumps(
        {
            "type": "object",
            "properties": {
                "platform": {"enum": ["instagram", "x"]},
                "hour": {"type": "integer", "minimum": 0, "maximum": 23},
            },
            "required": ["platform", "hour"],
            "additionalProperties": False,
        }
    ),
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nano(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TextModel]:
    home = tmp_path_factory.mktemp("home")
    model = await load_text_model(ModelSpec(id="nano", engine="openvino"), home, SystemClock())
    yield model
    await model.close()


def asking(settings: ToolSettings) -> GenerateRequest:
    request = random_request(7, random.Random(7))
    return replace(request, tool_settings=settings, messages=(Message("user", "Post it at nine."),))


async def test_every_forced_call_is_valid(nano: TextModel) -> None:
    """A short run of `bench tools`."""
    dice = random.Random(3)

    counts = await bench_tools(nano, [random_request(i, dice) for i in range(24)], 8)

    assert counts.invalid == []
    assert counts.valid > 20


async def test_a_streamed_call_equals_the_whole_one(nano: TextModel) -> None:
    request = asking(ToolSettings((POST,), "required", "publish_post"))

    whole = await nano.generate(request)
    aggregator = ChunkAggregator("nano")
    async for chunk in nano.stream(request):
        aggregator.add(chunk)

    assert aggregator.completion() == whole
    assert find_fault(request, whole.choices[0]) is None


async def test_a_loop_ends_with_the_tools_answer(nano: TextModel) -> None:
    """Forced once; then nano, which is told the result, answers in text."""
    request = asking(ToolSettings((POST,), "required", "publish_post"))
    [choice] = (await nano.generate(request)).choices
    [call] = choice.tool_calls
    turns = (
        *request.messages,
        Message("assistant", choice.text, choice.tool_calls),
        Message("tool", "published", tool_call_id=call.id),
    )

    again = replace(request, messages=turns, tool_settings=ToolSettings((POST,)))
    [answer] = (await nano.generate(again)).choices

    assert answer.finish_reason in ("stop", "length")
    assert answer.text
