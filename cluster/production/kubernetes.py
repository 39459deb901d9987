"""Mobula on Kubernetes: a RayService for KubeRay and the objects around it.

Flows in: values and the Serve configuration. Flows out: objects in the order to apply them. Fields
of RayService are those of KubeRay 1.7's `ray.io/v1`.
"""

from typing import Any

import yaml

from cluster.production import pods
from cluster.production.environment import PORTS
from cluster.production.pods import DRAIN_MARGIN_S, HEAD, WORKER, labels, service_account
from cluster.production.serve_config import cluster_serve_config
from cluster.production.values import Upgrade, Values, Workers

RAY_VERSION = "2.60.0"


def render_objects(values: Values, serve_config: dict[str, Any]) -> list[dict[str, Any]]:
    """Raises InvalidValues. The operator makes the namespace and the Secrets."""
    return [
        *(_service_account(values, component) for component in (HEAD, WORKER)),
        *_policies(values),
        *_disruption_budget(values),
        ray_service(values, serve_config),
    ]


def ray_service(values: Values, serve_config: dict[str, Any]) -> dict[str, Any]:
    config = cluster_serve_config(serve_config, values)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": metadata(values, values.name),
        "spec": {
            "upgradeStrategy": _upgrade(values.upgrade),
            # The old cluster's streams and pieces of jobs get this long to end.
            "rayClusterDeletionDelaySeconds": values.longest_stream_s + DRAIN_MARGIN_S,
            "excludeHeadPodFromServeSvc": True,
            "serveConfigV2": yaml.safe_dump(config, sort_keys=False, width=100),
            "rayClusterConfig": _ray_cluster(values),
        },
    }


def _upgrade(upgrade: Upgrade) -> dict[str, Any]:
    if upgrade.strategy == "new-cluster":
        return {"type": "NewCluster"}
    options = {
        "gatewayClassName": upgrade.gateway_class,
        "stepSizePercent": upgrade.step_percent,
        "intervalSeconds": upgrade.interval_s,
        "maxSurgePercent": upgrade.surge_percent,
    }
    return {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": options}


def _ray_cluster(values: Values) -> dict[str, Any]:
    groups = [_group(values, "cpu", values.workers)]
    if values.gpu_workers is not None:
        groups.append(_group(values, "gpu", values.gpu_workers))
    start = {"num-cpus": "0", "port": str(PORTS.gcs), "dashboard-host": "0.0.0.0"}
    start["dashboard-port"] = str(PORTS.dashboard)
    return {
        "rayVersion": RAY_VERSION,
        "authOptions": {"mode": "token", "secretName": values.secrets.ray},
        "gcsFaultToleranceOptions": _control_store(values),
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "version": "v2",
            "idleTimeoutSeconds": 300,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": pods.security_context(),
            "resources": _same(cpu="500m", memory="1Gi"),
        },
        "headGroupSpec": {
            "rayStartParams": {**start, **_every_node()},
            "template": pods.head(values),
        },
        "workerGroupSpecs": groups,
    }


def _control_store(values: Values) -> dict[str, Any]:
    """Where Ray control keeps its state, so that a lost head comes back knowing everything."""
    options: dict[str, Any] = {"redisAddress": values.gcs_redis}
    key = values.secrets.gcs_redis_password
    if key is not None:
        reference = {"secretKeyRef": {"name": values.secrets.name, "key": key}}
        options["redisPassword"] = {"valueFrom": reference}
    return options


def _group(values: Values, name: str, group: Workers) -> dict[str, Any]:
    return {
        "groupName": name,
        "replicas": group.min,
        "minReplicas": group.min,
        "maxReplicas": group.max,
        "rayStartParams": _every_node(),
        "template": pods.workers(values, group),
    }


def _every_node() -> dict[str, str]:
    return {
        "dashboard-agent-listen-port": str(PORTS.agent),
        "metrics-export-port": str(PORTS.metrics),
    }


def _same(**amounts: str) -> dict[str, Any]:
    return {"requests": amounts, "limits": dict(amounts)}


def metadata(values: Values, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": values.namespace, "labels": labels(values)}


def _service_account(values: Values, component: str) -> dict[str, Any]:
    """KubeRay gives the head's the right to change its own cluster's pods."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(values, service_account(values, component)),
        "automountServiceAccountToken": component == HEAD,
    }


def _disruption_budget(values: Values) -> list[dict[str, Any]]:
    """One worker at a time. Kubernetes takes only `minAvailable` for pods of a custom controller,
    and a group of one could never be drained with it."""
    if values.workers.min < 2:
        return []
    spec = {
        "minAvailable": values.workers.min - 1,
        "selector": {"matchLabels": labels(values, WORKER)},
    }
    name = service_account(values, "workers")
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(values, name),
            "spec": spec,
        }
    ]


def _policies(values: Values) -> list[dict[str, Any]]:
    """Replica ports, Ray's and HAProxy's are open to the nodes of this installation alone: one
    packet to a port of Ray's ends the cluster, whatever its token."""
    network = values.network
    among = [{"podSelector": {"matchLabels": labels(values, node)}} for node in (HEAD, WORKER)]
    policies = [
        _policy(values, "internal", None, among, []),
        _policy(values, "http", WORKER, _namespaces(network.callers), [PORTS.http]),
        _policy(values, "operator", HEAD, _namespaces((network.operator,)), [PORTS.dashboard]),
    ]
    if network.monitoring is not None:
        monitoring = _namespaces((network.monitoring,))
        ports = [PORTS.metrics, PORTS.haproxy_metrics]
        policies.append(_policy(values, "monitoring", None, monitoring, ports))
        policies.append(_policy(values, "metrics", WORKER, monitoring, [PORTS.http]))
    return policies


def _namespaces(names: tuple[str, ...]) -> list[dict[str, Any]]:
    label = "kubernetes.io/metadata.name"
    return [{"namespaceSelector": {"matchLabels": {label: name}}} for name in names]


def _policy(
    values: Values, name: str, to: str | None, peers: list[dict[str, Any]], ports: list[int]
) -> dict[str, Any]:
    """No `ports`: all of them."""
    rule: dict[str, Any] = {"from": peers}
    if ports:
        rule["ports"] = [{"protocol": "TCP", "port": port} for port in ports]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(values, service_account(values, name)),
        "spec": {
            "podSelector": {"matchLabels": labels(values, to)},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }
