"""Every number of every request schema at the edges of float32 and int64."""

import importlib
import math
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

import cluster.tenants.plan
import deployments.ingress.schemas
from deployments.contracts.generation import GREEDY_BELOW, LEAST_TOP_P, Sampling
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.schemas import embeddings
from deployments.ingress.schemas.openai import ChatRequest

ANSWERS = {f"deployments.ingress.schemas.{name}" for name in ("answers", "response_answers")}
TINY = float(np.finfo(np.float32).tiny)
EDGES = (
    "-0.0",
    "5e-324",
    "1e-46",
    "-1e-46",
    "1e-45",
    "1.1e-38",
    "1e38",
    "3.5e38",
    "1e308",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "2147483648",
    "-2147483649",
    "9223372036854775808",
    "-9223372036854775809",
    "9" * 400,
)


def _models() -> Iterator[type[BaseModel]]:
    """What a request may be read into: every schema that refuses unknown fields."""
    package = deployments.ingress.schemas
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    for module in (*modules, cluster.tenants.plan):
        for model in vars(module).values():
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                continue
            own = model.__module__ == module.__name__ and module.__name__ not in ANSWERS
            strict = model.model_config.get("extra") == "forbid"
            if own and strict and not issubclass(model, embeddings.ApiResponse):
                yield model


def _numbers() -> Iterator[Any]:
    for model in _models():
        for name, field in model.model_fields.items():
            if _mentions_number(field.annotation):
                yield pytest.param(model, field, id=f"{model.__name__}.{name}")


def _mentions_number(annotation: Any) -> bool:
    if annotation in (int, float):
        return True
    return any(map(_mentions_number, get_args(annotation)))


def _leaves(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)


def _shapes(edge: str) -> tuple[str, ...]:
    return edge, f"[{edge}]", f"[[{edge}]]"


@pytest.mark.parametrize(("model", "field"), list(_numbers()))
def test_a_number_is_refused_or_means_the_same_to_an_engine(
    model: type[BaseModel], field: FieldInfo
) -> None:
    strict = ConfigDict(strict=bool(model.model_config.get("strict")))
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[(annotation, *field.metadata)]  # type: ignore[valid-type]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=strict)

    for shape in (shape for edge in EDGES for shape in _shapes(edge)):
        try:
            value = adapter.validate_json(shape)
        except ValidationError:
            continue
        for number in _leaves(value):
            if isinstance(number, int):
                assert -(2**63) <= number < 2**63, shape
            else:
                assert math.isfinite(np.float32(number)), shape
                assert number == 0 or abs(number) >= TINY, shape
                assert number != 0 or math.copysign(1, number) == 1, f"negative zero: {shape}"


@pytest.mark.parametrize("temperature", ["0", "-0.0", "1e-46", "1e-40", "1e-38", "1e-6", "0.00999"])
def test_a_tiny_temperature_is_greedy(temperature: str) -> None:
    chat = '"model": "m", "messages": [{"role": "user", "content": "x"}]'
    body = f'{{{chat}, "temperature": {temperature}}}'

    sampling = parse_json(body.encode(), ChatRequest).sampling(None, None)

    assert sampling == Sampling(temperature=0.0)
    assert math.copysign(1, sampling.temperature) == 1


def test_sampling_keeps_what_engines_can_compute_with() -> None:
    kept = Sampling(temperature=GREEDY_BELOW, top_p=0.5, presence_penalty=-0.25)
    flushed = Sampling(top_p=1e-30, presence_penalty=1e-46, frequency_penalty=-0.0)

    assert (kept.temperature, kept.top_p, kept.presence_penalty) == (GREEDY_BELOW, 0.5, -0.25)
    assert (flushed.top_p, flushed.presence_penalty) == (LEAST_TOP_P, 0.0)
    assert math.copysign(1, flushed.frequency_penalty) == 1
