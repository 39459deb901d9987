"""What an operator may write, and the sentences for what they may not."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from graphs.app import build
from graphs.args import AppArgs
from graphs.moderation import moderation_config
from graphs.options import declared_cpus, model_name

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
    assert [model.id for model in args.embeddings] == ["minilm"]


def test_what_the_shipped_config_reserves_fits_two_cores() -> None:
    """With a replacement of each deployment beside it, as a rollout needs on them."""
    config = yaml.safe_load(CONFIG.read_text())
    args = AppArgs.model_validate(config["applications"][0]["args"])
    singles = (args.ingress, args.limiter, args.video)

    assert sum(each.num_cpus for each in (*args.served, *singles)) <= 2.0
    assert declared_cpus(args, 2) == 4


def test_every_kind_of_model_is_counted_and_named() -> None:
    model = {"id": "x", "source": "x", "num_cpus": 1.5}
    args = AppArgs.model_validate(
        {
            "models": [NANO],
            "rerank": [model],
            "moderation": {"models": [{**model, "id": "y"}]},
        }
    )

    assert [each.id for each in args.served] == ["nano", "x", "y"]
    assert [each.spec().task for each in args.classifiers] == ["rerank", "moderation"]
    assert declared_cpus(args, 1) == 1  # they do not fit; Ray says so
    assert declared_cpus(args, 5) == 10


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


def test_the_name_of_the_rules_is_no_models() -> None:
    assert "twice: rules" in refusal({"models": [{**NANO, "id": "rules"}]})


def test_the_default_moderator_is_one_of_those_that_are() -> None:
    said = refusal({"models": [NANO], "moderation": {"default": "toxic"}})
    assert "'toxic' is not one of rules" in said


def test_an_engine_of_embeddings_is_one_that_is() -> None:
    said = refusal({"models": [NANO], "embeddings": [{"id": "m", "engine": "vllm"}]})
    assert "engine is 'vllm'; there are auto, openvino, torch" in said


def test_rules_of_moderation_are_checked_when_they_are_deployed() -> None:
    rules = {"spam": ["buy now", {"pattern": "cheap", "score": 0.3}]}
    args = AppArgs.model_validate({"models": [NANO], "moderation": {"rules": rules}})

    assert moderation_config(args.moderation).rules == {"spam": (("buy now", 0.9), ("cheap", 0.3))}

    args = AppArgs.model_validate({"models": [NANO], "moderation": {"rules": {"spam": ["a ..."]}}})
    with pytest.raises(ValueError, match=r"moderation\.rules: 'a \.\.\.'"):
        moderation_config(args.moderation)
