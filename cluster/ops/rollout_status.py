"""A roll as it goes on: which replicas are old, new, starting or leaving, and how it ends.

Flows in: what Serve's REST interface says of the applications, before and during the roll. Flows
out: a `Progress`. Pure; cluster/ops/rollout.py asks, sends and waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeploymentProgress:
    """One deployment's replicas. `old` still serve and shall go, `leaving` take nothing new."""

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
    """`failure` is why Serve gave up, None while it has not."""

    standings: tuple[DeploymentProgress, ...]
    running: bool
    failure: str | None = None

    @property
    def done(self) -> bool:
        return self.running and all(each.done for each in self.standings)

    @property
    def still(self) -> bool:
        """Serve is content as it is: what was sent changes less than was thought."""
        return self.running and not any(each.starting or each.leaving for each in self.standings)

    def __str__(self) -> str:
        return "; ".join(str(each) for each in self.standings if not each.done)


def replicas(details: Details) -> dict[tuple[str, str], frozenset[str]]:
    """The replicas' ids by application and deployment."""
    return {
        (app, name): frozenset(each["replica_id"] for each in deployment["replicas"])
        for app, found in details.get("applications", {}).items()
        for name, deployment in (found.get("deployments") or {}).items()
    }


def live_applications(details: Details) -> dict[str, Details]:
    """The applications by name, as they were sent last."""
    found = details.get("applications", {})
    return {name: app.get("deployed_app_config") or {} for name, app in found.items()}


def to_replace(details: Details, sent: Mapping[str, Details]) -> frozenset[str]:
    """The ids of replicas that have to be gone at the end; `sent`: the applications by name."""
    live = live_applications(details)
    gone: set[str] = set()
    for (app, name), ids in replicas(details).items():
        if app not in sent or _restarts(live[app], sent[app], name):
            gone |= ids
    return frozenset(gone)


def _restarts(old: Details, new: Details, name: str) -> bool:
    return _version(old) != _version(new) or _actor(old, name) != _actor(new, name)


def _version(app: Details) -> tuple[Any, ...]:
    """What Serve makes an application's version of; more of it changes together with these."""
    empty = ("args", "runtime_env", "autoscaling_policy")
    return app.get("import_path"), [app.get(name) or {} for name in empty]


def _actor(app: Details, name: str) -> Any:
    """What restarts the replicas of one deployment: the options of its actors."""
    for each in app.get("deployments") or []:
        if each["name"] == name:
            return each.get("ray_actor_options"), each.get("max_replicas_per_node")
    return None, None


def progress(details: Details, old: frozenset[str]) -> Progress:
    apps: list[Details] = list(details.get("applications", {}).values())
    standings = tuple(
        _standing(name, deployment, old)
        for app in apps
        for name, deployment in (app.get("deployments") or {}).items()
    )
    running = bool(apps) and all(app["status"] == "RUNNING" for app in apps)
    return Progress(standings, running, _failure(apps))


def _standing(name: str, deployment: Details, old: frozenset[str]) -> DeploymentProgress:
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
    words = [app.get("message") or "" for app in failed]
    for app in failed:
        for deployment in (app.get("deployments") or {}).values():
            if deployment["status"] in ("UNHEALTHY", "DEPLOY_FAILED"):
                words.append(deployment.get("message") or "")
    return "\n".join(filter(None, map(_short, words))) or "Serve does not say why"


def _short(message: str) -> str:
    """Serve's sentences and the error itself, without the traceback between them."""
    lines = [line for line in message.splitlines() if line.strip()]
    kept = [line for line in lines if line[0] not in " \x1b" and "Traceback" not in line]
    return "\n".join(kept)
