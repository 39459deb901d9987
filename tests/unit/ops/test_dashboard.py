"""Summing up what Serve says of its applications."""

from typing import Any

from cluster.ops.dashboard import app_status


def _app(status: str, message: str = "", **deployments: dict[str, Any]) -> dict[str, Any]:
    return {"status": status, "message": message, "deployments": deployments}


def _deployment(status: str, running: int, wanted: int, message: str = "") -> dict[str, Any]:
    replicas = [{"state": "RUNNING" if i < running else "STARTING"} for i in range(wanted)]
    return {
        "status": status, "message": message, "replicas": replicas, "target_num_replicas": wanted,
    }  # fmt: skip


def test_nothing_deployed() -> None:
    assert app_status({"applications": {}}).status == "NOT_STARTED"


def test_the_worst_application_decides_and_says_why() -> None:
    status = app_status({
        "applications": {
            "good": _app("RUNNING", Echo=_deployment("HEALTHY", 2, 2)),
            "bad": _app("DEPLOY_FAILED", "it broke", M=_deployment("UNHEALTHY", 0, 1, "no file")),
        }
    })  # fmt: skip

    assert status.failed
    assert status.message == "it broke\nno file"
    assert status.deployments == {"Echo": "2/2", "M": "0/1"}


def test_an_application_that_still_loads_has_not_failed() -> None:
    status = app_status({"applications": {"a": _app("DEPLOYING", M=_deployment("UPDATING", 0, 1))}})

    assert not status.failed
    assert status.deployments == {"M": "0/1"}
