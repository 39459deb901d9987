"""Progress of a rollout: old, ready, starting and stopping replicas, and failure.

In: Serve's status of the applications, before and during the rollout. Out: a `Progress`. Pure;
cluster/ops/rollout.py does the requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeploymentProgress:
    """One deployment's replicas. `old` serve and will be replaced, `leaving` accept no requests."""

    name: str
    wanted: int
    old: int
    ready: int
    starting: int
    leaving: int
    message: str = ""

    @property
    def done(self) -> bool:
        return not (self.old or self.starting or self.leaving) and self.ready >= self.wanted

    def __str__(self) -> str:
        words = {"old": self.old, "starting": self.starting, "leaving": self.leaving}
        rest = "".join(f", {count} {word}" for word, count in words.items() if count)
        return f"{self.name} {self.ready}/{self.wanted} ready{rest}"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a rollout. `failure` is the reason if Serve gave up, else None."""

    deployments: tuple[DeploymentProgress, ...]
    running: bool
    failure: str | None = None

    @property
    def done(self) -> bool:
        return self.running and all(each.done for each in self.deployments)

    @property
    def settled(self) -> bool:
        """Whether Serve has nothing to do, because the configuration changed less than expected."""
        return self.running and not any(each.starting or each.leaving for each in self.deployments)

    def __str__(self) -> str:
        return "; ".join(str(each) for each in self.deployments if not each.done)


def replicas(details: Details) -> dict[tuple[str, str], frozenset[str]]:
    """Replica ids by application and deployment."""
    return {
        (app, name): frozenset(each["replica_id"] for each in deployment["replicas"])
        for app, application in details.get("applications", {}).items()
        for name, deployment in (application.get("deployments") or {}).items()
    }


def live_applications(details: Details) -> dict[str, Details]:
    """The deployed applications by name, as they were sent."""
    applications = details.get("applications", {})
    return {name: app.get("deployed_app_config") or {} for name, app in applications.items()}


def to_replace(details: Details, sent: Mapping[str, Details]) -> frozenset[str]:
    """Ids of the replicas that the rollout will replace; `sent`: the applications by name."""
    live = live_applications(details)
    replaced: set[str] = set()
    for (app, name), ids in replicas(details).items():
        if app not in sent or _restarts(live[app], sent[app], name):
            replaced |= ids
    return frozenset(replaced)


def _restarts(old: Details, new: Details, name: str) -> bool:
    return _version(old) != _version(new) or _actor_options(old, name) != _actor_options(new, name)


def _version(app: Details) -> tuple[Any, ...]:
    """The parts from which Serve computes an application's version."""
    empty = ("args", "runtime_env", "autoscaling_policy")
    return app.get("import_path"), [app.get(name) or {} for name in empty]


def _actor_options(app: Details, name: str) -> Any:
    """The actor options of a deployment, whose change restarts its replicas."""
    for each in app.get("deployments") or []:
        if each["name"] == name:
            return each.get("ray_actor_options"), each.get("max_replicas_per_node")
    return None, None


def progress(details: Details, old: frozenset[str]) -> Progress:
    apps: list[Details] = list(details.get("applications", {}).values())
    deployments = tuple(
        _deployment_progress(name, deployment, old)
        for app in apps
        for name, deployment in (app.get("deployments") or {}).items()
    )
    running = bool(apps) and all(app["status"] == "RUNNING" for app in apps)
    return Progress(deployments, running, _failure(apps))


def _deployment_progress(name: str, deployment: Details, old: frozenset[str]) -> DeploymentProgress:
    states = [(each["state"], each["replica_id"] in old) for each in deployment["replicas"]]
    return DeploymentProgress(
        name=name,
        wanted=deployment["target_num_replicas"],
        old=states.count(("RUNNING", True)),
        ready=states.count(("RUNNING", False)),
        starting=sum(state not in ("RUNNING", "STOPPING") for state, _ in states),
        leaving=sum(state == "STOPPING" for state, _ in states),
        message=deployment.get("message") or "",
    )


def _failure(apps: list[Details]) -> str | None:
    failed = [app for app in apps if app["status"] == "DEPLOY_FAILED"]
    if not failed:
        return None
    messages = [app.get("message") or "" for app in failed]
    for app in failed:
        for deployment in (app.get("deployments") or {}).values():
            if deployment["status"] in ("UNHEALTHY", "DEPLOY_FAILED"):
                messages.append(deployment.get("message") or "")
    return "\n".join(filter(None, map(_without_traceback, messages))) or "Serve gives no reason"


def _without_traceback(message: str) -> str:
    """Serve's message and the error, without the traceback between them."""
    lines = [line for line in message.splitlines() if line.strip()]
    remaining = [line for line in lines if line[0] not in " \x1b" and "Traceback" not in line]
    return "\n".join(remaining)
