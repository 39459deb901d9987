"""REST client of Ray's dashboard: deploys, reads status, submits jobs.

The commands use it instead of `import ray`, which takes seconds on a small machine.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from cluster.runtime.logging import contains_credential

DEPLOY_TIMEOUT_S = 120.0


class DashboardRefused(Exception):
    """The dashboard returned an error; the message is the dashboard's."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Status of the applications. `deployments` maps a name to `running/target`."""

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
        """Whether the dashboard's deployment API responds."""
        with contextlib.suppress(httpx.HTTPError):
            return self._http.get("/api/ray/version", timeout=2.0).is_success
        return False

    def nodes(self) -> int:
        """Number of live nodes, the head included."""
        nodes = self._raise_for_status(self._http.get("/nodes?view=summary")).json()["data"][
            "summary"
        ]
        return sum(node.get("raylet", {}).get("state") == "ALIVE" for node in nodes)

    def deploy(self, config: Mapping[str, Any]) -> None:
        self._raise_for_status(
            self._http.put("/api/serve/applications/", json=config, timeout=DEPLOY_TIMEOUT_S)
        )

    def details(self) -> Mapping[str, Any]:
        """Serve's full status."""
        details: Mapping[str, Any] = self._raise_for_status(
            self._http.get("/api/serve/applications/")
        ).json()
        return details

    def status(self) -> AppStatus:
        """The worst application's status, with every deployment's counts."""
        return app_status(self.details())

    def drain(self, timeout_s: float) -> None:
        """Shuts Serve down after running requests. Raises httpx.HTTPError on a timeout."""
        self._raise_for_status(self._http.delete("/api/serve/applications/", timeout=timeout_s))

    def submit(self, entrypoint: str, env: Mapping[str, str]) -> str:
        """Starts a Ray job; returns its id. Raises ValueError for credentials, which Ray logs."""
        if any(map(contains_credential, (entrypoint, *env.values()))):
            raise ValueError("pass a job's key in a file, by MOBULA_API_KEY_FILE")
        body = {"entrypoint": entrypoint, "runtime_env": {"env_vars": dict(env)}}
        response = self._raise_for_status(self._http.post("/api/jobs/", json=body, timeout=60.0))
        return response.json()["submission_id"]

    def job(self, job_id: str) -> str:
        return self._raise_for_status(self._http.get(f"/api/jobs/{job_id}")).json()["status"]

    def job_logs(self, job_id: str) -> str:
        return self._raise_for_status(self._http.get(f"/api/jobs/{job_id}/logs")).json()["logs"]

    def _raise_for_status(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        raise DashboardRefused(f"{response.status_code}: {response.text.strip()[-4000:]}")


def app_status(details: Mapping[str, Any]) -> AppStatus:
    """Summarizes the response of `GET /api/serve/applications/`."""
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
