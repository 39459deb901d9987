"""Structured output over the real openvino engine and the nano model."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Caller
from deployments.contracts.generation import (
    Choice,
    FormatKind,
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
)
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import TextModel
from load_tests.benchmarks.common.random_schemas import hostile_format
from load_tests.benchmarks.speed import bench_structured

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = (Message("user", "Write an Instagram caption about a new coffee shop"),)
POST = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 3, "maxLength": 40},
        "likes": {"type": "integer", "minimum": 0, "maximum": 120},
        "mood": {"enum": ["happy", "sad", None]},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2,9}$"}},
    },
    "required": ["title", "likes", "mood"],
    "additionalProperties": False,
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TextModel]:
    spec = ModelSpec(id="nano", source="nano", engine="openvino", max_running=16)
    home: Path = tmp_path_factory.mktemp("home")
    loaded = await load_text_model(spec, home, SystemClock())
    yield loaded
    await loaded.close()


def _request(kind: FormatKind, definition: Any, seed: int = 1, **sampling: Any) -> GenerateRequest:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return GenerateRequest(
        request_id=f"r-{seed}",
        caller=Caller("acme", "k", frozenset()),
        model="nano",
        sampling=Sampling(max_tokens=160, seed=seed, **sampling),
        messages=PROMPT,
        output_format=OutputFormat(kind, text),
    )


async def _choice(model: TextModel, request: GenerateRequest) -> Choice:
    return (await model.generate(request)).choices[0]


async def test_answers_that_stop_are_valid_by_the_schema(model: TextModel) -> None:
    requests = [_request("json_schema", POST, seed) for seed in range(8)]

    choices = await asyncio.gather(*[_choice(model, request) for request in requests])

    stopped = [choice for choice in choices if choice.finish_reason == "stop"]
    assert stopped
    for choice in stopped:
        jsonschema.validate(json.loads(choice.text), POST)


async def test_a_streamed_answer_says_the_same(model: TextModel) -> None:
    request = _request("json_schema", POST, 3)

    whole = await _choice(model, request)
    chunks = [chunk async for chunk in model.stream(request)]

    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert chunks[-1].finish_reason == whole.finish_reason


@pytest.mark.parametrize(
    ("kind", "definition", "expected"),
    [
        ("regex", r"[A-Z][a-z]{2}-\d{3}", r"^[A-Z][a-z]{2}-\d{3}$"),
        ("regex", '\\\\\\["é\\u{1f600}\\^\\-\\]', '^\\\\\\["é\U0001f600\\^-\\]$'),
        ("choice", ["yes", "yes, please", "nö"], "^(yes|yes, please|nö)$"),
        ("grammar", 'root ::= a (", " a){1,2}\na ::= "x" | "y"', "^[xy](, [xy]){1,2}$"),
        ("json_schema", {"type": "string", "format": "date"}, r'^"\d{4}-\d\d-\d\d"$'),
        ("json_schema", {"const": {"a": [1, "\n"]}}, r'^\{"a":\[1,"\\n"\]\}$'),
    ],
)
async def test_each_kind_of_format_is_kept(
    model: TextModel, kind: FormatKind, definition: Any, expected: str
) -> None:
    choices = [await _choice(model, _request(kind, definition, seed)) for seed in range(3)]

    for choice in choices:
        assert choice.finish_reason == "stop"
        assert re.fullmatch(expected, choice.text)


async def test_a_string_that_outgrows_an_unguarded_limit_ends_by_length(model: TextModel) -> None:
    schema = {"type": "string", "minLength": 90, "maxLength": 101}

    choices = [await _choice(model, _request("json_schema", schema, seed)) for seed in range(4)]

    for choice in choices:
        valid = choice.text.endswith('"') and 90 <= len(json.loads(choice.text)) <= 101
        assert (choice.finish_reason == "stop") == valid


async def test_a_stop_string_inside_of_json_does_not_look_complete(model: TextModel) -> None:
    choice = await _choice(model, _request("json_schema", POST, 2, stop=('"likes"',)))

    assert choice.finish_reason == "length"


async def test_hostile_definitions_stop_nobody(model: TextModel) -> None:
    rng = Random(30)
    neighbour = asyncio.create_task(_choice(model, _request("json_schema", POST, 5)))
    refused = 0
    for _ in range(30):
        hostile = hostile_format(rng)
        try:
            await _choice(model, _request(hostile.kind, hostile.definition))
        except InvalidRequest:
            refused += 1

    assert refused == 30
    assert (await neighbour).text
    assert (await _choice(model, _request("choice", ["still here"]))).text == "still here"
    model.engine.check_health()


async def test_ignore_eos_is_refused_beside_a_format(model: TextModel) -> None:
    with pytest.raises(InvalidRequest, match="ignore_eos"):
        await _choice(model, _request("json_object", "", ignore_eos=True))


@pytest.mark.exhaustive
async def test_the_benchmark_comes_to_a_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["--schemas", "2", "--hostile", "3", "--rounds", "1", "--json", str(report)]

    code = await asyncio.to_thread(bench_structured.main, arguments)

    parts = json.loads(report.read_text())["parts"]
    assert code in (0, 1)  # the machine is busy: no speed is asserted
    assert parts["valid"]["stop_and_invalid"] == 0
    assert parts["hostile"]["answer_after"] == "valid"
