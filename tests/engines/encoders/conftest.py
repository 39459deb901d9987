"""Both engines of encoder models, and small models made for a test."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.model.encoders import conversion
from deployments.model.encoders.facts import Task

ENCODER_ENGINES = ("openvino", "torch")


CONVERT_IN_OWN_PROCESS = conversion.convert_in_own_process


def convert_here(task: Task, folder: str, out: str) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):  # those of torch about itself
            conversion.convert_in_this_process(task, folder, out)
    except Exception as error:
        raise conversion.ConversionFailed(f"{folder} cannot be converted: {error}") from error


@pytest.fixture(scope="session", autouse=True)
def _conversions_here() -> Iterator[None]:
    """Models are traced in this process, which has loaded torch for others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "convert_in_own_process", convert_here)
        yield


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are traced in a process of their own, as in the product."""
    monkeypatch.setattr(conversion, "convert_in_own_process", CONVERT_IN_OWN_PROCESS)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where converted models are kept."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", params=ENCODER_ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
