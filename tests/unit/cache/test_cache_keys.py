"""Which requests share an answer's name, and which never do."""

import time
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Caller, Priority, Scope
from deployments.cache.keys import answer_key, request_bytes_key, semantic_context_key
from deployments.contracts.generation import (
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
    Tool,
    ToolCall,
    ToolSettings,
)
from deployments.contracts.images import DecodedImage, ImageSource

SECRET = bytes(range(32))
STATE = "echo:r1"

TEXT = st.text(st.sampled_from("ab\x00\x91\xc0é\u0301"), max_size=4)
SAMPLING = st.builds(
    Sampling,
    max_tokens=st.none() | st.integers(1, 3),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    top_p=st.sampled_from([0.5, 1.0]),
    top_k=st.integers(0, 2),
    stop=st.lists(TEXT, max_size=3).map(tuple),
    seed=st.none() | st.integers(0, 2),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    frequency_penalty=st.sampled_from([0.0, 0.5]),
    logprobs=st.none() | st.integers(0, 1),
    ignore_eos=st.booleans(),
)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4
).map(tuple)
REQUESTS = st.builds(
    GenerateRequest,
    request_id=TEXT,
    caller=st.builds(Caller, TEXT, TEXT, st.just(frozenset())),
    model=TEXT,
    sampling=SAMPLING,
    messages=MESSAGES,
    prompt=st.none() | TEXT,
    n=st.integers(1, 3),
    timeout_s=st.floats(1, 60),
    priority=st.sampled_from(Priority),
)

CHAT = GenerateRequest(
    request_id="r",
    caller=Caller("t", "k", frozenset()),
    model="m",
    sampling=Sampling(seed=1),
    messages=(Message("system", "be kind"), Message("user", "hello"), Message("user", "again")),
)


def relevant(request: GenerateRequest, state: str) -> Any:
    """All that an answer depends on, as Python compares it."""
    return (
        request.caller.tenant,
        request.model,
        state,
        request.sampling,
        request.messages,
        request.prompt,
        request.n,
    )


@given(REQUESTS, TEXT, REQUESTS, TEXT)
def test_two_requests_share_a_name_only_if_all_that_matters_is_equal(
    one: GenerateRequest, state: str, other: GenerateRequest, other_state: str
) -> None:
    same = relevant(one, state) == relevant(other, other_state)

    assert (answer_key(SECRET, one, state) == answer_key(SECRET, other, other_state)) == same


CHANGES: dict[str, list[Any]] = {
    "max_tokens": [None, 1, 2],
    "temperature": [0.0, 0.3, 0.30000000000000004],
    "top_p": [0.5, 1.0],
    "top_k": [0, 1],
    "stop": [(), ("",), ("ab",), ("a", "b"), ("b", "a")],
    "seed": [None, 0, 1, 2**31 - 1],
    "presence_penalty": [0.0, 0.5, -0.5],
    "frequency_penalty": [0.0, 0.5],
    "logprobs": [None, 0, 1],
    "ignore_eos": [False, True],
    "min_p": [0.0, 0.1],
    "repetition_penalty": [1.0, 1.1],
    "stop_token_ids": [(), (5,), (5, 6)],
    "logit_bias": [(), ((1, 5.0),), ((1, -5.0),), ((2, 5.0),), ((1, 5.0), (2, 5.0))],
}


def test_every_way_to_sample_is_covered_here() -> None:
    assert {field.name for field in fields(Sampling)} == CHANGES.keys()


@pytest.mark.parametrize("field", CHANGES)
def test_another_way_to_sample_has_another_name(field: str) -> None:
    requests = [
        replace(CHAT, sampling=replace(CHAT.sampling, **{field: value})) for value in CHANGES[field]
    ]

    assert len({answer_key(SECRET, request, STATE) for request in requests}) == len(requests)
    assert len({semantic_context_key(SECRET, request, STATE) for request in requests}) == len(
        requests
    )


RELEVANT: dict[str, Any] = {
    "caller": replace(CHAT.caller, tenant="u"),
    "model": "m2",
    "sampling": Sampling(seed=2),
    "messages": CHAT.messages[1:],
    "prompt": "",
    "n": 2,
    "tool_settings": ToolSettings((Tool("f"),)),
    "output_format": OutputFormat("json_object"),
    "prompt_ids": (1, 2),
    "echo": True,
    "images": (DecodedImage(1, 1, b"red", b"pixels"),),
}
IRRELEVANT: dict[str, Any] = {
    "request_id": "r2",
    "image_sources": (ImageSource("url", url="https://x.test/a.png"),),  # decoded before
    "timeout_s": 1.0,
    "start_within_s": 0.5,
    "call": "attempt",
    "priority": Priority.BATCH,
    "trace": f"00-{'a' * 32}-{'b' * 16}-01",
    "trace_state": "vendor=1",
    "caller": Caller("t", "k2", frozenset(Scope), "gold", "user", 9.0),
}


