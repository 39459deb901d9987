"""Serve options for each stage: how it scales, queues, is watched and drains.

Queues in front of a model are ours (deployments/model); Serve's are bounded and kept near empty.
"""

import re
from typing import Any

from cluster.balancing.spec import RoutingSpec
from graphs.args import (
    CacheArgs,
    EmbeddingArgs,
    IngressArgs,
    LimiterArgs,
    ModelArgs,
    VideoArgs,
)

# A replica that died is noticed at the next check: this is a part of what replacing it takes.
HEALTH = {"health_check_period_s": 1.0, "health_check_timeout_s": 5.0}
# Our access log says more and costs less (cluster/runtime/line_log.py); Serve's own makes a record
# of every request before it drops it, unless the level forbids that.
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}
MAX_ONGOING = 100_000  # admission is ours: never let Serve's own limit bind first
# In a roll the replacement starts first, where there is room for it: one in four, at least one.
SURGE_PERCENT = 25
# A replica that leaves waits so long for its streams to end; with nothing open, a moment.
LEAVING = {"graceful_shutdown_timeout_s": 150.0, "graceful_shutdown_wait_loop_s": 0.5}

# What policies see: a mean over so long, told so often. Serve 2.60 warns that the second is to be
# an environment variable one day, and does not read that variable yet.
LOOK_BACK_S = 5.0
REPORT_S = 1.0


def model_name(model_id: str) -> str:
    """The deployment's name; ids may hold slashes, names end up in paths of log files."""
    return "Model:" + re.sub(r"[^A-Za-z0-9_.-]", "-", model_id)


def ingress_options(args: IngressArgs, video: VideoArgs) -> dict[str, Any]:
    """It probes recordings, so it is told how `video` wants them opened."""
    return {
        "name": "Ingress",
        "num_replicas": args.replicas,
        **_bound(args.per_node),
        "ray_actor_options": {"num_cpus": args.num_cpus, **_sandbox_environment(video)},
        "max_ongoing_requests": MAX_ONGOING,
        "max_surge_percent": SURGE_PERCENT,
        "logging_config": LOGGING,
        **LEAVING,
        **HEALTH,
    }


def _bound(per_node: int | None) -> dict[str, int]:
    """How many replicas of it a node may hold."""
    return {} if per_node is None else {"max_replicas_per_node": per_node}


def limiter_options(args: LimiterArgs) -> dict[str, Any]:
    """One replica: two would be two authorities."""
    return {
        "name": "Limiter",
        "num_replicas": 1,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def cache_options(args: CacheArgs, number: int) -> dict[str, Any]:
    """One replica each: two would claim one key twice."""
    return {
        "name": f"Cache-{number}",
        "num_replicas": 1,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def clipper_options(args: VideoArgs) -> dict[str, Any]:
    """Jobs that run when a replica stops are given back and gone on with elsewhere."""
    options: dict[str, Any] = {
        "name": "Clipper",
        "ray_actor_options": {
            "num_cpus": args.num_cpus,
            "num_gpus": args.num_gpus,
            **_sandbox_environment(args),
        },
        "max_ongoing_requests": MAX_ONGOING,
        "graceful_shutdown_timeout_s": 15.0,
        "logging_config": LOGGING,
        **HEALTH,
    }
    if args.max_replicas <= args.replicas:
        return {**options, "num_replicas": args.replicas}
    scaling = {
        "min_replicas": args.replicas,
        "max_replicas": args.max_replicas,
        "policy": {
            "policy_function": "deployments.video.scaling:QueueScalingPolicy",
            "policy_kwargs": {"jobs": args.jobs},
        },
        "upscale_delay_s": 2.0,
        "downscale_delay_s": 120.0,
    }
    return {**options, "autoscaling_config": scaling}


def _sandbox_environment(video: VideoArgs) -> dict[str, Any]:
    """`video.sandbox` as Settings reads it, where it is not the default; tasks inherit it."""
    if video.sandbox == "required":
        return {}
    return {"runtime_env": {"env_vars": {"MOBULA_VIDEO_SANDBOX": video.sandbox}}}


def model_options(args: ModelArgs | EmbeddingArgs) -> dict[str, Any]:
    return {
        "name": model_name(args.id),
        **replica_options(args),
        **_bound(args.per_node),
        "ray_actor_options": {"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
        "max_ongoing_requests": MAX_ONGOING,
        "request_router_config": router_config(args.routing),
        "max_surge_percent": SURGE_PERCENT if args.surge else 0,
        "logging_config": LOGGING,
        **LEAVING,
        **HEALTH,
    }


def replica_options(args: ModelArgs | EmbeddingArgs) -> dict[str, Any]:
    """A fixed number, or one that our policy decides on: Serve's own delays and factors are off,
    and what replicas and callers report is seconds old, not half a minute.
    """
    spec = args.scaling
    if spec is None:
        return {"num_replicas": args.replicas}
    policy = {
        "policy_function": "cluster.autoscaling.serve_policy:ModelPolicy",
        "policy_kwargs": {
            "spec": spec.model_dump(mode="json"),
            "cpus": args.num_cpus,
            "gpus": args.num_gpus,
            "start": args.replicas,
        },
    }
    scaling = {
        "min_replicas": spec.min_replicas,
        "max_replicas": spec.max_replicas,
        "policy": policy,
        "target_ongoing_requests": spec.target_requests,
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 0.0,
        "look_back_period_s": LOOK_BACK_S,
        "metrics_interval_s": REPORT_S,
    }
    return {"autoscaling_config": scaling}


def router_config(routing: RoutingSpec) -> dict[str, Any]:
    """Replicas say each second what they have to do; Serve tells all callers where it changed."""
    return {
        "request_router_class": "cluster.balancing.serve_router.ReplicaSetRouter",
        "request_router_kwargs": routing.model_dump(mode="json"),
        "request_routing_stats_period_s": 1.0,
        "request_routing_stats_timeout_s": 5.0,
    }
