"""Ray's dashboard as a REST service: deploy, ask how the deployment goes, submit jobs.

It saves a second `import ray` in the command line, which costs seconds on a small machine.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from cluster.runtime.logging import contains_credential

DEPLOY_TIMEOUT_S = 120.0


class DashboardRefused(Exception):
    """The dashboard answered with an error; the text is its own."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Where the applications stand. `deployments` maps a name to `running/wanted`."""

    status: str
    message: str
    deployments: Mapping[str, str]

    @property
    def failed(self) -> bool:
        return self.status == "DEPLOY_FAILED"


class DashboardClient:
    """A client; `token` is Ray's cluster token."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=10.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def is_up(self) -> bool:
        """Whether the part of the dashboard that deploys answers already."""
        with contextlib.suppress(httpx.HTTPError):
            return self._http.get("/api/ray/version", timeout=2.0).is_success
        return False

    def nodes(self) -> int:
        """How many nodes live, the head among them."""
        found = self._checked(self._http.get("/nodes?view=summary")).json()["data"]["summary"]
        return sum(node.get("raylet", {}).get("state") == "ALIVE" for node in found)

    def deploy(self, config: Mapping[str, Any]) -> None:
        self._checked(
            self._http.put("/api/serve/applications/", json=config, timeout=DEPLOY_TIMEOUT_S)
        )

    def details(self) -> Mapping[str, Any]:
        """Everything that Serve says of itself."""
        found: Mapping[str, Any] = self._checked(self._http.get("/api/serve/applications/")).json()
        return found

    def status(self) -> AppStatus:
        """The worst application's status, with every deployment's counts."""
        return app_status(self.details())

    def drain(self, timeout_s: float) -> None:
        """Shut Serve down: replicas finish what they have. Raises httpx.HTTPError if late."""
        self._checked(self._http.delete("/api/serve/applications/", timeout=timeout_s))

    def submit(self, entrypoint: str, env: Mapping[str, str]) -> str:
        """Start a Ray job; returns its id. Raises ValueError if a key is in what Ray logs of it."""
        if any(map(contains_credential, (entrypoint, *env.values()))):
            raise ValueError("a job's key comes in a file, which MOBULA_API_KEY_FILE names")
        body = {"entrypoint": entrypoint, "runtime_env": {"env_vars": dict(env)}}
        answer = self._checked(self._http.post("/api/jobs/", json=body, timeout=60.0))
        return answer.json()["submission_id"]

    def job(self, job_id: str) -> str:
        return self._checked(self._http.get(f"/api/jobs/{job_id}")).json()["status"]

    def job_logs(self, job_id: str) -> str:
        return self._checked(self._http.get(f"/api/jobs/{job_id}/logs")).json()["logs"]

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        raise DashboardRefused(f"{answer.status_code}: {answer.text.strip()[-4000:]}")


def app_status(details: Mapping[str, Any]) -> AppStatus:
    """Sum up what `GET /api/serve/applications/` answers."""
    apps: list[Mapping[str, Any]] = list(details.get("applications", {}).values())
    if not apps:
        return AppStatus("NOT_STARTED", "", {})
    worst = next((app for app in apps if app["status"] != "RUNNING"), apps[0])
    deployments: dict[str, str] = {}
    messages = [worst.get("message") or ""]
    for app in apps:
        for name, deployment in (app.get("deployments") or {}).items():
            deployments[name] = _counts(deployment)
            if app is worst and deployment.get("status") in ("UNHEALTHY", "DEPLOY_FAILED"):
                messages.append(deployment.get("message") or "")
    return AppStatus(worst["status"], "\n".join(filter(None, messages)), deployments)


def _counts(deployment: Mapping[str, Any]) -> str:
    replicas: list[Mapping[str, Any]] = deployment.get("replicas") or []
    running = sum(replica.get("state") == "RUNNING" for replica in replicas)
    return f"{running}/{deployment.get('target_num_replicas', len(replicas))}"