MESSAGES_OF_ONE_TURN: dict[str, list[Any]] = {
    "role": ["user", "assistant", "tool"],
    "content": ["", "a"],
    "tool_calls": [(), (ToolCall("1", "f", "{}"),), (ToolCall("1", "g", "{}"),)],
    "tool_call_id": ["", "1"],
    "name": ["", "f"],
}


@pytest.mark.parametrize("field", MESSAGES_OF_ONE_TURN)
def test_another_turn_has_another_name(field: str) -> None:
    turns = [replace(Message("user", "x"), **{field: v}) for v in MESSAGES_OF_ONE_TURN[field]]

    assert len({answer_key(SECRET, replace(CHAT, messages=(t,)), STATE) for t in turns}) == len(
        turns
    )


FORMATS = [
    None,
    OutputFormat("json_object"),
    OutputFormat("json_schema", "{}"),
    OutputFormat("json_schema", '{"type":"object"}'),
    OutputFormat("regex", "{}"),
]
TOOLS = [
    None,
    ToolSettings((Tool("f"),)),
    ToolSettings((Tool("g"),)),
    ToolSettings((Tool("f", "what it does"),)),
    ToolSettings((Tool("f", parameters='{"type":"object"}'),)),
    ToolSettings((Tool("f", strict=True),)),
    ToolSettings((Tool("f"), Tool("g"))),
    ToolSettings((Tool("f"),), "required"),
    ToolSettings((Tool("f"),), "required", "f"),
    ToolSettings((Tool("f"),), parallel=False),
]


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param([replace(CHAT, output_format=each) for each in FORMATS], id="formats"),
        pytest.param([replace(CHAT, tool_settings=each) for each in TOOLS], id="tools"),
    ],
)
def test_another_format_and_other_tools_have_another_name(requests: list[GenerateRequest]) -> None:
    for key in (answer_key, semantic_context_key):
        assert len({key(SECRET, request, STATE) for request in requests}) == len(requests)


def test_a_new_field_of_a_request_must_be_judged_here() -> None:
    assert {field.name for field in fields(GenerateRequest)} == RELEVANT.keys() | IRRELEVANT.keys()
    judged = MESSAGES_OF_ONE_TURN.keys() | {"images"}  # below, with the pictures themselves
    assert {field.name for field in fields(Message)} == judged


@pytest.mark.parametrize("field", RELEVANT)
def test_what_the_answer_depends_on_changes_its_name(field: str) -> None:
    other = replace(CHAT, **{field: RELEVANT[field]})

    assert answer_key(SECRET, other, STATE) != answer_key(SECRET, CHAT, STATE)
    assert semantic_context_key(SECRET, other, STATE) != semantic_context_key(SECRET, CHAT, STATE)


@pytest.mark.parametrize("field", IRRELEVANT)
def test_who_asked_and_how_urgently_does_not(field: str) -> None:
    other = replace(CHAT, **{field: IRRELEVANT[field]})

    assert answer_key(SECRET, other, STATE) == answer_key(SECRET, CHAT, STATE)
    assert semantic_context_key(SECRET, other, STATE) == semantic_context_key(SECRET, CHAT, STATE)


def test_another_state_of_the_model_and_another_secret_change_the_name() -> None:
    names = {
        answer_key(SECRET, CHAT, STATE),
        answer_key(SECRET, CHAT, "echo:r2"),
        answer_key(b"x" * 32, CHAT, STATE),
        semantic_context_key(SECRET, CHAT, STATE),
        semantic_context_key(SECRET, CHAT, "echo:r2"),
        semantic_context_key(b"x" * 32, CHAT, STATE),
    }

    assert len(names) == 6
    assert all(len(name) == 32 for name in names)


def chat(*messages: tuple[str, str], **fields: Any) -> GenerateRequest:
    turns = tuple(Message(role, text) for role, text in messages)  # type: ignore[arg-type]
    return replace(CHAT, messages=turns, **fields)


def test_text_cannot_be_shifted_from_one_place_to_another() -> None:
    requests = [
        chat(("user", "ab"), ("user", "")),
        chat(("user", "a"), ("user", "b")),
        chat(("user", ""), ("user", "ab")),
        chat(("user", "ab")),
        chat(("user", "a"), ("assistant", "b")),
        chat(("assistant", "a"), ("user", "b")),
        chat(("user", 'a"},{"role":"user","content":"b')),
        chat(("user", "a\x92\xa4user\xa1b")),
        chat(prompt="ab"),
        chat(prompt=""),
        chat(),
        chat(model="ma", prompt="b"),
    ]

    assert len({answer_key(SECRET, request, STATE) for request in requests}) == len(requests)
    assert answer_key(SECRET, chat(model="m1"), "2") != answer_key(SECRET, chat(model="m"), "12")


