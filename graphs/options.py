"""Serve options of each stage: scaling, queues, health checks and draining.

Models have their own queues (deployments/model); Serve's queues are bounded and nearly empty.
"""

import math
import re
from typing import Any

from cluster.balancing.spec import RoutingSpec
from cluster.collections.sharding import search_shard_name
from deployments.limiter.layout import shard_name
from graphs.args import AppArgs, IngressArgs, LimiterArgs, ServedArgs
from graphs.cache_args import CacheArgs
from graphs.media_args import MediaArgs
from graphs.search_args import SearchArgs
from graphs.text_args import TextArgs
from graphs.video_args import VideoArgs

# A dead replica is detected at the next check, which is part of the replacement time.
HEALTH = {"health_check_period_s": 1.0, "health_check_timeout_s": 5.0}
# Mobula has its own access log (cluster/runtime/line_log.py); Serve's creates a record of every
# request even if it is dropped, unless the level prevents it.
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}
MAX_ONGOING = 100_000  # Mobula does admission control: Serve's limit must never apply
# In a rollout this share of replacements starts first if resources allow, at least one.
SURGE_PERCENT = 25
# How long a draining replica waits for its streams.
DRAINING = {"graceful_shutdown_timeout_s": 150.0, "graceful_shutdown_wait_loop_s": 0.5}

# Window and interval of the metrics for policies. Serve 2.60 warns that the interval will become an
# environment variable, but does not read that variable yet.
METRICS_WINDOW_S = 5.0
METRICS_INTERVAL_S = 1.0


def model_name(model_id: str) -> str:
    """The deployment's name; without slashes, as names are part of log file paths."""
    return "Model:" + re.sub(r"[^A-Za-z0-9_.-]", "-", model_id)


def ingress_options(args: IngressArgs, video: VideoArgs) -> dict[str, Any]:
    """Options of the ingress; it probes recordings, so it needs `video.sandbox`."""
    return {
        "name": "Ingress",
        "num_replicas": args.replicas,
        **_node_limit(args.per_node),
        "ray_actor_options": {"num_cpus": args.num_cpus, **_sandbox_environment(video)},
        "max_ongoing_requests": MAX_ONGOING,
        "max_surge_percent": SURGE_PERCENT,
        "logging_config": LOGGING,
        **DRAINING,
        **HEALTH,
    }


def _node_limit(per_node: int | None) -> dict[str, int]:
    """The limit of replicas on one node."""
    return {} if per_node is None else {"max_replicas_per_node": per_node}


def limiter_options(args: LimiterArgs, number: int = 0, version: int = 1) -> dict[str, Any]:
    """One replica per shard, as each tenant has one owner. Another `version` of the layout, which
    each deployment has, or another number of shards reconfigures a replica and restarts none."""
    return {
        "name": shard_name(number),
        "num_replicas": 1,
        "user_config": {"version": version, "shards": args.shards},
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def cache_options(args: CacheArgs, number: int) -> dict[str, Any]:
    """One replica per shard, as each key has one owner."""
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
    """Options of the clip workers; jobs of a stopping replica resume on another one."""
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


def text_options(args: TextArgs) -> dict[str, Any]:
    """Options of text analysis. A call that a stopping replica had is sent again to another."""
    return {
        "name": "Text",
        "num_replicas": args.replicas,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "request_router_config": router_config(RoutingSpec()),
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 15.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def media_options(args: MediaArgs, video: VideoArgs) -> dict[str, Any]:
    """Options of the replicas that open recordings and pictures, confined as `video.sandbox` says.
    A call that a stopping replica had is sent again to another; its jobs resume there."""
    return {
        "name": "Media",
        "num_replicas": args.replicas,
        "ray_actor_options": {"num_cpus": args.num_cpus, **_sandbox_environment(video)},
        "max_ongoing_requests": MAX_ONGOING,
        "request_router_config": router_config(RoutingSpec()),
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 15.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def search_options(args: SearchArgs, number: int = 0) -> dict[str, Any]:
    """One replica per shard. A call that a stopping replica had is sent again to the next."""
    return {
        "name": search_shard_name(number),
        "num_replicas": 1,
        "ray_actor_options": {"num_cpus": args.num_cpus},
        "max_ongoing_requests": MAX_ONGOING,
        "request_router_config": router_config(RoutingSpec()),
        "max_surge_percent": SURGE_PERCENT,
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        "logging_config": LOGGING,
        **HEALTH,
    }


def _sandbox_environment(video: VideoArgs) -> dict[str, Any]:
    """`video.sandbox` as a setting, if it is not the default; tasks inherit it."""
    if video.sandbox == "required":
        return {}
    return {"runtime_env": {"env_vars": {"MOBULA_VIDEO_SANDBOX": video.sandbox}}}


def model_options(args: ServedArgs) -> dict[str, Any]:
    return {
        "name": model_name(args.id),
        **replica_options(args),
        **_node_limit(args.per_node),
        "ray_actor_options": {"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
        "max_ongoing_requests": MAX_ONGOING,
        "request_router_config": router_config(args.routing),
        "max_surge_percent": SURGE_PERCENT if args.surge else 0,
        "logging_config": LOGGING,
        **DRAINING,
        **HEALTH,
    }


def replica_options(args: ServedArgs) -> dict[str, Any]:
    """A fixed number of replicas, or our scaling policy: Serve's delays and factors are off, and
    reports of replicas and callers are seconds old, not half a minute.
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
        "look_back_period_s": METRICS_WINDOW_S,
        "metrics_interval_s": METRICS_INTERVAL_S,
    }
    return {"autoscaling_config": scaling}


def router_config(routing: RoutingSpec) -> dict[str, Any]:
    """Router options: replicas report their load each second, Serve forwards it to all callers."""
    return {
        "request_router_class": "cluster.balancing.serve_router.ReplicaSetRouter",
        "request_router_kwargs": routing.model_dump(mode="json"),
        "request_routing_stats_period_s": 1.0,
        "request_routing_stats_timeout_s": 5.0,
    }


def declared_cpus(args: AppArgs, cores: int) -> int:
    """The cores, or more if they fit every replica but not the replacements of a rollout.

    If the replicas alone do not fit, it is the cores, so that Ray reports it.
    """
    video = args.video.replicas * args.video.num_cpus if args.video.enabled else 0.0
    limiters = [args.limiter.num_cpus] * args.limiter.shards
    single = [*limiters, *[args.cache.num_cpus] * args.cache.shards]
    models = args.served
    surging = [(cpus, 1) for cpus in single] + [(args.ingress.num_cpus, args.ingress.replicas)]
    if args.text.enabled:
        surging.append((args.text.num_cpus, args.text.replicas))
    if args.search.enabled:
        surging += [(args.search.num_cpus, 1)] * args.search.shards
    if args.media.enabled:
        surging.append((args.media.num_cpus, args.media.replicas))
    surging += [(model.num_cpus, model.replicas) for model in models if model.surge]
    fixed = sum(model.num_cpus * model.replicas for model in models if not model.surge)
    total = video + fixed + sum(cpus * count for cpus, count in surging)
    surge_cpus = sum(cpus * math.ceil(count * SURGE_PERCENT / 100) for cpus, count in surging)
    return cores if total > cores else max(cores, math.ceil(round(total + surge_cpus, 6)))
