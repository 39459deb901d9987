"""What is said of a body that does not match its schema."""

import time
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import Malformed
from deployments.ingress.http.request_body import MAX_VALUES, parse_json
from deployments.ingress.http.validation import MAX_FAULTS, MAX_LISTED, of_parameters
from deployments.ingress.schemas.auth import Login
from deployments.ingress.schemas.embeddings import EmbeddingsRequest
from deployments.ingress.schemas.openai import ChatRequest, CompletionRequest

USER = {"role": "user", "content": "hi"}
LONG = "x" * 257
CHAT: dict[str, Any] = {"model": "nano", "messages": [USER]}


def refused(schema: type[BaseModel], body: object) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse_json(body if isinstance(body, bytes) else orjson.dumps(body), schema)
    return caught.value


@pytest.mark.parametrize(
    ("schema", "body", "pointer", "words"),
    [
        pytest.param(ChatRequest, CHAT | {"stop": ["x"] * 33}, "/stop", "at most 32", id="many"),
        pytest.param(ChatRequest, CHAT | {"stop": LONG}, "/stop", "at most 256", id="too long"),
        pytest.param(ChatRequest, CHAT | {"stop": ["", LONG]}, "/stop/1", "at most 256", id="item"),
        pytest.param(
            ChatRequest, CHAT | {"stop": 5}, "/stop", "string or a valid array", id="none"
        ),
        pytest.param(
            CompletionRequest,
            {"model": "nano", "prompt": ["a"] * 65},
            "/prompt",
            "at most 64 items",
            id="too many prompts",
        ),
        pytest.param(
            ChatRequest,
            CHAT | {"messages": [USER | {"content": [{"type": "text", "text": "a", "b": 1}]}]},
            "/messages/0/content/0/b",
            "Extra inputs are not permitted",
            id="a part with one key more",
        ),
        pytest.param(
            ChatRequest,
            CHAT | {"messages": [USER | {"content": [{"type": "text", "text": 5}]}]},
            "/messages/0/content/0/text",
            "valid string",
            id="a part whose text is none",
        ),
        pytest.param(
            ChatRequest,
            CHAT | {"messages": [USER | {"content": [{"type": "text"}]}]},
            "/messages/0/content/0/text",
            "Field required",
            id="a part without text",
        ),
        pytest.param(
            ChatRequest,
            CHAT | {"messages": [USER | {"content": {"type": "text"}}]},
            "/messages/0/content",
            "string or a valid array",
            id="an object where a text or a list goes",
        ),
        pytest.param(
            EmbeddingsRequest,
            {"model": "minilm", "input": ["a", 1, "b"]},
            "/input/1",
            "valid string",
            id="one number among texts",
        ),
    ],
)
def test_a_fault_in_a_union_is_that_of_the_branch_that_the_value_is_closest_to(
    schema: type[BaseModel], body: object, pointer: str, words: str
) -> None:
    errors = refused(schema, body).extensions["errors"]

    assert [error["pointer"] for error in errors] == [pointer]
    assert words in errors[0]["detail"]


class _Crop(BaseModel):
    kind: Literal["crop"]
    width: int


class _Fit(BaseModel):
    kind: Literal["fit"]
    blur: bool


class _Order(BaseModel):
    model_config = ConfigDict(strict=True)

    how: Annotated[_Crop | _Fit, Field(discriminator="kind")]
    items: list[int | list[str]] = []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"how": {"kind": "crop", "width": "x"}}, "/how/width"),
        ({"how": {"kind": "fit"}}, "/how/blur"),
        ({"how": {"kind": "other"}}, "/how"),
        ({"how": {"kind": "crop", "width": 1}, "items": [1, ["a"], [1]]}, "/items/2/0"),
    ],
)
def test_a_discriminated_union_points_into_the_branch_that_is_named(
    body: object, pointer: str
) -> None:
    errors = refused(_Order, body).extensions["errors"]

    assert [error["pointer"] for error in errors] == [pointer]


def test_the_first_faults_are_listed_and_the_others_counted() -> None:
    malformed = refused(ChatRequest, CHAT | {f"k{n}": 1 for n in range(60)})

    assert len(malformed.extensions["errors"]) == MAX_FAULTS
    assert malformed.extensions["more_errors"] == 40
    assert "(59 more)" in malformed.detail


def test_no_count_is_given_where_all_faults_are_listed() -> None:
    assert refused(ChatRequest, CHAT | {"a": 1}).extensions["more_errors"] is None


def test_thousands_of_faults_are_counted_though_few_are_described() -> None:
    unknown = {f"k{n}": 1 for n in range(MAX_VALUES - 10)}
    malformed = refused(Login, {**unknown, "email": "a@b.example", "password": "x" * 200})

    assert MAX_LISTED < MAX_VALUES
    assert len(malformed.extensions["errors"]) == MAX_FAULTS
    assert malformed.extensions["more_errors"] == len(unknown) + 1 - MAX_FAULTS
    assert not any(error["type"] == "missing" for error in malformed.extensions["errors"])


def test_a_fault_repeats_no_long_text_of_the_body() -> None:
    for body in ({"k" * 500_000: 1}, {"how": {"kind": "z" * 500_000}}):
        malformed = refused(_Order if "how" in body else Login, body)
        assert len(orjson.dumps(dict(malformed.extensions))) < 3_000
        assert len(malformed.detail) < 1_000


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a":[' + b"1," * 500_000 + b"1]}", id="elements"),
        pytest.param(b"{" + b'"k":"",' * 140_000 + b'"k":1}', id="members"),
        pytest.param(b'{"a":[' + b"{}," * 300_000 + b"{}]}", id="objects"),
        pytest.param(b"[" * 500_000, id="open brackets"),
        pytest.param(b'{"a":[' + b'"",' * 300_000 + b"1]}", id="empty strings"),
    ],
)
def test_a_body_of_very_many_values_is_refused_before_it_is_parsed(raw: bytes) -> None:
    started = time.thread_time()
    malformed = refused(ChatRequest, raw)

    assert str(MAX_VALUES) in malformed.detail
    assert time.thread_time() - started < 0.25  # parsing them took up to 3.6 s


def test_commas_and_brackets_in_text_are_no_values() -> None:
    text = 'say "a, b", [c] {d}, ' * 20_000
    body = CHAT | {"messages": [{"role": "user", "content": text}]}

    parsed = parse_json(orjson.dumps(body), ChatRequest)

    assert parsed.messages[0].content == text


def test_of_many_faults_in_a_query_the_first_are_listed_and_cut() -> None:
    one = {"loc": ("query", "k" * 9_000), "msg": "no " * 9_000, "type": "extra_forbidden"}

    malformed = of_parameters([one] * 100)

    assert len(malformed.extensions["errors"]) == MAX_FAULTS
    assert malformed.extensions["more_errors"] == 80
    assert len(malformed.extensions["errors"][0]["detail"]) < 500
