"""A private Ray cluster with Serve, for one benchmark or test session in this process.

Flows in: a port and a profile. Flows out: a URL under which applications can be deployed. Nothing
outlives it, haproxy included. Ray reads its environment when it is imported, so enter this before
anything imports Ray.
"""

import contextlib
import logging
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from cluster.auth.bootstrap import bootstrap
from cluster.ops.environment import Profile, environment
from cluster.ops.ports import BLOCK, Ports
from cluster.ops.processes import cluster_processes, end_all
from cluster.runtime.settings import Settings
from cluster.storage.files import write_private

HEALTHY_TIMEOUT_S = 60.0
LOGICAL_CPUS = 16  # replicas here are placed by count, not by share


class LocalServe:
    """Use as a context manager; `url` answers once an application is deployed."""

    def __init__(self, *, profile: Profile = "fast", **settings: str) -> None:
        """`settings` are more environment variables."""
        if "ray" in sys.modules:
            raise RuntimeError("make LocalServe before Ray is imported")
        self._profile = profile
        self._id = f"local-{secrets.token_hex(6)}"
        self._folder = tempfile.TemporaryDirectory(prefix="m-")  # sockets allow 97 characters
        self._ports = Ports.free()
        self.home = Path(self._folder.name) / "state"
        self.url = f"http://127.0.0.1:{self._ports.http}"
        os.environ.update(self._environment() | settings)

    def __enter__(self) -> Self:
        key = bootstrap(self.home, Settings(home=self.home))
        assert key is not None
        self.key = key
        write_private(self.home / "ray.token", secrets.token_hex(32).encode())
        self._start()
        return self

    def _environment(self) -> dict[str, str]:
        folder, cores = Path(self._folder.name), os.cpu_count() or 1
        variables = environment(self._profile, self._ports, self._id, self.home, folder, cores)
        variables.pop("RAY_START_HOOK", None)  # it is for `ray start`
        return variables

    def _start(self) -> None:
        import ray
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(
            address="local",
            num_cpus=LOGICAL_CPUS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            namespace="serve",
            _temp_dir=str(Path(self._folder.name) / "r"),
        )
        options = {"host": "127.0.0.1", "port": self._ports.http}
        serve.start(proxy_location="HeadOnly", http_options=options)

    def run(self, app: Any, name: str, prefix: str) -> None:
        """Deploy a bound application and wait until it is up."""
        from ray import serve

        serve.run(app, name=name, route_prefix=prefix)

    def run_together(self, apps: Mapping[str, Any]) -> None:
        """Deploy bound applications, each under its name, and wait until all are up."""
        from ray import serve

        targets = [serve.RunTarget(app, name, f"/{name}") for name, app in apps.items()]
        serve.run_many(targets)

    def deploy_baselines(self) -> None:
        from load_tests.benchmarks.common import bare_serve_apps

        self.run_together(
            {
                "asgi": bare_serve_apps.asgi(),
                "hello": bare_serve_apps.hello(),
                "chain": bare_serve_apps.chain(),
            }
        )

    def deploy_mobula(self, **model: Any) -> str:
        """Mobula with one model, echo by default; returns its admin key."""
        from graphs.app import build
        from graphs.args import AppArgs

        spec = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1, **model}
        off = {"enabled": False}
        given = {"models": [spec], "ingress": {"num_cpus": 0.1}, "text": off}
        args = AppArgs.model_validate(given)
        self.run(build(args), "mobula", "/")
        return self.key

    def deploy_without_tenancy(self) -> None:
        """Mobula's path without tenancy, under a prefix of its own."""
        from graphs.app import compose
        from load_tests.benchmarks.common.ingress_without_tenancy import (
            PREFIX,
            IngressWithoutTenancy,
            open_args,
        )

        self.run(compose(open_args(), IngressWithoutTenancy), "open", PREFIX)

    def kill_one(self, deployment: str) -> None:
        """End one replica of a deployment of Mobula as a crash would, once all of them are up."""
        import ray

        self.wait_until_healthy(deployment)
        ray.kill(ray.get_actor(**self._replicas(deployment)[0]))

    def ingress_addresses(self) -> dict[str, int]:
        """The URL of the own port of each replica of Mobula's ingress, and its process."""
        ports = range(self._ports.replicas, self._ports.replicas + BLOCK)
        addresses: dict[str, int] = {}
        for pid in self.replicas("Ingress"):
            with contextlib.suppress(psutil.Error):
                for socket in psutil.Process(pid).net_connections("tcp"):
                    if socket.status == psutil.CONN_LISTEN and socket.laddr.port in ports:
                        addresses[f"http://127.0.0.1:{socket.laddr.port}"] = pid
        return addresses

    @property
    def haproxy_metrics_url(self) -> str:
        """HAProxy's own figures."""
        return f"http://127.0.0.1:{self._ports.haproxy_metrics}/metrics"

    @property
    def ray_metrics_url(self) -> str:
        """Where the node's agent shows what Ray and Serve count themselves."""
        import ray

        return f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this cluster, but this process."""
        return cluster_processes(self._id)

    def wait_for_ingress(self, replicas: int) -> dict[str, int]:
        """Those addresses, once so many are up; TimeoutError after a minute."""
        self.wait_until_healthy("Ingress")
        until = time.monotonic() + HEALTHY_TIMEOUT_S
        while len(addresses := self.ingress_addresses()) < replicas:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(addresses)} of {replicas} ingress replicas listen")
            time.sleep(0.1)
        return addresses

    def replicas(self, deployment: str) -> list[int]:
        """The processes of a deployment's replicas, those on their way included."""
        pids, title = [], f"ray::ServeReplica:mobula:{deployment}"
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline()).split()
                if words and words[0].split(".")[0] == title:
                    pids.append(process.pid)
        return pids

    def count_running(self, deployment: str) -> int:
        """How many replicas of a deployment of Mobula Serve says are up."""
        from ray import serve

        deployment_status = serve.status().applications["mobula"].deployments[deployment]
        states = {str(state): count for state, count in deployment_status.replica_states.items()}
        return states.get("RUNNING", 0)

    def controller(self) -> int:
        """The process of Serve's controller."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if " ".join(process.cmdline()).startswith("ray::ServeController"):
                    return process.pid
        raise LookupError("there is no controller")

    def wait_until_healthy(self, deployment: str) -> None:
        """Until every replica of a deployment of Mobula is up; TimeoutError after a minute."""
        from ray import serve

        until = time.monotonic() + HEALTHY_TIMEOUT_S
        while time.monotonic() < until:
            deployment_status = serve.status().applications["mobula"].deployments[deployment]
            alive = len(self._replicas(deployment))  # a killed one is gone at once, here
            if deployment_status.status == "HEALTHY" and deployment_status.replica_states == {
                "RUNNING": alive
            }:
                return
            time.sleep(0.1)
        raise TimeoutError(f"'{deployment}' is not whole after {HEALTHY_TIMEOUT_S:g} s")

    @staticmethod
    def _replicas(deployment: str) -> list[dict[str, str]]:
        import ray

        start = f"SERVE_REPLICA::mobula#{deployment}#"
        actors = ray.util.list_named_actors(all_namespaces=True)
        return [actor for actor in actors if actor["name"].startswith(start)]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        with contextlib.suppress(Exception):
            ray.shutdown()
        end_all(lambda: cluster_processes(self._id))
        self._folder.cleanup()