@given(st.sampled_from(["temperature", "top_p", "presence_penalty"]), st.sampled_from([0, 1]))
def test_a_number_is_the_same_however_it_is_written(field: str, number: int) -> None:
    def name(value: float) -> bytes:
        sampling = replace(CHAT.sampling, **{field: value})  # type: ignore[arg-type]
        return answer_key(SECRET, replace(CHAT, sampling=sampling), STATE)

    assert name(number) == name(float(number))
    assert name(-0.0) == name(0.0) == name(0)


def test_unicode_is_taken_as_it_is() -> None:
    composed, decomposed = chat(("user", "é")), chat(("user", "e\u0301"))

    assert answer_key(SECRET, composed, STATE) != answer_key(SECRET, decomposed, STATE)


@given(REQUESTS, TEXT, REQUESTS, TEXT)
def test_a_frame_is_shared_by_requests_that_differ_in_the_last_question_only(
    one: GenerateRequest, text: str, other: GenerateRequest, other_text: str
) -> None:
    asked, differently = asking(one, text), asking(one, other_text)
    assume(relevant(asking(other, text), STATE) != relevant(asked, STATE))

    frame = semantic_context_key(SECRET, asked, STATE)

    assert frame == semantic_context_key(SECRET, differently, STATE)
    assert frame != semantic_context_key(SECRET, asking(other, text), STATE)
    assert frame != answer_key(SECRET, asked, STATE)


def asking(request: GenerateRequest, text: str) -> GenerateRequest:
    """The request with its last user message, or else its prompt, replaced."""
    messages = list(request.messages)
    for place in reversed(range(len(messages))):
        if messages[place].role == "user":
            messages[place] = Message("user", text)
            break
    prompt = None if request.prompt is None else text
    return replace(request, messages=tuple(messages), prompt=prompt)


def test_an_alias_is_of_one_operation_and_of_exact_bytes() -> None:
    aliases = {
        request_bytes_key(SECRET, "chat", b'{"a": 1}'),
        request_bytes_key(SECRET, "chat", b'{"a":1}'),
        request_bytes_key(SECRET, "chat{", b'"a":1}'),
        request_bytes_key(SECRET, "complete", b'{"a":1}'),
        request_bytes_key(b"x" * 32, "chat", b'{"a":1}'),
    }

    assert len(aliases) == 5
    assert request_bytes_key(SECRET, "chat", b"{}") == request_bytes_key(SECRET, "chat", b"{}")


@pytest.mark.parametrize("name", [answer_key, semantic_context_key])
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(chat(("assistant", "\ud800")), id="half a surrogate pair"),
        pytest.param(replace(CHAT, sampling=Sampling(seed=2**64)), id="a number beyond 64 bits"),
    ],
)
def test_what_cannot_be_written_down_is_refused(name: Any, request_: GenerateRequest) -> None:
    with pytest.raises(InvalidRequest):
        name(SECRET, request_, STATE)


def test_a_short_secret_is_an_error() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        answer_key(b"", CHAT, STATE)


def test_a_name_costs_microseconds(capsys: pytest.CaptureFixture[str]) -> None:
    usual = chat(("system", "You write captions. " * 10), ("user", "word " * 100))
    rounds = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(100):
            answer_key(SECRET, usual, STATE)
        rounds.append((time.perf_counter() - began) * 10_000)

    with capsys.disabled():
        print(f"\nanswer_key of a usual chat: {min(rounds):.1f} us")  # noqa: T201
    assert min(rounds) < 50  # about 5 on an idle machine


def test_a_picture_is_its_digest_and_its_place() -> None:
    def key(images: tuple[DecodedImage, ...], *places: int) -> bytes:
        messages = (Message("user", "hello", images=places),)
        return answer_key(SECRET, replace(CHAT, messages=messages, images=images), STATE)

    red, blue = DecodedImage(1, 1, b"red", b"pixels"), DecodedImage(1, 1, b"blue", b"pixels")

    assert key((red,), 0) == key((replace(red, pixels=b"", jpeg=b"other form"),), 0)
    keys = {key((red,), 0), key((red,), 5), key((blue,), 0), key((red, blue), 0, 0)}
    assert len(keys | {key((blue, red), 0, 0), key((red, blue), 0, 5)}) == 6
