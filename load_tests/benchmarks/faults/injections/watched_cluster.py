"""A cluster of `mobula up -d` to inject faults into, with everything around it that can fail.

In: a folder. Out: a cluster with a home on a disk of its own, a Redis of its own and a receiver of
webhooks; its API as the operator sees it. Nothing is left of it afterwards.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from cluster.ops.processes import cluster_processes
from cluster.runtime.settings import ROOT, Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.common.mobula_command import MobulaCommand, wait_for
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.faults.injections.small_disk import SmallDisk
from load_tests.benchmarks.faults.injections.webhook_receiver import WebhookReceiver

STEADY, FRAIL = "steady", "frail"  # models: one that stays, one that faults happen to
TENANTS = ("calm", "poisoned")
KNOWN_S = 10.0
_CONFIG = {
    "proxy_location": "HeadOnly",
    "http_options": {"host": "127.0.0.1", "port": 8000},
    "applications": [
        {
            "name": "mobula",
            "route_prefix": "/",
            "import_path": "graphs.app:build",
            "args": {
                "models": [
                    {"id": id, "engine": "echo", "num_cpus": 0.1, "tokens_per_second": 400}
                    for id in (STEADY, FRAIL)
                ],
                "content": {"default": STEADY},
                "limiter": {"authority": "redis"},
                "cache": {"shared": "redis"},
                "ingress": {"num_cpus": 0.1},
                "video": {"num_cpus": 0.1},
            },
        }
    ],
}


@dataclass(frozen=True)
class WatchedCluster:
    """`keys` are of TENANTS, `http` is the operator's client."""

    command: MobulaCommand
    disk: SmallDisk
    redis: RedisProcess
    receiver: WebhookReceiver
    http: httpx.Client
    keys: Mapping[str, str]

    @classmethod
    @contextmanager
    def started(cls, folder: Path, **settings: str) -> Iterator[Self]:
        """`settings` are further environment variables. Raises RuntimeError if it does not start,
        PermissionError where a disk cannot be mounted, MissingRequirement without a Redis."""
        config = folder / "watched.json"  # JSON is YAML
        config.write_text(json.dumps(_CONFIG))
        with ExitStack() as stack:
            receiver = stack.enter_context(WebhookReceiver())
            redis = stack.enter_context(RedisProcess())
            disk = stack.enter_context(SmallDisk(folder / "home"))
            variables = {
                "MOBULA_REDIS_URL": redis.url,
                "MOBULA_WEBHOOKS_PRIVATE_HOSTS": "true",
                "MOBULA_NODE_CPUS": "8",
                **settings,
            }
            made = MobulaCommand.create_temporary(folder, tree=ROOT, **variables)
            command = stack.enter_context(made)
            code, output = command.run("up", "-d", "--config", str(config))
            if code != 0:
                raise RuntimeError(output)
            stack.callback(command.run, "down", "--drain", "0")
            http = stack.enter_context(_operator(command))
            keys = {tenant: _make_tenant(http, tenant) for tenant in TENANTS}
            yield cls(command, disk, redis, receiver, http, keys)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.command.ports.http}"

    @property
    def home(self) -> Path:
        return self.command.home

    def processes(self) -> Mapping[str, Sequence[psutil.Process]]:
        """Those of the cluster, by what they are (process_kinds.py)."""
        return group_by_kind(cluster_processes(self.command.state().id))

    def dependencies(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, as `mobula health` shows them. Raises httpx.HTTPError."""
        answer = self.http.get("/api/v1/health/dependencies").raise_for_status()
        return {each["name"]: each for each in answer.json()["dependencies"]}

    def metrics(self) -> str:
        """The text of a scrape. Raises httpx.HTTPError."""
        return self.http.get("/metrics").raise_for_status().text

    def wait_until_calm(self, timeout_s: float = 90.0) -> float:
        """Seconds until no dependency is degraded or down; AssertionError if that takes longer."""
        return wait_for(lambda: not self.faults(), "every dependency to be up", timeout_s)

    def faults(self) -> Mapping[str, str]:
        """The states of the dependencies that are not well; the API's own where it fails."""
        try:
            found = self.dependencies()
        except httpx.HTTPError as error:
            return {"api": type(error).__name__}
        if not found:
            return {"api": "has checked nothing yet"}
        return {
            name: each["state"]
            for name, each in found.items()
            if each["state"] in ("degraded", "down")
        }


def _operator(command: MobulaCommand) -> httpx.Client:
    key = admin_key(command.home, Settings(home=command.home)) or ""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{command.ports.http}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
        trust_env=False,
    )


def _make_tenant(http: httpx.Client, tenant: str) -> str:
    """A key of it that works already."""
    made = {"id": tenant, "name": tenant, "plan": "default"}
    http.post("/api/v1/tenants", json=made).raise_for_status()
    key = {"name": "faults", "scopes": ["generate", "models:read"]}
    answer = http.post(f"/api/v1/tenants/{tenant}/keys", json=key).raise_for_status()
    secret = str(answer.json()["key"])

    def works() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            headers = {"Authorization": f"Bearer {secret}"}
            return http.get("/v1/models", headers=headers).status_code == httpx.codes.OK
        return False

    wait_for(works, f"the key of '{tenant}' to work", KNOWN_S)
    return secret
