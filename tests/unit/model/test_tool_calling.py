"""TextModel with tools, over an engine that says what a test tells it: whole and streamed."""

import json
from dataclasses import replace

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, PromptTooLong, UnsupportedParameter
from cluster.tenants.caller import Caller
from deployments.cache.chunking import ChunkAggregator
from deployments.contracts.engine import Engine, Tokens
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    ModelCard,
    OutputFormat,
    Sampling,
    Tool,
    ToolCall,
    ToolSettings,
)
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from deployments.model.text.tools.formats import HERMES, JSON, LLAMA, MISTRAL, ToolFormat
from tests.unit.model.scripted_engine import ScriptedEngine, letters

CARD = ModelCard("m", "echo", "echo", "1", 8_192, 0)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("weather", "The weather now", json.dumps(SCHEMA))
CLOCK = Tool("clock")
CALL = '{"name":"weather","arguments":{"city":"Turin"}}'
AUTO = ToolSettings((WEATHER, CLOCK))
REQUIRED = replace(AUTO, mode="required")


def model(engine: Engine, format: ToolFormat | None = JSON) -> TextModel:
    tokenizer = ByteTokenizer()
    tokenizer.tool_format = format
    limits = Limits(context_length=8_192, stream_interval_s=0.0)
    return TextModel(engine, tokenizer, CARD, limits, ManualClock())


def request(settings: ToolSettings | None = AUTO, **changes: object) -> GenerateRequest:
    return replace(
        GenerateRequest(
            request_id="r",
            caller=Caller("acme", "k", frozenset()),
            model="m",
            sampling=Sampling(max_tokens=200),
            messages=(Message("user", "The weather in Turin?"),),
            timeout_s=5.0,
            tool_settings=settings,
        ),
        **changes,  # type: ignore[arg-type]
    )


def says(text: str, size: int = 3) -> ScriptedEngine:
    return ScriptedEngine(lambda _: letters(text, size))


async def streamed(model: TextModel, request: GenerateRequest) -> tuple[list[Chunk], Completion]:
    chunks = [chunk async for chunk in model.stream(request)]
    aggregator = ChunkAggregator("m")
    for chunk in chunks:
        aggregator.add(chunk)
    return chunks, aggregator.completion()


async def test_a_call_is_answered_apart_from_the_text() -> None:
    completion = await model(says(CALL)).generate(request())

    [choice] = completion.choices
    [call] = choice.tool_calls
    assert (choice.text, choice.finish_reason) == ("", "tool_calls")
    assert (call.name, call.arguments) == ("weather", '{"city":"Turin"}')
    assert call.id.startswith("call_")


async def test_a_streamed_call_is_the_same() -> None:
    whole = await model(says(CALL)).generate(request())

    chunks, completion = await streamed(model(says(CALL)), request())

    assert completion == whole
    begun = [chunk for chunk in chunks if chunk.tool_calls]
    assert begun[0].tool_calls[0].name == "weather"
    assert len(begun) > 3
    assert {delta.id for chunk in begun[1:] for delta in chunk.tool_calls} == {""}


async def test_text_without_a_call_ends_as_ever() -> None:
    [choice] = (await model(says("It is sunny.")).generate(request())).choices

    assert (choice.text, choice.finish_reason, choice.tool_calls) == ("It is sunny.", "stop", ())


async def test_without_tools_nothing_is_looked_for() -> None:
    [choice] = (await model(says(CALL)).generate(request(None))).choices

    assert (choice.text, choice.finish_reason) == (CALL, "stop")


async def test_a_call_that_is_cut_says_so() -> None:
    engine = ScriptedEngine(lambda _: letters(CALL[:-4], 5, "length"))

    [choice] = (await model(engine).generate(request())).choices

    assert choice.finish_reason == "length"
    assert choice.tool_calls[0].arguments == '{"city":"Turi'


async def test_log_probabilities_come_for_the_tokens_of_calls_too() -> None:
    ids = tuple(CALL.encode())
    engine = ScriptedEngine(lambda _: [Tokens(ids, "stop", (-0.5,) * len(ids))])
    sampling = Sampling(max_tokens=200, logprobs=0)

    [choice] = (await model(engine).generate(request(sampling=sampling))).choices

    assert choice.tool_calls
    assert choice.logprobs is not None
    assert len(choice.logprobs) == len(ids)


async def test_ids_of_calls_differ_by_choice_call_and_turn_but_not_by_attempt() -> None:
    two = JSON.written([("clock", "{}"), ("clock", "{}")])
    later = (*request().messages, Message("assistant", "Well."), Message("user", "And now?"))

    first = await model(says(two)).generate(request(n=2))
    again = await model(says(two)).generate(request(n=2))
    other = await model(says(two)).generate(request(messages=later))

    ids = [call.id for choice in first.choices for call in choice.tool_calls]
    assert len(set(ids)) == 4
    assert ids == [call.id for choice in again.choices for call in choice.tool_calls]
    assert not set(ids) & {call.id for call in other.choices[0].tool_calls}


async def test_one_call_where_they_are_not_parallel() -> None:
    two = JSON.written([("clock", "{}"), ("weather", '{"city":"Turin"}')])
    settings = replace(AUTO, parallel=False)

    [choice] = (await model(says(two)).generate(request(settings))).choices

    assert [call.name for call in choice.tool_calls] == ["clock"]


