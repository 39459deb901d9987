"""Room for a roll on a machine that is small."""

from typing import Any

import pytest

from graphs.args import AppArgs
from graphs.options import declared_cpus


def args(**model: Any) -> AppArgs:
    return AppArgs.model_validate({"models": [{"id": "nano", **model}]})


@pytest.mark.parametrize(
    ("model", "cores", "counted"),
    [
        pytest.param({}, 2, 4, id="two cores, full: 1.9 for replicas and 1.8 for replacements"),
        pytest.param({}, 64, 64, id="there is room anyway"),
        pytest.param({}, 1, 1, id="too small for the replicas themselves"),
        pytest.param({"surge": False}, 2, 3, id="a model that starts no replacement first"),
        pytest.param({"replicas": 5, "num_cpus": 0.2}, 2, 4, id="one in four is replaced at once"),
    ],
)
def test_cpus_that_are_counted(model: dict[str, Any], cores: int, counted: int) -> None:
    assert declared_cpus(args(**model), cores) == counted
