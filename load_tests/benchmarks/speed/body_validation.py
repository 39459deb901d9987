"""What it costs to validate the body of a request: by pydantic, as we do, and at least by msgspec.

In: a schema of the ingress and a body. Out: CPU microseconds of each. The msgspec twin has the
schema's types and none of its ranges, patterns and validators, so it is a lower bound.
"""

import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import orjson
from pydantic import BaseModel

from deployments.ingress.http.request_body import parse_json
from deployments.ingress.schemas.embeddings import EmbeddingsRequest
from deployments.ingress.schemas.openai import ChatRequest, CompletionRequest

CALLS = 2_000


@dataclass(frozen=True)
class ValidationCost:
    """CPU microseconds of one body, by each library."""

    schema: type[BaseModel]
    pydantic_us: float
    msgspec_us: float


def bodies(prompt: str) -> dict[type[BaseModel], dict[str, Any]]:
    """A usual body of each of the hottest operations."""
    return {
        ChatRequest: {
            "model": "echo",
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 64,
        },
        CompletionRequest: {"model": "echo", "prompt": prompt, "max_tokens": 64},
        EmbeddingsRequest: {"model": "echo", "input": [prompt]},
    }


def measure_validation(
    body: Mapping[str, Any], schema: type[BaseModel], rounds: int
) -> ValidationCost:
    """The least of `rounds`, in which both take turns."""
    raw = orjson.dumps(body)
    decode = msgspec.json.Decoder(msgspec_twin(schema)).decode
    costs = [
        (_cpu_us(lambda: parse_json(raw, schema)), _cpu_us(lambda: decode(raw)))
        for _ in range(rounds)
    ]
    by_pydantic, by_msgspec = zip(*costs, strict=True)
    return ValidationCost(schema, min(by_pydantic), min(by_msgspec))


@cache
def msgspec_twin(schema: type[BaseModel]) -> type[msgspec.Struct]:
    """A Struct with the fields of a pydantic model."""
    fields = [
        (name, _twin(field.rebuild_annotation()), *(() if field.is_required() else (None,)))
        for name, field in schema.model_fields.items()
    ]
    return msgspec.defstruct(schema.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _twin(hint: Any) -> Any:
    members = list(_members(hint))
    lists = [member for member in members if get_origin(member) is list]
    if len(lists) > 1:  # msgspec has no union of them
        members = [*(member for member in members if member not in lists), list[Any]]
    models = [member for member in members if _is_model(member)]
    members = [member for member in members if member not in models[1:]]  # nor of untagged structs
    if len(members) > 1:
        return Union[tuple(map(_twin, members))]  # noqa: UP007 - of a computed tuple
    [hint] = members
    origin, args = get_origin(hint), get_args(hint)
    if origin in (list, dict):
        return origin[tuple(map(_twin, args))]
    return msgspec_twin(hint) if _is_model(hint) else hint


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _members(hint: Any) -> Iterator[Any]:
    """Of a union of unions, without annotations; a type by itself."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _members(args[0])
    elif origin in (Union, types.UnionType):
        for arg in args:
            yield from _members(arg)
    else:
        yield hint


def _cpu_us(call: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return 1e6 * (time.process_time() - began) / CALLS
