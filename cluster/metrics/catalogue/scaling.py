"""Replicas of deployments, and the decisions of autoscaling."""

from cluster.metrics.metric import counter, gauge

_DEPLOYMENTS = "names of deployments"

REPLICAS = gauge(
    "mobula_deployment_replicas",
    "Replicas of a deployment by state, as Serve's controller says.",
    source="scrape",
    labels=("deployment", "state"),
    labels_from=f"{_DEPLOYMENTS}; ready, starting, stopping",
)
TARGET = gauge(
    "mobula_deployment_target_replicas",
    "Replicas that a deployment is to have, as Serve's controller says.",
    source="scrape",
    labels=("deployment",),
    labels_from=_DEPLOYMENTS,
)
DIED = counter(
    "mobula_deployment_replicas_died_total",
    "Replicas that ended or were replaced although neither a deploy nor the scaling asked for it; "
    "every ingress replica counts all of them since it started: use max without(replica).",
    source="ingress",
    labels=("deployment",),
    labels_from=_DEPLOYMENTS,
)
STATUS_AGE = gauge(
    "mobula_serve_status_age_seconds",
    "Age of what Serve's controller has said; it rises while the controller is away.",
    source="scrape",
)
DECISIONS = counter(
    "mobula_scaling_decisions_total",
    "Decisions of autoscaling since the replica started; every replica counts all of them: use "
    "max without(replica). hold: a wanted change was not made.",
    source="ingress",
    labels=("deployment", "direction", "bound"),
    labels_from=f"{_DEPLOYMENTS}; up, down, hold; what decided: a policy, cooldown, step and so on",
)
