"""Connects this process to its Ray cluster, or fails fast with the reason.

In: Ray's environment (RAY_ADDRESS, RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH). Out: an initialised Ray,
or a Problem. `ray.init` retries for 20 s after any error, a missing token included; so this calls
the GCS first, with the configured token.
"""

import os

import grpc
import ray
from ray._private import services
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError

from cluster.ops.environment import ONE_MACHINE
from cluster.ops.nodes import is_loopback
from cluster.resilience.failure_class import Unavailable
from cluster.runtime.problems import Unauthenticated

CHECK_TIMEOUT_S = 5.0
_CHECK = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_NO_CLUSTER = "No Ray cluster runs on this machine, and RAY_ADDRESS is not set."
_NO_TOKEN = (
    "The Ray cluster at {address} requires its token, and {what}. Set RAY_AUTH_MODE=token and "
    "RAY_AUTH_TOKEN_PATH to the path of its ray.token."
)


def connect() -> None:
    """Raises Unauthenticated (the token is missing or refused) or Unavailable."""
    if ray.is_initialized():
        return
    try:
        address = services.get_ray_address_from_environment("auto", None)
    except ConnectionError:
        raise Unavailable(_NO_CLUSTER, retry_after_s=5.0) from None
    keep_loopback_address(address)
    try:
        _check(address)
        ray.init(address="auto", namespace="serve", log_to_driver=False)
    except AuthenticationError:
        raise Unauthenticated(_NO_TOKEN.format(address=address, what="none is set")) from None
    except (RayError, RuntimeError, OSError, ValueError) as error:
        detail = f"The Ray cluster at {address} cannot be joined ({type(error).__name__})."
        raise Unavailable(detail, retry_after_s=5.0) from error


def _check(address: str) -> None:
    if address == "auto" or "://" in address:
        return  # resolved by Ray
    loader = AuthenticationTokenLoader.instance()
    metadata = _metadata(loader)
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_CHECK)(b"", timeout=CHECK_TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as error:
            _raise_problem(error, address, has_token=bool(metadata))


def _metadata(loader: AuthenticationTokenLoader) -> tuple[tuple[str, str], ...]:
    if not loader.has_token():
        return ()
    return tuple(
        (name.lower(), value) for name, value in loader.get_token_for_http_header().items()
    )


def _raise_problem(error: grpc.RpcError, address: str, *, has_token: bool) -> None:
    code = error.code()
    if code is grpc.StatusCode.UNAUTHENTICATED:
        what = "refuses the one that is set" if has_token else "none is set"
        raise Unauthenticated(_NO_TOKEN.format(address=address, what=what)) from None
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        raise Unavailable(f"Nothing answers at {address}.", retry_after_s=5.0) from None


def keep_loopback_address(address: str) -> None:
    """Call before `ray.init`. `address` is the cluster's `host:port`; no effect off loopback."""
    if not is_loopback(address.rpartition(":")[0]):
        return
    from ray._private import ray_constants

    os.environ[ONE_MACHINE] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False  # set by Ray at import from the environment
