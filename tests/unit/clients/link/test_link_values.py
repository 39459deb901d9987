"""Values of contracts as plain ones and back, also between versions."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.pickle_compat import version_tolerant
from cluster.runtime.problems import (
    DeadlineExceeded,
    Malformed,
    Overloaded,
    Problem,
    PromptTooLong,
    RateLimited,
)
from cluster.tenants.caller import Caller, Priority, Scope
from deployments.clients.link.frames import encode_body
from deployments.clients.link.methods import (
    CLASSIFY,
    DETOKENIZE,
    EMBED,
    GENERATE,
    METHODS,
    SETTLE,
    STREAM,
    TOKENIZE,
)
from deployments.clients.link.values import (
    ValueCodec,
    ValueFault,
    decode_problem,
    encode_problem,
)
from deployments.contracts.classification import ClassifyRequest
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
    SettleRequest,
    TokenLogprob,
    TokenUsage,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolSettings,
)
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)

CALL = ToolCall("call_1", "f", '{"a":1}')
CALLER = Caller("acme", "key", frozenset({Scope.GENERATE, Scope.MODELS_READ}), weight=2.0)
LOGPROB = TokenLogprob("é", "é".encode(), -0.5, (("e", b"e", -1.0), ("x", b"\xff", -2.0)))
VALUES = [
    (
        GENERATE.request,
        GenerateRequest(
            "id",
            CALLER,
            "m",
            Sampling(max_tokens=3, stop=("a", "b"), seed=1, logprobs=2),
            messages=(Message("user", "hello"),),
            n=2,
            priority=Priority.BATCH,
            call="call",
        ),
    ),
    (STREAM.request, GenerateRequest("id", CALLER, "m", Sampling(), prompt="x")),
    (
        GENERATE.request,
        GenerateRequest(
            "id",
            CALLER,
            "m",
            Sampling(min_p=0.5, logit_bias=((7, -1.5),)),
            messages=(Message("assistant", "", (CALL,)), Message("tool", "9", (), "call_1", "f")),
            tool_settings=ToolSettings((Tool("f", "d", "{}", True),), "required", "f", False),
            output_format=OutputFormat("regex", "a+", "guided_regex"),
        ),
    ),
    (
        GENERATE.answer,
        Completion((Choice(0, "", "tool_calls", None, (CALL,)),), TokenUsage(1, 2, 1)),
    ),
    (STREAM.answer, Chunk(0, "", tool_calls=(ToolCallDelta(0, "call_1", "f", "{"),))),
    (
        GENERATE.answer,
        Completion((Choice(0, "x", "stop", (LOGPROB,)), Choice(1, "", "length")), TokenUsage(1, 2)),
    ),
    (STREAM.answer, Chunk(0, "x", "stop", (LOGPROB,), TokenUsage(1, 2), 3, 4, "other")),
    (STREAM.answer, Chunk(1, "é")),
    (SETTLE.request, SettleRequest("replica", "call")),
    (SETTLE.answer, TokenUsage(5, 6)),
    (EMBED.request, EmbedRequest("id", CALLER, "m", ("a", "b"), dimensions=3)),
    (EMBED.request, EmbedRequest("id", CALLER, "m", (), token_ids=((1, 2), (3,)))),
    (EMBED.request, EmbedRequest("id", CALLER, "m", ("a",), input_types=("query",), truncate=True)),
    (CLASSIFY.request, ClassifyRequest("id", CALLER, "m", ("a", "b"), "c")),
    (TOKENIZE.request, TokenizeRequest("id", CALLER, "m", messages=(Message("user", "a"),))),
    (TOKENIZE.answer, Tokenization((1, 2), 16, "m", ("a", "b"))),
    (DETOKENIZE.request, DetokenizeRequest("id", CALLER, "m", (1, 2))),
    (DETOKENIZE.answer, Detokenization("a", "m")),
]


def carried(body: Any) -> Any:
    return msgpack.decode(msgpack.encode(body))


@pytest.mark.parametrize(("codec", "value"), VALUES)
def test_a_value_comes_as_it_was_sent(codec: ValueCodec[Any], value: Any) -> None:
    found = codec.decode(carried(codec.encode(value)))
    assert found == value
    assert type(found) is type(value)
    for field in fields(value):
        assert type(getattr(found, field.name)) is type(getattr(value, field.name))


def test_enumerations_come_as_their_members() -> None:
    request = VALUES[0][1]
    assert isinstance(request, GenerateRequest)
    found = GENERATE.request.decode(carried(GENERATE.request.encode(request)))
    assert found.priority is Priority.BATCH
    assert all(isinstance(scope, Scope) for scope in found.caller.scopes)


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 5)])
def test_vectors_come_exactly(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    sent = EMBED.answer.encode(Embeddings(vectors, 7, "m"))
    found = EMBED.answer.decode(carried(sent))
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors, vectors)
    assert (found.tokens, found.model) == (7, "m")


def test_numbers_of_a_library_come_as_python_s() -> None:
    """Engines take log probabilities from arrays."""
    logprob = TokenLogprob("a", b"a", np.float32(-0.5), ((np.str_("b"), b"b", np.float64(-1)),))  # type: ignore[arg-type]
    body = STREAM.answer.encode(Chunk(np.int64(0), "x", logprobs=(logprob,)))  # type: ignore[arg-type]
    found = STREAM.answer.decode(msgpack.decode(encode_body(body)))
    assert found == Chunk(0, "x", logprobs=(TokenLogprob("a", b"a", -0.5, (("b", b"b", -1.0),)),))
    assert type(found.index) is int
    with pytest.raises(TypeError):
        encode_body(object())


@version_tolerant
@dataclass(frozen=True, slots=True)
class Described:
    schema: Mapping[str, Any]
    anything: Any = None


def test_values_of_json_come_as_they_are() -> None:
    value = Described({"a": [1, {"b": None}]}, ["x", 1.5])
    codec = ValueCodec(Described)
    assert codec.decode(carried(codec.encode(value))) == value


def test_transposed_vectors_come_in_their_order() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3).T
    found = EMBED.answer.decode(carried(EMBED.answer.encode(Embeddings(vectors, 1, "m"))))
    assert np.array_equal(found.vectors, vectors)


@version_tolerant
@dataclass(frozen=True, slots=True)
class Earlier:
    name: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class Later:
    name: str
    more: tuple[str, ...] = ("default",)


def test_fields_of_a_later_version_are_dropped_and_missing_ones_get_their_defaults() -> None:
    earlier, later = ValueCodec(Earlier), ValueCodec(Later)
    assert earlier.decode(carried(later.encode(Later("x", ("y",))))) == Earlier("x")
    assert later.decode(carried(earlier.encode(Earlier("x")))) == Later("x")


def test_a_scope_of_a_later_version_is_text_and_grants_nothing() -> None:
    body = carried(ValueCodec(Caller).encode(CALLER))
    body[2].append("of:tomorrow")
    found = ValueCodec(Caller).decode(body)
    assert "of:tomorrow" in found.scopes
    assert not found.allows(Scope.ADMIN)


def test_a_class_that_has_no_plain_form_is_refused_when_the_program_starts() -> None:
    @dataclass(frozen=True)
    class Odd:
        anything: object

    with pytest.raises(TypeError):
        ValueCodec(Odd)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=30,
)


@given(PLAIN, st.sampled_from(sorted(METHODS)))
def test_any_body_is_a_value_or_a_typed_fault(body: Any, name: str) -> None:
    method = METHODS[name]
    for codec in (method.request, method.answer):
        try:
            codec.decode(carried(body))
        except ValueFault:
            continue
    try:
        problem = decode_problem(carried(body))
    except ValueFault:
        return
    assert isinstance(problem, Problem)


PROBLEMS = [
    Overloaded("busy", 2.5),
    RateLimited("slow down", 1.0, "requests", remaining=0),
    PromptTooLong("m", 10, 5, reserved=1),
    DeadlineExceeded("model", 1.0),
    Malformed([{"pointer": "/n", "detail": "no", "type": "int"}], more=2),
    ReplicaLost("m"),
]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_problem_comes_as_itself(problem: Problem) -> None:
    found = decode_problem(carried(encode_problem(problem)))
    assert type(found) is type(problem)
    assert (found.detail, found.status, found.headers) == (
        problem.detail,
        problem.status,
        problem.headers,
    )
    assert dict(found.extensions) == {**problem.extensions}


def test_a_problem_of_a_later_version_is_its_nearest_known_base() -> None:
    names, args, state = carried(encode_problem(Overloaded("busy", 2.0)))
    names.insert(0, ["deployments.of_tomorrow", "Busier"])
    found = decode_problem([names, args, state])
    assert type(found) is Overloaded


@pytest.mark.parametrize("module", ["os", "subprocess", "clusterx", "builtins"])
def test_a_problem_names_no_class_outside_of_our_packages(module: str) -> None:
    _, args, state = carried(encode_problem(Overloaded("busy", 2.0)))
    assert type(decode_problem([[[module, "system"]], args, state])) is Problem
