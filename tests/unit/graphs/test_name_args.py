"""Names of models in the configuration, and what the ingress is given of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.cli.config_problems import find_application_problems
from deployments.ingress.names.spec import load_settings
from graphs.app import build
from graphs.args import AppArgs
from graphs.name_args import name_settings
from graphs.rollout_diff import BUILDER, diff_applications
from tests.unit.graphs.test_args import NANO

EMBEDDING = {"id": "minilm", "source": "minilm"}
CROSS = {"id": "cross", "source": "x"}


def args(aliases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    models = [NANO | {"served_names": ["tiny"]}, {"id": "qwen", "source": "qwen"}]
    return {
        "models": models,
        "embeddings": [EMBEDDING],
        "rerank": [CROSS],
        "names": {"aliases": aliases, **fields},
    }


def refusal(aliases: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AppArgs.model_validate(args(aliases, **fields))
    return str(caught.value)


def test_what_the_guide_shows_is_accepted() -> None:
    aliases = {
        "gpt-4o-mini": "qwen",
        "openai/*": "{}",
        "smart": {"weights": {"qwen": 95, "nano": 5}, "sticky": "user"},
        "routed": {
            "rules": [
                {"max_prompt_tokens": 2000, "modalities": ["text"], "to": "nano"},
                {
                    "days": ["sat", "sun"],
                    "hours": "22:00-06:00",
                    "zone": "Europe/Berlin",
                    "plans": ["trial-*"],
                    "to": {"weights": {"qwen": 1}},
                },
            ],
            "otherwise": "smart",
        },
        "text-embedding-3-small": "minilm",
        "moderation-1": "rules",
    }
    given = AppArgs.model_validate(args(aliases, default="smart", default_embedding="minilm"))

    settings = name_settings(given.names, given.served)

    assert settings.served_names == {"nano": ("tiny",)}
    assert settings.spec.aliases.keys() == aliases.keys()


@pytest.mark.parametrize(
    ("aliases", "sentence"),
    [
        ({"a": "gpt-4o"}, "names.aliases.a: 'gpt-4o' is neither a model nor an alias"),
        ({"a": "b", "b": "a"}, "leads in a circle: a -> b -> a"),
        ({"qwen": "nano"}, "names.aliases.qwen: 'qwen' is the id of a model"),
        ({"tiny": "qwen"}, "names.aliases.tiny: 'tiny' is in served_names of 'nano' too"),
        ({"rules": "qwen"}, "names.aliases.rules: 'rules' is the id of a model"),
        (
            {"a": {"weights": {"qwen": 1, "minilm": 1}}},
            "names.aliases.a: leads to models of different kinds: embeddings, models",
        ),
    ],
)
def test_names_are_checked_against_the_models(aliases: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(aliases)


def test_defaults_are_of_their_kind() -> None:
    assert "names.default: 'minilm' leads to a model of embeddings" in refusal({}, default="minilm")
    assert "names.default_embedding: 'a' leads to a model of models" in refusal(
        {"a": "qwen"}, default_embedding="a"
    )


def test_a_content_providers_name_is_no_alias() -> None:
    with pytest.raises(ValidationError, match="is one of content.providers too"):
        AppArgs.model_validate(
            args({"house": "qwen"}) | {"content": {"providers": {"house": "nano"}}}
        )


def test_served_names_go_with_every_kind_of_model() -> None:
    given = AppArgs.model_validate(
        {
            "models": [NANO],
            "embeddings": [EMBEDDING | {"served_names": ["ada"]}],
            "rerank": [CROSS | {"served_names": ["rerank-english-v3.0"]}],
            "moderation": {"models": [{"id": "j", "source": "j", "served_names": ["judge:1"]}]},
        }
    )

    assert name_settings(given.names, given.served).served_names == {
        "minilm": ("ada",),
        "cross": ("rerank-english-v3.0",),
        "j": ("judge:1",),
    }
    assert "served_names" not in given.models[0].spec().model_dump()


def test_the_problems_name_their_place() -> None:
    app = {
        "name": "mobula",
        "import_path": "graphs.app:build",
        "args": args({"a": {"weights": {"qwen": -1}}, "b": {"rules": []}}),
    }

    problems = find_application_problems({"applications": [app]})

    assert any(each.startswith("args.names.aliases.a.weights.weights.qwen: ") for each in problems)
    assert any(each.startswith("args.names.aliases.b.rules.") for each in problems)


def app(aliases: dict[str, Any] | None = None, *served: str) -> dict[str, Any]:
    given = args(aliases or {})
    given["models"][1] |= {"served_names": list(served)}
    return {"name": "mobula", "import_path": BUILDER, "args": given}


@pytest.mark.parametrize("wanted", [app({"a": "qwen"}), app({}, "house")])
def test_changed_names_start_the_ingress_alone(wanted: dict[str, Any]) -> None:
    sent = diff_applications(app(), wanted)

    assert sent["args"] == app()["args"]
    [override] = sent["deployments"]
    assert override["name"] == "Ingress"
    options = override["ray_actor_options"]
    given = AppArgs.model_validate(wanted["args"])
    assert options["num_cpus"] == given.ingress.num_cpus
    names = load_settings(options["runtime_env"]["env_vars"]["MOBULA_INGRESS_NAMES"])
    assert names == name_settings(given.names, given.served)


def test_names_that_go_back_are_those_of_the_args() -> None:
    live = diff_applications(app(), app({"a": "qwen"}))

    assert diff_applications(live, app())["deployments"] == []


def test_a_restart_of_the_ingress_keeps_changed_names() -> None:
    sent = diff_applications(app(), app({"a": "qwen"}), ["ingress"], "stamp")

    [override] = sent["deployments"]
    variables = override["ray_actor_options"]["runtime_env"]["env_vars"]
    assert variables["MOBULA_RESTARTED"] == "stamp"
    assert "qwen" in variables["MOBULA_INGRESS_NAMES"]


def test_names_that_are_too_many_for_a_variable_roll_everything() -> None:
    wanted = app({f"{number:03}-{'x' * 96}": "qwen" for number in range(1_000)})

    assert diff_applications(app(), wanted) == wanted


def test_the_graph_gives_names_to_the_ingress() -> None:
    application = build(AppArgs.model_validate(args({"a": "tiny"})))

    config = application._bound_deployment.init_args[4]
    assert config.names.served_names == {"nano": ("tiny",)}
    assert config.names.spec.aliases == {"a": "tiny"}
