"""Models of providers in serve_config.yaml."""

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.runtime.clock import SystemClock
from cluster.tenants.units import Unit
from deployments.providers.services import Providers
from graphs.args import AppArgs
from graphs.model_args import ModelArgs
from graphs.provider_args import ProviderModelArgs, providers_config
from graphs.rollout_diff import diff_applications
from graphs.text import deployments, model_settings, resilience
from graphs.video import video_config

GPT = {"id": "gpt", "engine": "openai", "source": "gpt-4o-mini", "key_env": "OPENAI_API_KEY"}
NANO = {"id": "nano", "engine": "openvino"}


def args(*models: dict[str, Any], **more: Any) -> AppArgs:
    return AppArgs.model_validate({"models": models, **more})


def refusal(*models: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        args(*models, **more)
    return str(refused.value)


def test_the_engine_says_who_serves_a_model() -> None:
    given = args(NANO, GPT)

    assert [type(model) for model in given.models] == [ModelArgs, ProviderModelArgs]
    assert [model.id for model in given.served] == ["nano"]
    assert [model.id for model in given.external] == ["gpt"]


def test_an_unknown_engine_names_those_of_both_kinds() -> None:
    message = refusal({"id": "m", "engine": "opnai"})

    assert "models.0.engine" in message
    assert "openvino" in message
    assert "openai, anthropic" in message


def test_a_field_of_the_other_kind_is_refused_by_name() -> None:
    assert "models.0.replicas" in refusal({**GPT, "replicas": 2})
    assert "models.0.base_url" in refusal({**NANO, "base_url": "https://api.example.com"})


def test_a_graph_may_have_models_of_providers_only() -> None:
    given = args(GPT, video={"texts": True})

    assert given.served == ()
    assert deployments(given) == {}
    assert given.default_provider == "gpt"
    assert video_config(given).writer == "gpt"


def test_costs_caps_and_fallbacks_are_those_of_any_model() -> None:
    given = args(
        {**GPT, "costs": {"output_tokens": 60}, "max_output_tokens": 900},
        {**NANO, "resilience": {"fallback": ["gpt"]}},
    )

    settings = model_settings(given)
    assert settings.costs["gpt"] == {Unit.OUTPUT_TOKENS: 60}
    assert settings.output_caps["gpt"] == 900
    assert resilience(given)["nano"].fallback == ("gpt",)


def test_an_id_is_used_once_by_both_kinds() -> None:
    assert "twice: gpt" in refusal(GPT, {**NANO, "id": "gpt"})


def test_a_key_is_named_and_never_given() -> None:
    assert "key_env and key_file" in refusal({**GPT, "key_file": "/run/secrets/key"})
    for where in ({"headers": {"Authorization": "x"}}, {"query": {"api-key": "x"}}):
        assert "key_env" in refusal({**GPT, **where})


@pytest.mark.parametrize(
    "headers", [{"a b": "x"}, {"x": "a\r\nb"}, {"Host": "x"}, {"content-length": "1"}]
)
def test_headers_are_checked(headers: dict[str, str]) -> None:
    assert "headers" in refusal({**GPT, "headers": headers})


def test_a_host_of_ones_own_network_has_to_be_named() -> None:
    local = {"id": "m", "engine": "openai", "base_url": "http://gpu-1:8000/v1"}

    assert "egress.private_hosts" in refusal(local)
    assert args(local, egress={"private_hosts": ["gpu-1"]})


def test_the_models_that_a_provider_lists_have_no_default() -> None:
    listed = {**GPT, "id": "openai", "discover": True}

    assert "content.default" in refusal(listed)
    assert args(listed, GPT, content={"default": "gpt"})


def test_the_configuration_carries_what_was_given_and_no_more() -> None:
    weighted = {**GPT, "upstreams": [{"weight": 2}, {"weight": 1}]}
    given = args(weighted)
    config = providers_config(given.provider_models, given.provider_embeddings, given.egress)

    assert set(config.models[0]) == {*weighted}
    [served] = Providers(config, {}, SystemClock()).models.values()
    assert served.caller.replicas.spec.policy == "weighted"


def test_a_change_of_a_provider_is_no_change_of_a_models_replicas() -> None:
    def app(*models: dict[str, Any]) -> dict[str, Any]:
        return {"import_path": "graphs.app:build", "route_prefix": "/", "args": {"models": models}}

    wanted = app(NANO, {**GPT, "source": "gpt-4o"})

    assert diff_applications(app(NANO, GPT), wanted) == wanted
