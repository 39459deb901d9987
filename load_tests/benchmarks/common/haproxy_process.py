"""HAProxy as Serve would start it, before one server on this machine, without Ray running.

Flows in: the port of a server that stands for an ingress replica. Flows out: a URL. Serve's own
template makes the configuration and our script starts the program, so what is seen here is what a
cluster does.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cluster.ops.environment import CLIENT_S, MAX_CONNECTIONS, REPEATABLE, haproxy_binary
from cluster.runtime.settings import ROOT
from load_tests.benchmarks.common.free_port import free_port

TOKEN = "the token of a cluster that does not run"
START_S = 20.0


class HAProxyProcess:
    """Use as a context manager. `settings` are environment variables; `http_port` answers then.
    `client_s` seconds without progress of a client end its connection."""

    def __init__(self, upstream_port: int, *, client_s: int = CLIENT_S, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="m-")
        self._upstream_port = upstream_port
        self._settings = settings
        self.client_s = client_s
        self.folder = Path(self._folder.name)
        self.http_port, self.stats_port, self.metrics_port = free_port(), free_port(), free_port()
        scheme = "https" if "MOBULA_TLS_CERT_FILE" in settings else "http"
        self.url = f"{scheme}://127.0.0.1:{self.http_port}"
        self._process: subprocess.Popen[bytes] | None = None

    script = str(ROOT / "cluster/ops/haproxy")

    @property
    def config(self) -> Path:
        return self.folder / "haproxy.cfg"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """Of the process that runs, and of anything that starts it anew."""
        return {
            **os.environ,
            "MOBULA_HAPROXY": haproxy_binary(),
            "MOBULA_PYTHON": sys.executable,
            "MOBULA_REPEATABLE": " ".join(REPEATABLE),
            "RAY_AUTH_TOKEN": TOKEN,
            **self._settings,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Also after a `kill`."""
        write_configuration(self, "/")
        self._process = self.spawn()
        self._await()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def spawn(self, *more: str) -> subprocess.Popen[bytes]:
        """As Serve does: `-sf` and `-x` make it take over from one that runs."""
        log = (self.folder / "haproxy.log").open("ab")
        command = [self.script, "-db", "-f", str(self.config), "-dR", *more]
        with contextlib.closing(log):
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def reload(self, prefix: str | None = "/") -> subprocess.Popen[bytes]:
        """A new process in place of this one, which drains; returns the old. The application is
        under `prefix` from now on (None: there is none)."""
        assert self._process is not None
        old = self._process
        write_configuration(self, prefix)
        self._process = self.spawn("-sf", str(old.pid), "-x", str(self.admin))
        self._await()
        return old

    def show(self, command: str) -> str:
        """What the admin socket answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(str(self.admin))
            connection.sendall(command.encode() + b"\n")
            return b"".join(_all(connection)).decode()

    def log(self) -> str:
        return (self.folder / "haproxy.log").read_text()

    def _await(self) -> None:
        until = time.monotonic() + START_S
        while f"Pid: {self.pid}\n" not in self._info() or not self._is_checked():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"HAProxy did not start:\n{self.log()[-2000:]}")
            time.sleep(0.01)

    def _is_checked(self) -> bool:
        statistics = self._info("show stat")
        return "http-mobula" not in statistics or "L7OK" in statistics

    def _info(self, command: str = "show info") -> str:
        try:
            return self.show(command)
        except OSError:
            return ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()


def _all(connection: socket.socket) -> Iterator[bytes]:
    while part := connection.recv(1 << 16):
        yield part


def write_configuration(haproxy: HAProxyProcess, prefix: str | None) -> None:
    """What Serve writes for one application with one ingress replica; or before there is one."""
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=haproxy.http_port),
        socket_path=str(haproxy.admin),
        server_state_base=str(haproxy.folder),
        server_state_file=str(haproxy.folder / "server-state"),
        stats_port=haproxy.stats_port,
        metrics_port=haproxy.metrics_port,
        metrics_enabled=False,
        maxconn=MAX_CONNECTIONS,
        timeout_client_s=haproxy.client_s,
        nbthread=1,
        has_received_routes=True,
        has_received_servers=True,
        is_head=True,
        retry_on="conn-failure empty-response",
        retries=5,
    )
    server = ServerConfig(name="replica", host="127.0.0.1", port=haproxy._upstream_port)
    backends: dict[str, Any] = {}
    if prefix is not None:
        backends["http-mobula"] = BackendConfig(
            name="http-mobula", path_prefix=prefix, app_name="mobula", servers=[server]
        )
    api = HAProxyApi(config, backends, config_file_path=str(haproxy.config))
    api._generate_config_file_internal()
