"""Both engines of encoder models, and small models made for a test."""

from pathlib import Path

import pytest

ENCODER_ENGINES = ("openvino", "torch")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where converted models are kept."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", params=ENCODER_ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
