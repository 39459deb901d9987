"""What an operator may write, and the sentences for what they may not."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from graphs.app import build
from graphs.args import AppArgs
from graphs.options import model_name

CONFIG = Path(__file__).parents[3] / "serve_config.yaml"
NANO = {"id": "nano", "engine": "openvino"}


def refusal(args: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        AppArgs.model_validate(args)
    return str(caught.value)


def test_the_shipped_config_is_valid() -> None:
    config = yaml.safe_load(CONFIG.read_text())
    [application] = config["applications"]

    args = AppArgs.model_validate(application["args"])

    assert application["import_path"] == "graphs.app:build"
    assert [model.id for model in args.models] == ["nano"]
    assert args.default_provider == "nano"


def test_serve_sees_the_type_of_the_args() -> None:
    """An `annotations` import from `__future__` in graphs/app.py would turn them into a dict."""
    assert inspect.signature(build).parameters["args"].annotation is AppArgs


def test_unknown_fields_are_refused_by_name() -> None:
    assert "models.0.replcas" in refusal({"models": [{**NANO, "replcas": 2}]})


def test_a_model_id_may_appear_once() -> None:
    assert "twice: nano" in refusal({"models": [NANO, NANO]})


def test_a_provider_must_name_a_model() -> None:
    said = refusal({"models": [NANO], "content": {"providers": {"fast": "gpt"}}})
    assert "'fast' names model 'gpt'" in said
    assert "nano" in said


def test_at_least_one_model_is_needed() -> None:
    assert "models" in refusal({"models": []})


def test_deployment_names_hold_no_slash() -> None:
    assert model_name("Qwen/Qwen3-0.6B") == "Model:Qwen-Qwen3-0.6B"
