"""What a changed configuration sends to Serve: no more starts anew than has to."""

import copy
import json
from typing import Any

import pytest

from graphs.args import AppArgs
from graphs.rollout_diff import ALL, BUILDER, diff_applications, restartable

MODELS = [
    {"id": "echo", "engine": "echo", "num_cpus": 0.5},
    {"id": "org/other", "engine": "echo", "replicas": 2},
]
ARGS = {
    "models": MODELS,
    "embeddings": [{"id": "minilm"}],
    "ingress": {"num_cpus": 0.25},
}
LIVE = {"name": "mobula", "route_prefix": "/", "import_path": BUILDER, "args": ARGS}
CHANGES: dict[str, dict[str, Any]] = {
    "source": {"source": "elsewhere"},
    "revision": {"revision": "main"},
    "engine": {"engine": "openvino"},
    "max_running": {"max_running": 4},
    "first_token_s": {"first_token_s": 0.5},
}


def changed(app: dict[str, Any], index: int = 0, **fields: Any) -> dict[str, Any]:
    """The same with these fields of a model."""
    found = copy.deepcopy(app)
    found["args"]["models"][index] |= fields
    return found


def overrides(sent: Any) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in sent["deployments"]}


def env(override: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = override["ray_actor_options"]["runtime_env"]["env_vars"]
    return found


def test_what_is_the_same_changes_nothing() -> None:
    sent = diff_applications(LIVE, LIVE)

    assert sent["args"] == ARGS
    assert sent["deployments"] == []


@pytest.mark.parametrize("field", CHANGES)
def test_weights_and_engine_of_a_model_start_its_replicas_alone(field: str) -> None:
    sent = diff_applications(LIVE, changed(LIVE, **CHANGES[field]))

    assert sent["args"] == ARGS
    [override] = sent["deployments"]
    assert override["name"] == "Model:echo"
    assert override["ray_actor_options"]["num_cpus"] == 0.5
    assert json.loads(env(override)["MOBULA_MODEL_SPEC"])[field] == CHANGES[field][field]
    assert "user_config" not in override


def test_the_spec_that_is_sent_is_the_whole_one() -> None:
    sent = diff_applications(LIVE, changed(LIVE, index=1, source="x"))

    spec = json.loads(env(overrides(sent)["Model:org-other"])["MOBULA_MODEL_SPEC"])
    asked = AppArgs.model_validate(changed(LIVE, index=1, source="x")["args"])
    assert spec == asked.models[1].spec().model_dump(mode="json")


def test_tunables_change_while_the_model_runs() -> None:
    sent = diff_applications(LIVE, changed(LIVE, max_waiting=7))

    [override] = sent["deployments"]
    assert override["user_config"]["max_waiting"] == 7
    assert "ray_actor_options" not in override


def test_tunables_that_go_back_are_said_again() -> None:
    """Without them the running replicas would keep what they were told last."""
    live = diff_applications(LIVE, changed(LIVE, max_waiting=7))

    sent = diff_applications(live, LIVE)

    assert sent["deployments"][0]["user_config"]["max_waiting"] == 256


def test_more_replicas_restart_none() -> None:
    [override] = diff_applications(LIVE, changed(LIVE, replicas=3))["deployments"]

    assert override == {"name": "Model:echo", "num_replicas": 3}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"max_output_tokens": 9}, id="what the ingress reserves"),
        pytest.param({"context_length": 512}, id="what bounds it"),
        pytest.param({"costs": {"output_tokens": 5}}, id="what the ledger needs"),
        pytest.param({"prices": {"output_tokens": 5}}, id="what tenants pay"),
        pytest.param({"resilience": {"retries": 1}}, id="how calls are kept from failing"),
        pytest.param({"routing": {"policy": "round-robin"}}, id="how callers choose"),
        pytest.param({"id": "renamed"}, id="its name"),
    ],
)
def test_what_others_depend_on_as_well_rolls_everything(fields: dict[str, Any]) -> None:
    wanted = changed(LIVE, **fields)

    assert diff_applications(LIVE, wanted) == wanted