@pytest.mark.parametrize("format", [HERMES, LLAMA, MISTRAL, JSON], ids=lambda format: format.name)
async def test_a_forced_call_follows_a_grammar_after_the_mark(format: ToolFormat) -> None:
    written = format.written([("weather", '{"city":"Turin"}')]).removeprefix(format.mark)
    engine = says(written)

    [choice] = (await model(engine, format).generate(request(REQUIRED))).choices

    assert [call.name for call in choice.tool_calls] == ["weather"]
    assert (choice.text, choice.finish_reason) == ("", "tool_calls")
    [asked] = engine.asked
    assert asked.grammar.startswith("root ::= ")
    assert "clock" in asked.grammar
    assert bytes(token for token in asked.prompt_ids if token < 256).decode().endswith(format.mark)


async def test_a_named_call_is_the_only_one_that_the_grammar_has() -> None:
    engine = says(CALL)

    await model(engine).generate(request(replace(REQUIRED, name="weather")))

    assert "clock" not in engine.asked[0].grammar


async def test_neither_stop_strings_nor_ignore_eos_touch_a_forced_call() -> None:
    engine = says(CALL)
    sampling = Sampling(max_tokens=200, stop=("}",), ignore_eos=True)

    [choice] = (await model(engine).generate(request(REQUIRED, sampling=sampling))).choices

    assert choice.tool_calls[0].arguments == '{"city":"Turin"}'
    assert engine.asked[0].stop_ids == ByteTokenizer.eos_ids


async def test_a_forced_call_that_is_not_valid_after_all_was_cut() -> None:
    """Grammars leave out limits that are too large for engines."""
    schema = {"type": "object", "properties": {"text": {"type": "string", "maxLength": 200}}}
    tool = Tool("say", parameters=json.dumps(schema | {"required": ["text"]}))
    call = json.dumps({"name": "say", "arguments": {"text": "a" * 201}}, separators=(",", ":"))
    settings = ToolSettings((tool,), "required")

    [choice] = (await model(says(call)).generate(request(settings))).choices

    assert choice.finish_reason == "length"


async def test_engines_without_grammars_refuse_to_force_a_call() -> None:
    with pytest.raises(UnsupportedParameter) as raised:
        await model(EchoEngine()).generate(request(REQUIRED))

    assert raised.value.param == "tool_choice"


async def test_a_model_without_a_format_refuses_tools() -> None:
    with pytest.raises(UnsupportedParameter) as raised:
        await model(says(CALL), None).generate(request())

    assert raised.value.param == "tools"


UNSUPPORTED = Tool("odd", parameters='{"type":"object","not":{"required":["a"]}}')


async def test_schemas_that_nothing_is_held_to_are_only_shown() -> None:
    engine = says("Fine.")

    await model(engine).generate(request(ToolSettings((CLOCK, UNSUPPORTED))))

    assert engine.asked[0].grammar == ""


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(ToolSettings((CLOCK, UNSUPPORTED), "required"), id="forced"),
        pytest.param(ToolSettings((CLOCK, UNSUPPORTED), "required", "odd"), id="named"),
        pytest.param(ToolSettings((CLOCK, replace(UNSUPPORTED, strict=True))), id="strict"),
    ],
)
async def test_other_schemas_are_refused_by_name(settings: ToolSettings) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await model(says("Fine.")).generate(request(settings))

    assert raised.value.param == "tools.1.function.parameters/not"


async def test_a_schema_does_not_matter_where_another_tool_is_named() -> None:
    settings = ToolSettings((WEATHER, UNSUPPORTED), "required", "weather")

    assert (await model(says(CALL)).generate(request(settings))).choices[0].tool_calls


FORMAT = OutputFormat("json_schema", json.dumps(SCHEMA))


@pytest.mark.parametrize(
    ("said", "text", "calls"),
    [
        pytest.param('{"city":"Turin"}', '{"city":"Turin"}', 0, id="a text of the format"),
        pytest.param(CALL, "", 1, id="a call"),
    ],
)
async def test_tools_go_with_a_format_of_the_text(said: str, text: str, calls: int) -> None:
    engine = says(said)

    [choice] = (await model(engine).generate(request(output_format=FORMAT))).choices

    assert (choice.text, len(choice.tool_calls)) == (text, calls)
    assert "weather" in engine.asked[0].grammar


@pytest.mark.parametrize(
    ("format", "output_format"),
    [(MISTRAL, FORMAT), (JSON, OutputFormat("regex", "a+", "guided_regex"))],
)
async def test_formats_that_do_not_go_with_tools_are_refused(
    format: ToolFormat, output_format: OutputFormat
) -> None:
    with pytest.raises(UnsupportedParameter) as raised:
        await model(says("a"), format).generate(request(output_format=output_format))

    assert raised.value.param == output_format.param


async def test_the_loop_ends_with_the_tools_answer() -> None:
    echo = model(EchoEngine())
    asking = Message("user", CALL)
    [choice] = (await echo.generate(request(messages=(asking,)))).choices
    [call] = choice.tool_calls

    turns = (
        asking,
        Message("assistant", choice.text, choice.tool_calls),
        Message("tool", "22 degrees", tool_call_id=call.id),
    )
    [answer] = (await echo.generate(request(messages=turns))).choices

    assert answer.text == "Result of weather: 22 degrees"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"tool_settings": ToolSettings((replace(CLOCK, description="a" * 9_000),))}, id="tools"
        ),
        pytest.param(
            {"messages": (Message("assistant", "", (ToolCall("1", "clock", "a" * 9_000),)),)},
            id="calls",
        ),
    ],
)
async def test_tools_and_calls_count_for_the_size_of_a_prompt(changes: dict[str, object]) -> None:
    with pytest.raises(PromptTooLong) as raised:
        await model(says("a")).generate(request(**changes))

    assert "bytes" in raised.value.detail
