"""What tools, calls and results may take in a prompt: hard plans reserve all of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from deployments.contracts.generation import (
    GenerateRequest,
    Message,
    Sampling,
    Tool,
    ToolCall,
    ToolSettings,
)
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.model.text.chat import ChatTemplate, SpecialTokenFilter
from deployments.model.text.tools.chat_rendering import ToolChat
from deployments.model.text.tools.formats import FORMATS, ToolFormat

HARD, SOFT = Plan(id="p", reserve="hard"), Plan(id="p")
# As verbose as the templates of Llama 3: indented tools, quoted results, a turn's own words.
TEMPLATE = (
    "{% if tools %}{{ 'You may call tools. ' * 30 }}{{ tools | tojson(indent=4) }}{% endif %}"
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.id }} {{ call.function.name }} "
    "{{ call.function.arguments | tojson }}</tool_call>{% endfor %}"
    "{% if m.role == 'tool' %}{{ m.name }} {{ m.tool_call_id }} {{ m.content | tojson }}"
    "{% else %}{{ m.content }}{% endif %}<|eot_id|>{% endfor %}"
)
PLAIN = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.text("abc_", min_size=1, max_size=64)
ARGUMENTS = st.dictionaries(st.text(), VALUES).map(json.dumps) | st.text() | st.just('{"a":1e15}')
REQUESTS = st.builds(
    lambda tools, calls, result, mode: GenerateRequest(
        request_id="r",
        caller=Caller("acme", "k", frozenset({Scope.GENERATE})),
        model="m",
        sampling=Sampling(max_tokens=1),
        messages=(
            Message("user", "Hi"),
            Message("assistant", "", tuple(calls)),
            *(Message("tool", result, tool_call_id=call.id) for call in calls),
        ),
        tool_settings=ToolSettings(tuple(tools), mode),
    ),
    st.lists(
        st.builds(Tool, NAMES, st.text(), st.dictionaries(st.text(), VALUES).map(json.dumps)),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.builds(ToolCall, NAMES, NAMES, ARGUMENTS), max_size=3),
    st.text(),
    st.sampled_from(["auto", "required"]),
)


def rendered(request: GenerateRequest, format: ToolFormat, template: str) -> int:
    chat = ToolChat(ChatTemplate(template, {}), format, SpecialTokenFilter(format.marks))
    return len(chat.render(request.messages, request.tool_settings).encode())


def rendered_cases() -> Iterator[Any]:
    """Each format where the template knows tools; where it knows none, the first, or with `--all`
    each: the text is the same but for its marks."""
    for number, format in enumerate(FORMATS.values()):
        yield pytest.param(format, TEMPLATE, id=f"knows tools-{format.name}")
        marks = pytest.mark.exhaustive if number else ()
        yield pytest.param(format, PLAIN, id=f"knows none-{format.name}", marks=marks)


@pytest.mark.parametrize(("format", "template"), list(rendered_cases()))
@given(request_=REQUESTS)
def test_a_hard_plan_reserves_a_token_for_each_byte_of_tools(
    format: ToolFormat, template: str, request_: GenerateRequest
) -> None:
    reserved = TokenEstimator({}).estimate(request_, HARD).input_tokens

    assert reserved >= rendered(request_, format, template)


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_many_tools_without_arguments_are_reserved_for(format: ToolFormat) -> None:
    request = GenerateRequest(
        "r",
        Caller("acme", "k", frozenset()),
        "m",
        Sampling(max_tokens=1),
        (Message("user", "Hi"),),
        tool_settings=ToolSettings(tuple([Tool(f"f{number}") for number in range(128)])),
    )

    reserved = TokenEstimator({}).estimate(request, HARD).input_tokens

    assert reserved >= rendered(request, format, TEMPLATE)


def test_a_soft_plan_counts_the_text_of_tools() -> None:
    def estimate(**fields: Any) -> int:
        request = GenerateRequest(
            "r", Caller("acme", "k", frozenset()), "m", Sampling(), (Message("user", "Hi"),)
        )
        for name, value in fields.items():
            object.__setattr__(request, name, value)
        return TokenEstimator({}).estimate(request, SOFT).input_tokens

    described = ToolSettings((Tool("clock", "a" * 300),))
    assert estimate(tool_settings=described) >= estimate() + 100
