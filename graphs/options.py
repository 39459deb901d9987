"""Serve options for each stage: how it scales, queues, is watched and drains.

Queues in front of a model are ours (deployments/model); Serve's are bounded and kept near empty.
"""

import re
from typing import Any

from graphs.args import (
    CacheArgs,
    EmbeddingArgs,
    IngressArgs,
    LimiterArgs,
    ModelArgs,
    VideoArgs,
)

HEALTH = {"health_check_period_s": 2.0, "health_check_timeout_s": 5.0}
# Our access log says more and costs less (cluster/journal.py); Serve's own makes a record of every
# request before it drops it, unless the level forbids that.
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}
MAX_ONGOING = 100_000  # admission is ours: never let Serve's own limit bind first


def model_name(model_id: str) -> str:
    """The deployment's name; ids may hold slashes, names end up in paths of log files."""
    return "Model:" + re.sub(r"[^A-Za-z0-9_.-]", "-", model_id)


def ingress_options(args: IngressArgs) -> dict[str, Any]:
    return {
        "name": "Ingress",
        "num_replicas": args.replicas,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "graceful_shutdown_timeout_s": 30.0,
        "logging_config": LOGGING,
        **HEALTH,
    }


def limiter_options(args: LimiterArgs) -> dict[str, Any]:
    """One replica: two would be two authorities."""
    return {
        "name": "Limiter",
        "num_replicas": 1,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "graceful_shutdown_timeout_s": 5.0,
        "logging_config": LOGGING,
        **HEALTH,
    }


def shelf_options(args: CacheArgs, number: int) -> dict[str, Any]:
    """One replica each: two would claim one key twice."""
    return {
        "name": f"Cache-{number}",
        "num_replicas": 1,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "graceful_shutdown_timeout_s": 5.0,
        "logging_config": LOGGING,
        **HEALTH,
    }


def clipper_options(args: VideoArgs) -> dict[str, Any]:
    """Jobs that run when a replica stops are given back and gone on with elsewhere."""
    options: dict[str, Any] = {
        "name": "Clipper",
        "ray_actor_options": {"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
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
            "policy_function": "deployments.clipper.scaling:by_queue",
            "policy_kwargs": {"jobs": args.jobs},
        },
        "upscale_delay_s": 2.0,
        "downscale_delay_s": 120.0,
    }
    return {**options, "autoscaling_config": scaling}


def model_options(args: ModelArgs | EmbeddingArgs) -> dict[str, Any]:
    per_node = {} if args.per_node is None else {"max_replicas_per_node": args.per_node}
    return {
        "name": model_name(args.id),
        "num_replicas": args.replicas,
        **per_node,
        "ray_actor_options": {"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
        "max_ongoing_requests": MAX_ONGOING,
        "graceful_shutdown_timeout_s": 30.0,
        "logging_config": LOGGING,
        **HEALTH,
    }
