"""Objects for the Prometheus operator and Grafana's sidecar: accepted, about pods that exist."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from cluster.production.alerts.slo import Objectives
from cluster.production.dashboards.files import own_files, ray_files
from cluster.production.environment import PORTS, allowed_hosts
from cluster.production.render import render
from cluster.production.values import Values, parse
from tests.tools.production.kubernetes_rendered import LARGE, SERVE_CONFIG, SMALL, templates
from tests.tools.production.monitoring_v1 import KINDS, validate

TLS = parse(
    {
        "name": "acme",
        "blobs": "s3://bucket/prefix",
        "secrets": {"tls": "api-tls", "metrics_key": "prometheus"},
        "network": {"monitoring": "monitoring"},
        "monitoring": {"labels": {"release": "prometheus"}},
    }
)
EVERY = pytest.mark.parametrize("values", [LARGE, TLS], ids=["large", "tls"])
MEBIBYTE = 1 << 20


def objects(values: Values, file: str = "monitoring.yaml") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(render("kubernetes", values, SERVE_CONFIG)[file]))


def of_kind(values: Values, kind: str) -> dict[str, dict[str, Any]]:
    found = (each for each in objects(values) if each["kind"] == kind)
    return {each["metadata"]["name"]: each for each in found}


def test_nothing_is_rendered_for_a_cluster_that_nobody_may_scrape() -> None:
    assert list(render("kubernetes", SMALL, SERVE_CONFIG)) == ["mobula.yaml"]


@EVERY
def test_every_object_is_what_its_api_accepts(values: Values) -> None:
    for each in objects(values):
        if each["kind"] in KINDS:
            validate(each)
        else:
            kubernetes_validate.validate(each, "1.37", strict=True)


def test_the_transcription_refuses_what_the_operator_refuses() -> None:
    [rules] = of_kind(TLS, "PrometheusRule").values()
    rules["spec"]["groups"][0]["rules"][0]["fro"] = "5m"
    with pytest.raises(ValueError, match="fro"):
        validate(rules)


@EVERY
def test_a_monitor_finds_its_service_and_the_service_its_pods(values: Values) -> None:
    pods = [template["metadata"]["labels"] for template in templates(values)]
    services = of_kind(values, "Service")
    for name, monitor in of_kind(values, "ServiceMonitor").items():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [
            each for each in services.values() if wanted <= each["metadata"]["labels"].items()
        ]
        assert service["metadata"]["name"] == name
        ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
        assert [each["port"] for each in monitor["spec"]["endpoints"]] == list(ports)
        assert any(service["spec"]["selector"].items() <= labels.items() for labels in pods)
    assert set(services) == {f"{values.name}-metrics", f"{values.name}-nodes"}


@EVERY
def test_all_replicas_are_asked_for_once_by_an_allowed_name_and_with_the_key(
    values: Values,
) -> None:
    """Each ingress replica answers for all: a target for every pod would count everything twice.
    tests/tools/production/test_prometheus.py shows that Prometheus takes one of equal targets."""
    monitor = of_kind(values, "ServiceMonitor")[f"{values.name}-metrics"]
    [endpoint] = monitor["spec"]["endpoints"]
    replaced, dropped = endpoint["relabelings"]

    host = f"{values.name}-metrics.{values.namespace}.svc"
    assert replaced["replacement"] == f"{host}:{PORTS.http}"
    assert replaced["targetLabel"] == "__address__"
    assert set(dropped["regex"].split("|")) == {"pod", "container", "node", "endpoint"}
    assert host in allowed_hosts(values) or "*" in values.hosts
    assert endpoint["authorization"]["credentials"] == {
        "name": values.secrets.name,
        "key": values.secrets.metrics_key,
    }
    assert (endpoint.get("scheme") == "https") == (values.secrets.tls is not None)


@EVERY
def test_the_operators_labels_are_on_what_it_looks_for(values: Values) -> None:
    for each in objects(values):
        if each["kind"] in KINDS:
            assert values.monitoring.labels.items() <= each["metadata"]["labels"].items()


@EVERY
def test_every_dashboard_is_a_config_map_that_the_sidecar_finds_and_etcd_takes(
    values: Values,
) -> None:
    maps = objects(values, "dashboards.yaml")
    found = {}
    for each in maps:
        kubernetes_validate.validate(each, "1.37", strict=True)
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"]["grafana_folder"] in {"Mobula", "Ray"}
        [(name, text)] = each["data"].items()
        assert len(text.encode()) < MEBIBYTE
        found[name] = text
    assert found == {**own_files(Objectives()), **ray_files()}
    names = [each["metadata"]["name"] for each in maps]
    assert len(names) == len(set(names))
