"""Joining the Ray cluster that this process is meant for, or saying at once why not.

Flows in: Ray's own environment (RAY_ADDRESS, RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH). Flows out: an
initialised Ray, or a Problem. Ray itself tries for 20 s whatever is wrong, a missing token too; so
the control service is asked first, with the token that there is.
"""

import grpc
import ray
from ray._private import services
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError

from cluster.ops.driver import keep_loopback_address
from cluster.resilience.failure_class import Unavailable
from cluster.runtime.problems import Unauthenticated

PATIENCE_S = 5.0
_CHECK = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_NO_CLUSTER = "No Ray cluster runs here, and RAY_ADDRESS names none."
_NO_TOKEN = (
    "The Ray cluster at {address} asks for its token, and {what}. Set RAY_AUTH_MODE=token and "
    "RAY_AUTH_TOKEN_PATH to the path of its ray.token."
)


def connect() -> None:
    """Raises Unauthenticated (the cluster refuses the token, or there is none), Unavailable."""
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
        raise Unauthenticated(_NO_TOKEN.format(address=address, what="there is none")) from None
    except (RayError, RuntimeError, OSError, ValueError) as error:
        why = f"The Ray cluster at {address} cannot be joined ({type(error).__name__})."
        raise Unavailable(why, retry_after_s=5.0) from error


def _check(address: str) -> None:
    if address == "auto" or "://" in address:
        return  # Ray finds out
    loader = AuthenticationTokenLoader.instance()
    metadata = _metadata(loader)
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_CHECK)(b"", timeout=PATIENCE_S, metadata=metadata)
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
        what = "refuses the one that is set" if has_token else "there is none"
        raise Unauthenticated(_NO_TOKEN.format(address=address, what=what)) from None
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        raise Unavailable(f"Nothing answers at {address}.", retry_after_s=5.0) from None