def test_other_stages_and_more_models_roll_everything() -> None:
    wanted = copy.deepcopy(LIVE)
    wanted["args"]["ingress"] = {"replicas": 2}
    more = copy.deepcopy(LIVE)
    more["args"]["models"].append({"id": "new", "engine": "echo"})

    assert diff_applications(LIVE, wanted) == wanted
    assert diff_applications(LIVE, more) == more


def test_a_model_that_scales_by_itself_is_not_placed_by_hand() -> None:
    """Its policy knows what a replica takes."""
    live = changed(LIVE, scaling={"max_replicas": 4})
    wanted = changed(live, num_cpus=1.0)

    assert diff_applications(live, wanted) == wanted
    assert diff_applications(live, changed(live, source="x"))["args"] == live["args"]


def test_args_of_another_version_of_this_code_roll_everything() -> None:
    live = {**LIVE, "args": {"models": [{"id": "echo", "gone": 1}]}}

    assert diff_applications(live, LIVE) == LIVE


def test_a_restart_marks_what_is_named_and_nothing_else() -> None:
    sent = diff_applications(LIVE, LIVE, ["echo", "ingress"], "s1")

    found = overrides(sent)
    assert sent["args"] == ARGS
    assert set(found) == {"Model:echo", "Ingress"}
    assert env(found["Ingress"]) == {"MOBULA_RESTARTED": "s1"}
    assert found["Ingress"]["ray_actor_options"]["num_cpus"] == 0.25


def test_marks_stay_so_that_the_next_roll_restarts_nothing_again() -> None:
    live = diff_applications(LIVE, LIVE, ["echo"], "s1")

    assert diff_applications(live, LIVE) == live
    later = overrides(diff_applications(live, LIVE, ["minilm"], "s2"))
    assert env(later["Model:echo"]) == {"MOBULA_RESTARTED": "s1"}
    assert env(later["Model:minilm"]) == {"MOBULA_RESTARTED": "s2"}


def test_a_restart_with_other_weights_says_both() -> None:
    [override] = diff_applications(LIVE, changed(LIVE, source="x"), ["echo"], "s1")["deployments"]

    assert set(env(override)) == {"MOBULA_RESTARTED", "MOBULA_MODEL_SPEC"}


def test_restarting_all_is_a_new_version_of_the_application() -> None:
    sent = diff_applications(LIVE, changed(LIVE, source="x"), [ALL], "s1")

    assert sent["runtime_env"] == {"env_vars": {"MOBULA_RESTARTED": "s1"}}
    assert sent["args"]["models"][0]["source"] == "x"
    assert diff_applications(sent, changed(LIVE, source="x"))["runtime_env"] == sent["runtime_env"]


def test_the_operator_s_own_options_of_deployments_win() -> None:
    own = [{"name": "Model:echo", "num_replicas": 5}, {"name": "Limiter", "user_config": {}}]
    wanted = {**changed(LIVE, source="x", replicas=3), "deployments": own}

    found = overrides(diff_applications(LIVE, wanted))

    assert found["Model:echo"]["num_replicas"] == 5
    assert "MOBULA_MODEL_SPEC" in env(found["Model:echo"])
    assert found["Limiter"] == own[1]


def test_what_can_be_restarted() -> None:
    assert set(restartable(AppArgs.model_validate(ARGS))) == {
        "echo", "org/other", "minilm", "ingress", "clipper", "text", "media", "search",
    }  # fmt: skip


def test_the_source_of_a_classifier_starts_its_replicas_alone_and_its_threshold_the_ingress() -> (
    None
):
    live = copy.deepcopy(LIVE)
    live["args"]["moderation"] = {"models": [{"id": "toxic", "source": "a"}]}
    wanted, other = copy.deepcopy(live), copy.deepcopy(live)
    wanted["args"]["moderation"]["models"][0]["source"] = "b"
    other["args"]["moderation"]["models"][0]["threshold"] = 0.7

    [override] = diff_applications(live, wanted)["deployments"]
    assert override["name"] == "Model:toxic"
    assert json.loads(env(override)["MOBULA_MODEL_SPEC"])["source"] == "b"
    assert diff_applications(live, other) == other
