"""Rows of the cluster's dashboard: dependencies, deployments, nodes."""

from cluster.metrics.catalogue import health, node, scaling
from cluster.production.dashboards.panel import (
    ANY_IS_WRONG,
    Panel,
    PanelKind,
    PanelUnit,
    Row,
    Shown,
    falling,
    rising,
)
from cluster.production.dashboards.shared import STATES, free_disk
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}", "deployment": like("$deployment"), "replica": like("$replica")})


def dependencies() -> Row:
    return Row(
        "Dependencies",
        (
            Panel(
                "State",
                (Shown(Q.aggregate("min", health.UP, "dependency"), "{{dependency}}"),),
                PanelKind.STATES,
                texts=STATES,
                thresholds=falling(0.5, 1),
                width=12,
                height=11,
            ),
            Panel(
                "Time of a check",
                (Shown(Q.aggregate("max", health.LATENCY, "dependency"), "{{dependency}}"),),
                width=12,
                height=11,
            ),
            Panel(
                "Faults found",
                (
                    Shown(
                        Q.rate(
                            health.CHECKS,
                            "dependency",
                            "outcome",
                            outcome=like("fault|timeout|skipped"),
                        ),
                        "{{dependency}} {{outcome}}",
                    ),
                ),
                thresholds=ANY_IS_WRONG,
            ),
            Panel(
                "Changes of the state",
                (Shown(Q.rate(health.CHANGES, "dependency"), "{{dependency}}"),),
            ),
            Panel(
                "In its state for",
                (Shown(Q.aggregate("min", health.STATE_AGE, "dependency"), "{{dependency}}"),),
            ),
        ),
    )


def deployments() -> Row:
    return Row(
        "Deployments",
        (
            Panel(
                "Replicas by state",
                (
                    Shown(
                        Q.aggregate("max", scaling.REPLICAS, "deployment", "state"),
                        "{{deployment}} {{state}}",
                    ),
                    Shown(
                        Q.aggregate("max", scaling.TARGET, "deployment"),
                        "{{deployment}}, to be there",
                    ),
                ),
            ),
            Panel(
                "Replicas that died",
                (
                    Shown(
                        Q.shared_increase(scaling.DIED, "deployment", window="$__range"),
                        "{{deployment}}",
                    ),
                ),
                unit=PanelUnit.COUNT,
                about="In the time that is shown; no deploy and no scaling had asked for it.",
                thresholds=ANY_IS_WRONG,
            ),
            Panel(
                "Decisions of autoscaling",
                (
                    Shown(
                        Q.shared(scaling.DECISIONS, "deployment", "direction", "bound"),
                        "{{deployment}} {{direction}}: {{bound}}",
                    ),
                ),
                fills_in="nothing was decided.",
            ),
            Panel(
                "Age of what Serve's controller has said",
                (Shown(Q.aggregate("max", scaling.STATUS_AGE), "age"),),
                thresholds=rising(15, 60),
            ),
        ),
    )


def nodes() -> Row:
    used, size = node.GPU_MEMORY_USED, node.GPU_MEMORY
    no_gpu = "no node has a GPU."
    return Row(
        "Nodes",
        (
            Panel(
                "CPU: busy",
                (Shown(Q.aggregate("max", node.CPU, "node"), "{{node}}"),),
                maximum=1,
                thresholds=rising(0.8, 0.95),
            ),
            Panel(
                "CPUs",
                (Shown(Q.aggregate("max", node.CPUS, "node"), "{{node}}"),),
            ),
            Panel(
                "Memory: available",
                (
                    Shown(
                        f"{Q.aggregate('min', node.MEMORY_AVAILABLE, 'node')}"
                        f" / {Q.aggregate('max', node.MEMORY, 'node')}",
                        "{{node}}",
                    ),
                ),
                unit=PanelUnit.RATIO,
                maximum=1,
                thresholds=falling(0.05, 0.15),
            ),
            Panel(
                "Disks: free",
                (Shown(free_disk(Q), "{{node}} {{disk}}"),),
                unit=PanelUnit.RATIO,
                maximum=1,
                thresholds=falling(0.05, 0.15),
            ),
            Panel(
                "GPUs: busy",
                (Shown(Q.aggregate("max", node.GPU_USED, "node", "gpu"), "{{node}} {{gpu}}"),),
                maximum=1,
                fills_in=no_gpu,
            ),
            Panel(
                "GPUs: memory used",
                (
                    Shown(
                        f"{Q.aggregate('max', used, 'node', 'gpu')}"
                        f" / {Q.aggregate('max', size, 'node', 'gpu')}",
                        "{{node}} {{gpu}}",
                    ),
                ),
                unit=PanelUnit.RATIO,
                maximum=1,
                fills_in=no_gpu,
            ),
        ),
    )
