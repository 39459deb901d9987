"""How a roll stands, by what Serve says of its replicas."""

from typing import Any

import pytest

from cluster.ops.rollout_status import DeploymentProgress, progress, to_replace

APP: dict[str, Any] = {"name": "a", "import_path": "m:build", "args": {"x": 1}}


def details(*replicas: tuple[str, str], status: str = "RUNNING", wanted: int = 2) -> dict[str, Any]:
    """One deployment with these replicas: (id, state)."""
    deployment = {
        "status": "HEALTHY",
        "message": "a word",
        "target_num_replicas": wanted,
        "replicas": [{"replica_id": id, "state": state} for id, state in replicas],
    }
    app = {
        "status": status, "message": "", "deployments": {"M": deployment},
        "deployed_app_config": APP,
    }  # fmt: skip
    return {"applications": {"a": app}}


RUNNING = details(("old1", "RUNNING"), ("old2", "RUNNING"))


def test_replicas_are_counted_by_what_they_are_to_the_roll() -> None:
    found = progress(
        details(
            ("old1", "RUNNING"), ("old2", "STOPPING"), ("new1", "RUNNING"), ("new2", "STARTING"),
            status="DEPLOYING",
        ),
        frozenset({"old1", "old2"}),
    )  # fmt: skip

    assert found.deployments == (
        DeploymentProgress("M", 2, old=1, ready=1, starting=1, leaving=1, message="a word"),
    )
    assert not found.done
    assert str(found) == "M 1/2 ready, 1 old, 1 starting, 1 leaving"


def test_it_is_done_when_nothing_old_runs_or_drains() -> None:
    done = progress(details(("new1", "RUNNING"), ("new2", "RUNNING")), frozenset({"old1"}))
    drains = progress(
        details(("new1", "RUNNING"), ("new2", "RUNNING"), ("old1", "STOPPING")), frozenset({"old1"})
    )

    assert done.done
    assert str(done) == ""
    assert not drains.done


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(details(("new1", "RUNNING"), status="RUNNING"), id="too few"),
        pytest.param(
            details(("n1", "RUNNING"), ("n2", "RUNNING"), status="DEPLOYING"),
            id="Serve is not done",
        ),
        pytest.param({"applications": {}}, id="nothing is there"),
    ],
)
def test_it_is_not_done_before(found: dict[str, Any]) -> None:
    assert not progress(found, frozenset()).done


def test_it_is_still_when_serve_sees_nothing_to_do() -> None:
    assert progress(RUNNING, frozenset({"old1", "old2"})).settled
    assert not progress(details(("n", "STARTING")), frozenset()).settled


def test_a_failure_says_what_the_deployments_say() -> None:
    failed = details(("old1", "RUNNING"), status="DEPLOY_FAILED")
    failed["applications"]["a"]["message"] = "Failed to update."
    trace = "It failed 3 times.\n\x1b[36mray::M\x1b[39m\n  File x\n    ^^^\nOSError: no such file"
    failed["applications"]["a"]["deployments"]["M"] |= {
        "status": "DEPLOY_FAILED", "message": trace,
    }  # fmt: skip

    assert progress(failed, frozenset()).failure == (
        "Failed to update.\nIt failed 3 times.\nOSError: no such file"
    )
    assert progress(RUNNING, frozenset()).failure is None


def app(**fields: Any) -> dict[str, dict[str, Any]]:
    return {"a": {**APP, **fields}}


MARKED = [{"name": "M", "ray_actor_options": {"runtime_env": {"env_vars": {"X": "1"}}}}]


@pytest.mark.parametrize(
    ("sent", "replaced"),
    [
        pytest.param(app(), set(), id="the same"),
        pytest.param(
            app(deployments=[{"name": "M", "num_replicas": 3}]), set(), id="more replicas"
        ),
        pytest.param(app(deployments=[{"name": "M", "user_config": {}}]), set(), id="tunables"),
        pytest.param(app(args={"x": 2}), {"old1", "old2"}, id="args"),
        pytest.param(app(import_path="n:build"), {"old1", "old2"}, id="code"),
        pytest.param(app(runtime_env={"env_vars": {}}), {"old1", "old2"}, id="environment"),
        pytest.param(app(deployments=MARKED), {"old1", "old2"}, id="actor options"),
        pytest.param({}, {"old1", "old2"}, id="no longer there"),
    ],
)
def test_what_has_to_be_replaced(sent: dict[str, dict[str, Any]], replaced: set[str]) -> None:
    assert to_replace(RUNNING, sent) == replaced


def test_marks_of_another_deployment_replace_nothing_here() -> None:
    other = [{**MARKED[0], "name": "Other"}]

    assert to_replace(RUNNING, app(deployments=other)) == set()
