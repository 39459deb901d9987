"""Guardrails in the configuration: what the guide shows is valid, what cannot work is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deployments.guardrails.spec import GuardrailConfig
from graphs.args import AppArgs

ROOT = Path(__file__).parents[3]
NANO = {"id": "nano", "engine": "echo"}
TOXIC = {"id": "toxic", "source": "unitary/toxic-bert", "categories": {"toxic": "harassment"}}


def args(rule: dict[str, Any]) -> AppArgs:
    policies = {"house": {"rules": [{"id": "r", "type": "model", "action": "refuse", **rule}]}}
    return AppArgs.model_validate(
        {"models": [NANO], "moderation": {"models": [TOXIC]}, "guardrails": {"policies": policies}}
    )


def test_the_ingress_is_told_what_was_configured() -> None:
    config = args({"model": "toxic"}).guardrails.config()

    assert type(config) is GuardrailConfig
    assert [rule.id for rule in config.policies["house"].rules] == ["r"]


def test_without_the_section_there_are_no_policies() -> None:
    assert AppArgs.model_validate({"models": [NANO]}).guardrails.config() == GuardrailConfig()


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"model": "nano"}, "rule 'r' names model 'nano', which is not among moderation.models"),
        ({"model": "toxic", "question": "Is it rude?"}, "is not among models: nano"),
        ({"model": "gone"}, "'gone', which is not among moderation.models: toxic"),
    ],
)
def test_a_rule_names_a_model_of_its_kind(rule: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        args(rule)


def test_a_text_model_answers_questions() -> None:
    assert args({"model": "nano", "question": "Is it rude?"})


def test_the_example_of_the_guide_is_valid() -> None:
    text = (ROOT / "docs/guides/guardrails.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)

    assert example is not None
    section = yaml.safe_load(example[1])["guardrails"]
    assert GuardrailConfig.model_validate(section).default == ("house",)


def test_the_example_of_the_configuration_is_valid() -> None:
    lines = (ROOT / "serve_config.yaml").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if "# guardrails:" in line)
    section = "\n".join(line.replace("# ", "", 1) for line in lines[start : start + 6])

    found = yaml.safe_load(section)["guardrails"]
    assert GuardrailConfig.model_validate(found).default == ("house",)
