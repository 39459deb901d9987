"""Jobs of videos, and webhooks, which tell of them."""

from cluster.metrics.catalogue import http, jobs, process, storage
from cluster.production.dashboards import uids
from cluster.production.dashboards.library_rows import build_library_row
from cluster.production.dashboards.panel import (
    Dashboard,
    Panel,
    PanelUnit,
    Row,
    Shown,
    rising,
)
from cluster.production.promql import JOB, Queries, like

Q = Queries({JOB: f"${JOB}"})
WORKER = "Clipper"
_OFF = "video is off."
_NONE = "there were no jobs."


def _jobs() -> Row:
    return Row(
        "Jobs",
        (
            Panel(
                "Jobs in the queue",
                # Every worker counts the same queue.
                (Shown(Q.aggregate("max", jobs.JOBS, "state"), "{{state}}"),),
                fills_in=_OFF,
            ),
            Panel(
                "Oldest queued job has waited",
                (Shown(Q.aggregate("max", jobs.OLDEST_WAIT), "oldest"),),
                thresholds=rising(300, 900),
                fills_in=_OFF,
            ),
            Panel(
                "Wait before the first attempt",
                (
                    Shown(Q.quantile(0.5, jobs.QUEUE_WAIT, "kind"), "{{kind}}, median"),
                    Shown(Q.quantile(0.95, jobs.QUEUE_WAIT, "kind"), "{{kind}}, p95"),
                ),
                fills_in=_NONE,
            ),
            Panel(
                "Attempts by outcome",
                (Shown(Q.observed(jobs.DURATION, "kind", "outcome"), "{{kind}} {{outcome}}"),),
                unit=PanelUnit.EVENTS,
                fills_in=_NONE,
            ),
            Panel(
                "Time of an attempt, p95",
                (Shown(Q.quantile(0.95, jobs.DURATION, "kind"), "{{kind}}"),),
                fills_in=_NONE,
            ),
            Panel(
                "Time in a stage, mean",
                (Shown(Q.mean(jobs.STAGES, "kind", "stage"), "{{kind}} {{stage}}"),),
                unit=PanelUnit.SECONDS,
                is_stacked=True,
                fills_in=_NONE,
            ),
            Panel(
                "Clips",
                (Shown(Q.rate(jobs.CLIPS, "outcome"), "{{outcome}}"),),
                fills_in=_NONE,
            ),
            Panel(
                "Seconds of video analysed, a second",
                (Shown(Q.rate(jobs.VIDEO_SECONDS), "analysed"),),
                unit=PanelUnit.COUNT,
                fills_in=_NONE,
            ),
            Panel(
                "Requests about videos and jobs",
                (
                    Shown(
                        Q.rate(
                            http.REQUESTS, "route", route=like(".*/(videos|jobs|clips|uploads).*")
                        ),
                        "{{route}}",
                    ),
                ),
                unit=PanelUnit.REQUESTS,
                fills_in="nobody asked for any.",
            ),
        ),
    )


def _workers() -> Row:
    return Row(
        "Workers",
        (
            Panel(
                "CPU",
                (Shown(Q.rate(process.CPU, "replica", deployment=WORKER), "{{replica}}"),),
                unit=PanelUnit.COUNT,
                about="In cores. Rendering runs in child processes, which are not in it.",
                fills_in=_OFF,
            ),
            Panel(
                "Memory",
                (Shown(Q.sum(process.MEMORY, "replica", deployment=WORKER), "{{replica}}"),),
                fills_in=_OFF,
            ),
        ),
    )


def _webhooks() -> Row:
    return Row(
        "Webhooks",
        (
            Panel(
                "Deliveries by outcome",
                (Shown(Q.rate(storage.DELIVERIES, "outcome"), "{{outcome}}"),),
            ),
            Panel(
                "Deliveries that are due",
                (
                    Shown(Q.aggregate("max", storage.WEBHOOK_BACKLOG), "due"),
                    Shown(Q.sum(storage.DELIVERIES_OPEN), "attempted now"),
                ),
            ),
            Panel(
                "Oldest delivery has been due for",
                (Shown(Q.aggregate("max", storage.WEBHOOK_OLDEST), "oldest"),),
                thresholds=rising(60, 600),
            ),
        ),
    )


DASHBOARD = Dashboard(
    uids.JOBS_AND_VIDEO,
    "Mobula: jobs and video",
    "Jobs of videos, their workers, webhooks, and the post library.",
    (_jobs(), _workers(), _webhooks(), build_library_row()),
)
