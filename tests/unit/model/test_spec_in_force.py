"""Which spec a replica runs: what a deploy said of it last, before what it was built with."""

import pytest
from pydantic import ValidationError

from cluster.runtime.settings import Settings
from deployments.model.spec import ModelSpec, resolve_spec

BUILT = ModelSpec(id="nano", source="old")


def test_without_a_deploy_it_is_the_one_it_was_built_with() -> None:
    assert resolve_spec(ModelSpec, BUILT, None) == BUILT
    assert resolve_spec(ModelSpec, BUILT.model_dump(mode="json"), None) == BUILT


def test_a_deployed_spec_comes_first() -> None:
    assert resolve_spec(ModelSpec, BUILT, '{"id": "nano", "source": "new"}').source == "new"


def test_a_deployed_spec_is_checked() -> None:
    with pytest.raises(ValidationError, match="max_running"):
        resolve_spec(ModelSpec, BUILT, '{"id": "nano", "max_running": 0}')


def test_it_comes_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_MODEL_SPEC", '{"id": "nano"}')

    assert Settings().model_spec == '{"id": "nano"}'
