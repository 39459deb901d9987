"""Output formats through TextModel, over scripted engines; and vLLM's parameters for them."""

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from cluster.tenants.caller import Caller
from deployments.contracts.engine import TokenRequest
from deployments.contracts.generation import (
    GenerateRequest,
    ModelCard,
    OutputFormat,
    Sampling,
)
from deployments.model.engines.echo import EchoEngine
from deployments.model.engines.features import ALL
from deployments.model.engines.transformers import TransformersEngine
from deployments.model.engines.vllm import VllmEngine, VllmSizing
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from tests.unit.model.scripted_engine import ScriptedEngine, letters

CARD = ModelCard("m", "echo", "echo", "1", 500, 0)
LONG = OutputFormat("json_schema", '{"type": "string", "maxLength": 150}')


def _model(engine: Any) -> TextModel:
    limits = Limits(context_length=500, stream_interval_s=0.0)
    return TextModel(engine, ByteTokenizer(), CARD, limits, ManualClock())


def _request(output_format: OutputFormat, **changes: Any) -> GenerateRequest:
    request = GenerateRequest(
        request_id="r",
        caller=Caller("acme", "k", frozenset()),
        model="m",
        sampling=Sampling(max_tokens=300),
        prompt="Hi",
        output_format=output_format,
    )
    return replace(request, **changes)


async def test_an_engine_gets_the_compiled_grammar_never_the_definition() -> None:
    engine = ScriptedEngine(lambda _: letters('"a"'))

    completion = await _model(engine).generate(_request(LONG))

    assert completion.choices[0].finish_reason == "stop"
    (asked,) = engine.asked
    assert asked.grammar.startswith("root ::= ")
    assert "maxLength" not in asked.grammar


@pytest.mark.parametrize(
    ("text", "reason"), [("x" * 150, "stop"), ("x" * 151, "length"), ("ß" * 150, "stop")]
)
async def test_a_text_that_outgrows_its_format_ends_by_length(text: str, reason: str) -> None:
    model = _model(ScriptedEngine(lambda _: letters(json.dumps(text, ensure_ascii=False), size=7)))

    whole = (await model.generate(_request(LONG))).choices[0]
    chunks = [chunk async for chunk in model.stream(_request(LONG))]

    assert whole.finish_reason == reason
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [reason]
    assert "".join(chunk.text for chunk in chunks) == whole.text


async def test_each_choice_is_checked_by_itself() -> None:
    texts = {"r/0": '"a"', "r/1": '"' + "x" * 151 + '"'}
    model = _model(ScriptedEngine(lambda asked: letters(texts[asked.request_id])))

    completion = await model.generate(_request(LONG, n=2))

    assert [choice.finish_reason for choice in completion.choices] == ["stop", "length"]


async def test_a_json_text_that_a_stop_string_cut_ends_by_length() -> None:
    model = _model(ScriptedEngine(lambda _: letters('{"a":1,"b":2}')))
    sampling = Sampling(max_tokens=50, stop=(",",))

    completion = await model.generate(_request(OutputFormat("json_object"), sampling=sampling))

    assert completion.choices[0].text == '{"a":1'
    assert completion.choices[0].finish_reason == "length"


async def test_what_the_compiler_refuses_reaches_no_engine() -> None:
    engine = ScriptedEngine(lambda _: letters("x"))
    hostile = OutputFormat("json_schema", '{"properties": {"x": {"not": {}}}}', "guided_json")

    with pytest.raises(UnsupportedParameter) as refusal:
        await _model(engine).generate(_request(hostile))
    with pytest.raises(InvalidRequest, match="ignore_eos"):
        await _model(engine).generate(
            _request(LONG, sampling=Sampling(max_tokens=5, ignore_eos=True))
        )

    assert refusal.value.param == "guided_json/properties/x/not"
    assert engine.asked == []


async def test_engines_without_grammars_refuse_them_by_the_requests_field(tmp_path: Path) -> None:
    assert "grammar" not in TransformersEngine("m", tmp_path).supports
    request = _request(replace(LONG, param="guided_json"))

    with pytest.raises(UnsupportedParameter, match="structured output") as refusal:
        await _model(EchoEngine()).generate(request)

    assert refusal.value.param == "guided_json"


async def test_long_definitions_are_compiled_in_a_thread_and_once() -> None:
    engine = ScriptedEngine(lambda _: letters("1"))
    model = _model(engine)
    long = OutputFormat("json_schema", json.dumps({"title": "t" * 2_000, "type": "integer"}))

    for _ in range(2):
        await model.generate(_request(long))

    first, second = engine.asked
    assert first.grammar is second.grammar


class FakeLlm:
    """Records what it is asked for, and answers one token."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def generate(self, prompt: Any, sampling: Any, key: str) -> AsyncIterator[Any]:
        self.asked.append(sampling)
        output = SimpleNamespace(token_ids=[7], finish_reason="stop", logprobs=None)
        yield SimpleNamespace(outputs=[output], num_cached_tokens=0, prompt_logprobs=None)

    def shutdown(self) -> None:
        """Nothing runs."""


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """vLLM's modules, as far as the engine imports them; `arguments` are the engine's own."""
    llm, seen = FakeLlm(), SimpleNamespace(arguments=None)

    def from_engine_args(arguments: Any) -> FakeLlm:
        seen.arguments = arguments
        return llm

    modules = {
        "vllm": {},
        "vllm.config": {"StructuredOutputsConfig": SimpleNamespace},
        "vllm.engine": {},
        "vllm.engine.arg_utils": {"AsyncEngineArgs": SimpleNamespace},
        "vllm.v1": {},
        "vllm.v1.engine": {},
        "vllm.v1.engine.async_llm": {
            "AsyncLLM": SimpleNamespace(from_engine_args=from_engine_args)
        },
        "vllm.sampling_params": {
            "RequestOutputKind": SimpleNamespace(DELTA="delta"),
            "SamplingParams": SimpleNamespace,
            "StructuredOutputsParams": SimpleNamespace,
        },
    }
    for name, members in modules.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(llm=llm, seen=seen)


async def test_vllm_gets_the_grammar_as_its_own_structured_output(
    vllm: SimpleNamespace, tmp_path: Path
) -> None:
    engine = VllmEngine("m", tmp_path, VllmSizing(100))
    assert "grammar" in engine.supports & ALL
    await engine.start()
    request = TokenRequest("r", (1,), 5, frozenset({2}))
    for grammar in ("", 'root ::= "a"'):
        async for _ in engine.generate(replace(request, grammar=grammar)):
            pass
    await engine.stop()

    _, free, held = vllm.llm.asked
    assert free.structured_outputs is None
    assert held.structured_outputs.grammar == 'root ::= "a"'
    assert vllm.seen.arguments.skip_tokenizer_init is False
    assert vllm.seen.arguments.structured_outputs_config.backend == "xgrammar"
