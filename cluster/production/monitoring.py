"""Mobula for the Prometheus operator and for Grafana's sidecar, on Kubernetes.

In: values. Out: services to scrape, monitors, rules, and a ConfigMap for each dashboard. Nothing
without a namespace that may scrape. Monitors and rules are of the operator's
`monitoring.coreos.com/v1`.
"""

from collections.abc import Iterator
from typing import Any

from cluster.production.alerts.files import groups
from cluster.production.dashboards.files import own_files, ray_files
from cluster.production.dashboards.grafana import SCRAPE_INTERVAL
from cluster.production.environment import PORTS, metrics_host
from cluster.production.kubernetes import metadata
from cluster.production.pods import WORKER, labels
from cluster.production.values import Values

API = "monitoring.coreos.com/v1"
DASHBOARD_LABEL = {"grafana_dashboard": "1"}  # what Grafana's sidecar looks for, by default
FOLDER_ANNOTATION = "grafana_folder"
_METRICS, _NODES = "metrics", "nodes"


def render_objects(values: Values) -> dict[str, list[dict[str, Any]]]:
    """By file. Dashboards need `kubectl apply --server-side`: a client-side one keeps a copy of
    each in an annotation, where Ray's do not fit."""
    if values.network.monitoring is None:
        return {}
    return {
        "monitoring.yaml": [
            _service(values, _METRICS, {"http": PORTS.http}, WORKER),
            _service(
                values, _NODES, {"ray": PORTS.metrics, "haproxy": PORTS.haproxy_metrics}, None
            ),
            _monitor(values, _METRICS, [_all_replicas(values)]),
            _monitor(values, _NODES, [_endpoint("ray"), _endpoint("haproxy")]),
            _rules(values),
        ],
        "dashboards.yaml": list(_dashboards(values)),
    }


def _service(
    values: Values, name: str, ports: dict[str, int], component: str | None
) -> dict[str, Any]:
    """That of all nodes has no address: each pod is scraped by its own."""
    spec = {
        **({"clusterIP": "None"} if component is None else {}),
        "selector": labels(values, component),
        "ports": [
            {"name": port, "port": number, "targetPort": number, "protocol": "TCP"}
            for port, number in ports.items()
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _labelled(values, name),
        "spec": spec,
    }


def _labelled(values: Values, name: str) -> dict[str, Any]:
    """Distinguished from the services that KubeRay makes."""
    described = metadata(values, f"{values.name}-{name}")
    return {**described, "labels": {**described["labels"], **_of_service(values, name)}}


def _of_service(values: Values, name: str) -> dict[str, str]:
    return labels(values, name)


def _monitor(values: Values, name: str, endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    described = metadata(values, f"{values.name}-{name}")
    return {
        "apiVersion": API,
        "kind": "ServiceMonitor",
        "metadata": {
            **described,
            "labels": {**described["labels"], **values.monitoring.labels},
        },
        "spec": {
            "selector": {"matchLabels": _of_service(values, name)},
            "endpoints": endpoints,
        },
    }


def _all_replicas(values: Values) -> dict[str, Any]:
    """Whoever is asked answers for every replica of the cluster. So that each series is there once,
    the pods of the service all become the same target, the service itself: Prometheus keeps one of
    targets with equal labels."""
    tls = {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}}
    return {
        **_endpoint("http"),
        "path": "/metrics",
        "authorization": {
            "type": "Bearer",
            "credentials": {"name": values.secrets.name, "key": values.secrets.metrics_key},
        },
        **(tls if values.secrets.tls else {}),
        "relabelings": [
            {
                "action": "replace",
                "targetLabel": "__address__",
                "replacement": f"{metrics_host(values)}:{PORTS.http}",
            },
            {"action": "labeldrop", "regex": "pod|container|node|endpoint"},
        ],
    }


def _endpoint(port: str) -> dict[str, Any]:
    return {"port": port, "interval": SCRAPE_INTERVAL}


def _rules(values: Values) -> dict[str, Any]:
    described = metadata(values, values.name)
    rules = groups(values.monitoring.objectives, values.monitoring.runbooks)
    return {
        "apiVersion": API,
        "kind": "PrometheusRule",
        "metadata": {**described, "labels": {**described["labels"], **values.monitoring.labels}},
        "spec": {"groups": rules},
    }


def _dashboards(values: Values) -> Iterator[dict[str, Any]]:
    folders = (("Mobula", own_files(values.monitoring.objectives)), ("Ray", ray_files()))
    for folder, files in folders:
        for file, text in files.items():
            described = metadata(values, f"{values.name}-{file.removesuffix('.json').lower()}")
            yield {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    **described,
                    "labels": {**described["labels"], **DASHBOARD_LABEL},
                    "annotations": {FOLDER_ANNOTATION: folder},
                },
                "data": {file: text},
            }
