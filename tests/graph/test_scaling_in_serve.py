"""Our policies inside Serve's own machinery: carried as Serve carries them, called as it calls."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ray.serve._private.autoscaling_state import _resolve_policy_callable
from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve._private.config import DeploymentConfig
from ray.serve.autoscaling_policy import (
    _apply_app_level_autoscaling_config,
    _apply_autoscaling_config,
)
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from graphs.args import AppArgs
from graphs.options import model_options
from graphs.text import text_models

SCALING = {"policies": ["queue"], "max_replicas": 20, "cold_start_s": 0.1}


def config(**model: Any) -> AutoscalingConfig:
    """A model's autoscaling_config, through Serve's own checks and protobuf."""
    spec = {"id": "echo", "engine": "echo", "scaling": SCALING, **model}
    app = text_models(AppArgs.model_validate({"models": [spec]}).models)[spec["id"]]
    raw = app._bound_deployment._deployment_config.to_proto_bytes()
    found = DeploymentConfig.from_proto_bytes(raw).autoscaling_config
    assert found is not None
    return found


def context(
    settings: AutoscalingConfig, target: int, load: float, name: str = "Model:echo", up: int = -1
) -> AutoscalingContext:
    id = DeploymentID(name, "mobula")
    now = time.time()
    running = load / max(1, target)
    figures = {"running": running, "queued": 0.0, "tokens": 0.0, "tokens_capacity": 100.0}
    replica = ReplicaID("r1", id)
    raw = {key: {replica: [TimeStampedValue(now, value)]} for key, value in figures.items()}
    return AutoscalingContext(
        deployment_id=id,
        deployment_name=name,
        app_name="mobula",
        current_num_replicas=target if up < 0 else up,
        target_num_replicas=target,
        running_replicas=[replica],
        total_num_requests=lambda: load,
        total_queued_requests=0.0,
        aggregated_metrics={},
        raw_metrics=lambda: raw,
        capacity_adjusted_min_replicas=settings.min_replicas,
        capacity_adjusted_max_replicas=settings.max_replicas,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now,
        config=settings,
    )


def settled(decide: Callable[[], Any], wanted: Any) -> Any:
    """What it comes to once the policies' thread has answered."""
    patience, found = time.monotonic() + 10, decide()
    while found != wanted and time.monotonic() < patience:
        threading.Event().wait(0.02)
        found = decide()
    return found


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))


def test_timing_is_left_to_our_governor_and_figures_are_seconds_old() -> None:
    found = config(replicas=2)
    assert (found.min_replicas, found.max_replicas) == (1, 20)
    assert (found.upscale_delay_s, found.downscale_delay_s) == (0.0, 0.0)
    assert found.metrics_interval_s <= found.look_back_period_s <= 5.0


def test_an_update_does_not_throw_a_grown_fleet_back_to_where_it_began() -> None:
    assert config(replicas=2).initial_replicas is None


def test_without_scaling_the_number_is_fixed() -> None:
    args = AppArgs.model_validate({"models": [{"id": "a", "engine": "echo", "replicas": 3}]})
    options = model_options(args.models[0])
    assert options["num_replicas"] == 3
    assert "autoscaling_config" not in options


def test_serve_carries_the_policy_and_follows_it() -> None:
    settings = config()
    policy = _apply_autoscaling_config(_resolve_policy_callable(settings.policy))

    assert settled(lambda: policy(context(settings, 2, 56.0))[0], 7) == 7


def test_serve_begins_with_the_replicas_that_are_configured() -> None:
    settings = config(replicas=3)
    policy = _apply_autoscaling_config(_resolve_policy_callable(settings.policy))
    assert policy(context(settings, 1, 0.0, up=0))[0] == 3


def test_the_applications_policy_lets_models_give_way_to_each_other() -> None:
    chat = config(scaling={**SCALING, "priority": 90}, num_cpus=1.0)
    batch = config(scaling={**SCALING, "priority": 10}, num_cpus=1.0)
    whole = AutoscalingPolicy(
        policy_function="cluster.autoscaling.serve_policy:ClusterPolicy",
        policy_kwargs={"cpus": 10.0},
    )
    policy = _apply_app_level_autoscaling_config(_resolve_policy_callable(whole))
    targets = {"Model:chat": 2, "Model:batch": 6}

    def decide() -> dict[str, int]:
        contexts = [
            context(chat, targets["Model:chat"], 64.0, "Model:chat"),
            context(batch, targets["Model:batch"], 80.0, "Model:batch"),
        ]
        found, states = policy({each.deployment_id: each for each in contexts})
        assert all(isinstance(state, dict) for state in states.values())
        targets.update({id.name: target for id, target in found.items()})
        return dict(targets)

    shared = {"Model:chat": 8, "Model:batch": 2}
    assert settled(decide, shared) == shared
