"""Binds Serve's listeners to loopback if the whole cluster runs on one machine.

Ray does so with RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, but two parts of Serve do not: the gRPC server
through which replicas call each other binds to `[::]`, and the HTTP ports of replicas and of the
fallback proxy bind to the API's host. Ray calls `keep_loopback` in each worker process before it
loads an actor, because cluster/ops/environment.py sets it in Ray's environment.
tests/unit/ops/test_worker_hook.py pins the lines of Ray that this depends on.
"""

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LOOPBACK = (
    "127.0.0.1"  # not from cluster/runtime/settings.py: every worker process imports this module
)
ANY_HOST = frozenset({"[::]", "0.0.0.0", ""})
API_PORT = "MOBULA_API_PORT"  # variable with the only port that may be bound to other hosts
HTTP_MODULE = "ray.serve._private.http_util"  # takes a second to import; not every worker needs it


def keep_loopback() -> None:
    """Replaces Ray's two functions in this process. Raises if Ray lacks one: the worker then exits
    with that error in its log, instead of listening on every interface."""
    from ray._common import tls_utils

    tls_utils.add_port_to_grpc_server = loopback_grpc(tls_utils.add_port_to_grpc_server)
    after_import(HTTP_MODULE, _replace_http)


def loopback_grpc(add_port: Callable[[Any, str], int]) -> Callable[[Any, str], int]:
    """Wraps `add_port`: binds to loopback instead of every interface."""

    @functools.wraps(add_port)  # so that it can be pickled by its name
    def add_loopback_port(server: Any, address: str) -> int:
        host, _, port = address.rpartition(":")
        return add_port(server, f"{LOOPBACK}:{port}" if host in ANY_HOST else address)

    return add_loopback_port


def loopback_http(start: Callable[..., Any], api_port: int) -> Callable[..., Any]:
    """Wraps `start`: binds to loopback unless the port is the API's."""

    @functools.wraps(start)
    def start_on_loopback(app: Any, http_options: Any, **kwargs: Any) -> Any:
        if http_options.port != api_port:
            http_options = http_options.model_copy(update={"host": LOOPBACK})
        return start(app, http_options, **kwargs)

    return start_on_loopback


def _replace_http(module: Any) -> None:
    module.start_asgi_http_server = loopback_http(
        module.start_asgi_http_server, int(os.environ[API_PORT])
    )


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Calls `change` with the module `name` when it is imported, or at once if it already is."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AfterImport(name, change))


class _AfterImport(MetaPathFinder):
    """Import hook that changes one module after its import."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name, self._change = name, change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ChangingLoader(spec.loader, self._change)
        return spec


class _ChangingLoader(Loader):
    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader, self._change = loader, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


def disable_client_server(ray_params: Any, _head: bool) -> None:
    ray_params.ray_client_server_port = None
