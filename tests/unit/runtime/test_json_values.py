"""What a program's values become as JSON, and which ones are refused."""

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cluster.runtime.json_values import MAX_DEPTH, encode
from cluster.runtime.problems import Malformed


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "é\u2028"], "b": {"c": []}},
        {"t": (1, 2)},
        {"n": 2**64 - 1, "m": -(2**63)},
    ],
)
def test_plain_values_stay_what_they_are(value: dict[str, Any]) -> None:
    assert json.loads(encode(value)) == json.loads(json.dumps(value))


def test_numpy_scalars_and_arrays_are_numbers_and_lists() -> None:
    value = {
        "temperature": np.float32(0.5),
        "n": np.int64(3),
        "on": np.bool_(True),
        "text": np.str_("hi"),
        "input": np.array([[1, 2], [3, 4]]),
    }

    assert json.loads(encode(value)) == {
        "temperature": 0.5,
        "n": 3,
        "on": True,
        "text": "hi",
        "input": [[1, 2], [3, 4]],
    }


def _cycle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        pytest.param({"a": ["x", "\ud800"]}, "/a/1", "surrogate", id="lone surrogate"),
        pytest.param({"seed": 2**64}, "/seed", "integer outside", id="huge integer"),
        pytest.param({"seed": -(2**70)}, "/seed", "integer outside", id="small integer"),
        pytest.param({"t": math.nan}, "/t", "finite", id="NaN"),
        pytest.param({"t": np.float32("inf")}, "/t", "finite", id="numpy infinity"),
        pytest.param({"t": np.array([1.0, math.nan])}, "/t/1", "finite", id="NaN in an array"),
        pytest.param({"stop": {"a", "b"}}, "/stop", "set", id="set"),
        pytest.param({"x": b"bytes"}, "/x", "bytes", id="bytes"),
        pytest.param({"x": Decimal(1)}, "/x", "Decimal", id="decimal"),
        pytest.param({"x": object()}, "/x", "object", id="object"),
        pytest.param({"x": {1: 2}}, "/x", "key", id="a name that is no text"),
        pytest.param({"\udfff": 1}, "", "surrogate", id="surrogate in a name"),
        pytest.param({"x": _cycle()}, "/x" + "/0" * (MAX_DEPTH - 1), "nested", id="cycle"),
    ],
)
def test_what_json_has_no_form_for_is_malformed_and_pointed_at(
    value: dict[str, Any], pointer: str, words: str
) -> None:
    with pytest.raises(Malformed) as caught:
        encode(value)

    [error] = caught.value.extensions["errors"]
    assert words in error["detail"]
    assert error["pointer"] == pointer
