"""Calls of tools in the text of models: every family's form, cut anywhere, hostile or broken."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.generation import ToolCall, ToolCallDelta
from deployments.contracts.tool_calls import joined_calls
from deployments.model.text.tools.call_parser import ToolCallParser
from deployments.model.text.tools.formats import (
    FORMATS,
    HERMES,
    JSON,
    LLAMA,
    MISTRAL,
    ToolFormat,
)

NAMES = ("weather", "clock")
TURIN = '{"city": "Turin"}'


@dataclass
class Parsed:
    text: str = ""
    deltas: list[ToolCallDelta] = field(default_factory=list)
    calls: tuple[ToolCall, ...] = ()


def parse(format: ToolFormat, pieces: Sequence[str], *, parallel: bool = True) -> Parsed:
    parser = ToolCallParser(format.syntax, NAMES, lambda index: f"call_{index}", parallel=parallel)
    parsed = Parsed()
    for text, deltas in [*map(parser.push, pieces), parser.flush()]:
        parsed.text += text
        parsed.deltas += deltas
    parsed.calls = joined_calls([parsed.deltas])
    return parsed


def calls(parsed: Parsed) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in parsed.calls]


@pytest.mark.parametrize(
    ("format", "text", "content", "expected"),
    [
        pytest.param(
            HERMES,
            'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Turin"}}\n'
            '</tool_call>\n<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>',
            "Let me see.",
            [("weather", TURIN), ("clock", "{}")],
            id="hermes: text, then two calls",
        ),
        pytest.param(
            HERMES,
            '<tool_call>{"arguments": {"city": "Turin"}, "name": "weather"}</tool_call>\n',
            "",
            [("weather", TURIN)],
            id="hermes: the name last",
        ),
        pytest.param(
            HERMES,
            '<tool_call>{"name": "clock"}</tool_call>',
            "",
            [("clock", "{}")],
            id="hermes: no arguments",
        ),
        pytest.param(
            HERMES,
            '<tool_call>{"name": "clock", "arguments": {}}{"name": "clock", "arguments": {}}'
            "</tool_call>",
            "",
            [("clock", "{}"), ("clock", "{}")],
            id="hermes: two calls between the marks",
        ),
        pytest.param(
            LLAMA,
            '{"name": "weather", "parameters": {"city": "Turin"}}',
            "",
            [("weather", TURIN)],
            id="llama: bare",
        ),
        pytest.param(
            LLAMA,
            '<|python_tag|>{"type": "function", "name": "weather", "parameters": {"city": "Turin"}}'
            '; {"name": "clock", "parameters": {}}',
            "",
            [("weather", TURIN), ("clock", "{}")],
            id="llama: after its mark, two",
        ),
        pytest.param(
            MISTRAL,
            '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Turin"}, "id": "abcdefghi"}, '
            '{"name": "clock", "arguments": {}}]',
            "",
            [("weather", TURIN), ("clock", "{}")],
            id="mistral: an array",
        ),
        pytest.param(
            MISTRAL,
            'One moment. [TOOL_CALLS]weather[CALL_ID]abcdefghi[ARGS]{"city": "Turin"}'
            "[TOOL_CALLS]clock{}",
            "One moment.",
            [("weather", TURIN), ("clock", "{}")],
            id="mistral: names after the marks",
        ),
        pytest.param(
            JSON,
            '{"name":"weather","arguments":{"city": "Turin"}}\n{"name":"clock","arguments":{}}',
            "",
            [("weather", TURIN), ("clock", "{}")],
            id="json: one a line",
        ),
        pytest.param(
            JSON,
            ' [{"name":"weather","arguments":{"city": "Turin"}}] And now?',
            " And now?",
            [("weather", TURIN)],
            id="json: an array, then text",
        ),
    ],
)
def test_calls_are_read(
    format: ToolFormat, text: str, content: str, expected: list[tuple[str, str]]
) -> None:
    parsed = parse(format, [text])

    assert (parsed.text, calls(parsed)) == (content, expected)
    assert [call.id for call in parsed.calls] == [f"call_{i}" for i in range(len(expected))]


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_what_a_format_writes_it_reads(format: ToolFormat) -> None:
    written = [("weather", TURIN), ("clock", "{}")]

    assert calls(parse(format, [format.written(written)])) == written


@pytest.mark.parametrize(
    ("format", "text"),
    [
        pytest.param(HERMES, "a < b, <tool, <tool_call", id="a mark that is not complete"),
        pytest.param(HERMES, "<tool_call> of the wild </tool_call>", id="no JSON"),
        pytest.param(
            HERMES,
            '<tool_call>{"name": "bomb", "arguments": {}}</tool_call>',
            id="an unknown name",
        ),
        pytest.param(HERMES, '<tool_call>{"name": "clock" "arguments"', id="broken at once"),
        pytest.param(HERMES, '<tool_call>{"name": "clock", "arguments": "x"}', id="no object"),
        pytest.param(HERMES, '<tool_call>{"arguments": {}}</tool_call>', id="no name"),
        pytest.param(LLAMA, '{"name": "Ada", "born": 1815}', id="JSON that is no call"),
        pytest.param(LLAMA, 'Here: {"name": "clock", "parameters": {}}', id="not at the beginning"),
        pytest.param(MISTRAL, "[TOOL_CALLS] are calls. {}", id="words after a mark"),
        pytest.param(MISTRAL, "[TOOL_CALLS]" + "weather" * 99 + "{}", id="a long name"),
        pytest.param(JSON, "[1] The first note", id="an array of something else"),
        pytest.param(JSON, '[{"a": 1}, {"name": "clock"}]', id="an array of other objects"),
        pytest.param(JSON, " \n {", id="cut at once"),
    ],
)
def test_what_is_no_call_stays_text(format: ToolFormat, text: str) -> None:
    parsed = parse(format, [text])

    assert (parsed.text, parsed.calls) == (text, ())


def test_arguments_come_as_they_grow() -> None:
    text = '<tool_call>{"name": "weather", "arguments": {"city": "Turin"}}</tool_call>'
    parsed = parse(HERMES, list(text))

    assert parsed.deltas[0] == ToolCallDelta(0, "call_0", "weather", "{")
    assert [delta.arguments for delta in parsed.deltas[1:]] == list(TURIN[1:])
    assert {(delta.id, delta.name) for delta in parsed.deltas[1:]} == {("", "")}


def test_text_is_held_back_only_while_it_may_begin_a_mark() -> None:
    parser = ToolCallParser(HERMES.syntax, NAMES, str)

    shown = [parser.push(piece)[0] for piece in ("a <t", "ool_c", "ab ", "<b>")]

    assert shown == ["a", "", " <tool_cab", " <b>"]


def test_json_that_is_an_answer_is_streamed() -> None:
    parser = ToolCallParser(JSON.syntax, NAMES, str)

    assert [parser.push(piece)[0] for piece in ('{"ci', 'ty"', ': "Tu', 'rin"}')] == [
        "",
        '{"city"',
        ': "Tu',
        'rin"}',
    ]


def test_arguments_that_turn_out_broken_stay_with_their_call() -> None:
    parsed = parse(
        HERMES, ['<tool_call>{"name": "clock", "arguments": {"zone": CET}}</tool_call> Done.']
    )

    assert calls(parsed) == [("clock", '{"zone": CET}}')]
    assert parsed.text == " Done."


def test_a_call_that_is_cut_keeps_what_came() -> None:
    parsed = parse(JSON, ['{"name":"weather","arguments":{"city":"Tu'])

    assert (parsed.text, calls(parsed)) == ("", [("weather", '{"city":"Tu')])


def test_one_call_at_most_where_they_are_not_parallel() -> None:
    text = HERMES.written([("weather", TURIN), ("clock", '{"a": 1}')])

    parsed = parse(HERMES, [text, " Done."], parallel=False)

    assert (parsed.text, calls(parsed)) == (" Done.", [("weather", TURIN)])


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *("<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]"),
            *("[CALL_ID]", "<tool", "_call>", "[TOOL", '{"name": "weather", "arguments": ', "{}"),
            *('{"name":"clock","parameters":', TURIN, "}", "{", "[", "]", '"', '"name"', ":"),
            *('"weather"', '"arguments"', '"id"', ",", ";", " ", "\n", "weather", "\\", "\\u00e9"),
            *("1", "-1.5e3", "true", "tru", "é", "\x00", "]}"),
        ]
    ),
    max_size=14,
)
JSON_OBJECTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=6,
    ),
    max_size=3,
)


@given(FRAGMENTS, st.sampled_from(list(FORMATS.values())), st.booleans(), st.data())
def test_how_the_text_is_cut_does_not_matter(
    fragments: list[str], format: ToolFormat, parallel: bool, data: st.DataObject
) -> None:
    text = "".join(fragments)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    whole, cut = (parse(format, each, parallel=parallel) for each in ([text], pieces))

    assert (cut.text, cut.calls) == (whole.text, whole.calls)
    assert parse(format, list(text), parallel=parallel).calls == whole.calls


@given(FRAGMENTS, st.sampled_from(list(FORMATS.values())))
def test_text_without_calls_is_kept_as_it_is(fragments: list[str], format: ToolFormat) -> None:
    text = "".join(fragments)
    parsed = parse(format, [text])

    if not parsed.calls:
        assert parsed.text == text


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), JSON_OBJECTS), min_size=1, max_size=3),
    st.sampled_from(list(FORMATS.values())),
    st.booleans(),
    st.integers(1, 40),
)
def test_calls_with_any_arguments_are_read(
    made: list[tuple[str, dict[str, object]]], format: ToolFormat, ascii: bool, size: int
) -> None:
    expected = [(name, json.dumps(value, ensure_ascii=ascii)) for name, value in made]
    text = format.written(expected)

    parsed = parse(format, [text[at : at + size] for at in range(0, len(text), size)])

    assert (parsed.text, calls(parsed)) == ("", expected)


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("<tool_call>", id="marks"),
        pytest.param("<tool_call", id="half marks"),
        pytest.param("[TOOL_CALLS]", id="other marks"),
        pytest.param("[TOOL_CALLS]{", id="marks and braces"),
        pytest.param('{"name":', id="names without end"),
        pytest.param('<tool_call>{"name": "clock", "arguments": {"a": [', id="calls in calls"),
        pytest.param("[", id="brackets"),
        pytest.param("\n", id="blanks"),
        pytest.param('{"name": "clock", "arguments": {}}', id="calls"),
    ],
)
def test_hostile_text_costs_as_much_as_its_length(format: ToolFormat, unit: str) -> None:
    def steps(count: int) -> int:
        pieces = [unit] * count
        made = 0

        def trace(*_: object) -> None:
            nonlocal made
            made += 1

        sys.setprofile(trace)
        try:
            parse(format, pieces)
        finally:
            sys.setprofile(None)
        return made

    assert steps(400) < 2.5 * steps(200)
