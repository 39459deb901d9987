"""Series that are Prometheus' own: the alerts of our rules."""

from cluster.production.alerts.rule import PREFIX
from cluster.production.promql import JOB


def firing_alerts() -> str:
    """Alerts of ours that fire, of the installation that a dashboard shows; one that says nothing
    is scraped has no installation."""
    return f'ALERTS{{alertname=~"{PREFIX}.*",alertstate="firing",{JOB}=~"|${JOB}"}}'
