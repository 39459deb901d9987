"""Keeps the listeners of Serve on loopback where the whole cluster lives on one machine.

Ray itself does so under RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, two parts of Serve do not: the gRPC
server through which replicas call each other is bound to `[::]`, and the HTTP ports of replicas and
of the fallback proxy are bound to the host of the API. Flows in: nothing; Ray calls `bind_grpc` in
each worker process before it loads an actor; deployments/ingress/listener.py, which Serve calls
before it opens an HTTP port, calls `bind_http`. Both are put into Ray's environment by
cluster/ops/profile.py. tests/unit/ops/test_worker_hook.py
pins the lines of Ray that this depends on.
"""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"  # not from cluster/settings.py: every worker process imports this module
ANY_HOST = frozenset({"[::]", "0.0.0.0", ""})
API_PORT = "MOBULA_API_PORT"  # the one port that may be open to others, in the environment
REPLICA, PROXY = "ray.serve._private.replica", "ray.serve._private.proxy"


@dataclass(frozen=True, slots=True)
class LoopbackGrpc:
    """Opens a gRPC port as `add_port` does, on loopback instead of every interface."""

    add_port: Callable[[Any, str], int]

    def __call__(self, server: Any, address: str) -> int:
        """`address` is `host:port`; returns the port."""
        host, _, port = address.rpartition(":")
        return self.add_port(server, f"{LOOPBACK}:{port}" if host in ANY_HOST else address)


@dataclass(frozen=True, slots=True)
class LoopbackHttp:
    """Starts an HTTP server as `start` does, on loopback unless its port is the API's."""

    start: Callable[..., Any]
    api_port: int

    def __call__(self, app: Any, http_options: Any, **more: Any) -> Any:
        if http_options.port != self.api_port:
            http_options = http_options.model_copy(update={"host": LOOPBACK})
        return self.start(app, http_options, **more)


def bind_grpc() -> None:
    """Replace Ray's function in this process. Raises where Ray has it no longer: the worker ends
    with that error in its log, instead of listening on every interface."""
    from ray._common import tls_utils

    replaced = _once(LoopbackGrpc, tls_utils.add_port_to_grpc_server)
    tls_utils.add_port_to_grpc_server = replaced
    if REPLICA in sys.modules:  # it has its own reference by then
        replica: Any = sys.modules[REPLICA]
        replica.add_port_to_grpc_server = replaced


def bind_http() -> None:
    """The same for HTTP, in a replica or a proxy; nothing in a cluster of several machines."""
    if API_PORT not in os.environ:
        return
    wrap = functools.partial(LoopbackHttp, api_port=int(os.environ[API_PORT]))
    for name in (REPLICA, PROXY):
        if name in sys.modules:
            module: Any = sys.modules[name]
            module.start_asgi_http_server = _once(wrap, module.start_asgi_http_server)


def _once(wrap: Callable[[Any], Any], found: Any) -> Any:
    return found if isinstance(found, LoopbackGrpc | LoopbackHttp) else wrap(found)
