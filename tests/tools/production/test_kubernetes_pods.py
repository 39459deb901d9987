"""Pods on Kubernetes: closed to the outside, patient with streams, without privileges."""

import re

import pytest

from cluster.ops.ports import BLOCK, Ports
from cluster.production.environment import PORTS
from cluster.production.pods import READY, termination_grace_s
from cluster.production.values import Values, parse
from cluster.runtime.settings import Settings
from graphs import options
from graphs.args import AppArgs
from tests.tools.production.kubernetes_rendered import (
    EVERY,
    LARGE,
    OPENAPI,
    SERVE_CONFIG,
    SMALL,
    containers,
    manifests,
    ray_service,
    templates,
    worker_containers,
)


@EVERY
def test_every_port_is_the_one_that_the_rest_of_mobula_uses(values: Values) -> None:
    expected = Ports.of(Settings(http_port=8000, dashboard_port=8265, gcs_port=6379))
    assert expected == PORTS
    cluster = ray_service(values)["rayClusterConfig"]
    start = cluster["headGroupSpec"]["rayStartParams"]
    assert start["port"] == str(expected.gcs)
    assert start["dashboard-port"] == str(expected.dashboard)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["rayStartParams"]["dashboard-agent-listen-port"] == str(expected.agent)
        assert group["rayStartParams"]["metrics-export-port"] == str(expected.metrics)
    for container in worker_containers(values):
        named = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert named == {"serve": expected.http, "metrics": expected.metrics}


@EVERY
def test_from_outside_only_the_http_port_of_workers_is_reached(values: Values) -> None:
    closed = {PORTS.gcs, PORTS.agent, PORTS.haproxy_stats, PORTS.fallback_http}
    closed |= set(range(PORTS.replicas, PORTS.replicas + BLOCK))
    reached: dict[str, set[tuple[str | None, int]]] = {}
    for policy in (each for each in manifests(values) if each["kind"] == "NetworkPolicy"):
        spec = policy["spec"]
        assert spec["policyTypes"] == ["Ingress"]
        to = spec["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
        for rule in spec["ingress"]:
            for peer in rule["from"]:
                if "podSelector" in peer:  # this installation's own pods
                    assert peer["podSelector"]["matchLabels"].keys() >= {
                        "app.kubernetes.io/instance"
                    }
                    continue
                labels = peer["namespaceSelector"]["matchLabels"]
                namespace = labels["kubernetes.io/metadata.name"]
                ports = {(to, port["port"]) for port in rule["ports"]}
                reached.setdefault(namespace, set()).update(ports)

    assert not {port for ports in reached.values() for _, port in ports} & closed
    network = values.network
    assert reached.pop(network.operator) == {("head", PORTS.dashboard)}
    for caller in network.callers:
        assert reached.pop(caller) == {("worker", PORTS.http)}
    if network.monitoring is not None:
        of_nodes = {(None, PORTS.metrics), (None, PORTS.haproxy_metrics)}
        metrics = {*of_nodes, ("worker", PORTS.http)}
        assert reached.pop(network.monitoring) == metrics
    assert reached == {}


@EVERY
def test_policies_select_the_pods_there_are(values: Values) -> None:
    pods = [template["metadata"]["labels"] for template in templates(values)]
    for each in manifests(values):
        if each["kind"] in {"NetworkPolicy", "PodDisruptionBudget"}:
            spec = each["spec"]
            wanted = spec.get("podSelector", spec.get("selector"))["matchLabels"]
            assert any(wanted.items() <= labels.items() for labels in pods)


@EVERY
def test_a_worker_is_ready_when_a_replica_answers_through_its_own_proxy(values: Values) -> None:
    assert READY in OPENAPI["paths"]
    for container in worker_containers(values):
        probe = container["readinessProbe"]["httpGet"]
        assert (probe["path"], probe["port"]) == (READY, PORTS.http)


def test_probes_ask_for_a_host_that_is_allowed() -> None:
    [container, _] = worker_containers(LARGE)
    headers = container["readinessProbe"]["httpGet"]["httpHeaders"]
    assert headers == [{"name": "Host", "value": "probe.example.com"}]
    assert "httpHeaders" not in worker_containers(SMALL)[0]["readinessProbe"]["httpGet"]


@pytest.mark.parametrize(
    "values",
    [SMALL, LARGE, Values(blobs="s3://b/p", longest_stream_s=120)],
    ids=["small", "large", "shortest"],
)
def test_a_pod_that_ends_waits_for_its_replicas_and_for_the_longest_stream(values: Values) -> None:
    args = AppArgs.model_validate(SERVE_CONFIG["applications"][0]["args"])
    stages = [
        options.ingress_options(args.ingress, args.video),
        options.limiter_options(args.limiter),
        options.cache_options(args.cache, 0),
        options.clipper_options(args.video),
        *(options.model_options(model) for model in args.models),
    ]
    slowest = max(stage["graceful_shutdown_timeout_s"] for stage in stages)
    grace = termination_grace_s(values)

    assert grace > max(slowest, values.longest_stream_s)
    spec = ray_service(values)
    assert spec["rayClusterDeletionDelaySeconds"] > max(slowest, values.longest_stream_s)
    for template in list(templates(values))[1:]:
        assert template["spec"]["terminationGracePeriodSeconds"] == grace
        command = template["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert command[:3] == ["python", "-m", "cluster.ops.node_drain"]
        assert float(command[-1]) < grace


@EVERY
def test_the_head_serves_nothing_and_outlives_its_pod(values: Values) -> None:
    spec = ray_service(values)
    cluster = spec["rayClusterConfig"]
    assert spec["excludeHeadPodFromServeSvc"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["gcsFaultToleranceOptions"]["redisAddress"] == values.gcs_redis
    assert "externalStorageNamespace" not in cluster["gcsFaultToleranceOptions"]


@EVERY
def test_the_store_is_made_ready_before_the_head_starts(values: Values) -> None:
    [first] = ray_service(values)["rayClusterConfig"]["headGroupSpec"]["template"]["spec"][
        "initContainers"
    ]
    assert first["command"] == ["python", "-m", "cluster.cli", "bootstrap", "--accept-newer"]
    names = {entry["name"] for entry in first["env"]}
    assert {"MOBULA_DATABASE_URL", "MOBULA_PEPPER", "MOBULA_BOOTSTRAP_KEY"} <= names


@EVERY
def test_no_container_has_a_privilege_or_writes_to_its_image(values: Values) -> None:
    for container in containers(values):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/tmp", "/var/lib/mobula"} <= mounts
    for template in templates(values):
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        head = "head" in template["metadata"]["labels"].values()
        assert template["spec"]["automountServiceAccountToken"] is head


@EVERY
def test_a_disruption_takes_one_worker_and_can_always_take_one(values: Values) -> None:
    [budget] = [each for each in manifests(values) if each["kind"] == "PodDisruptionBudget"]
    assert budget["spec"]["minAvailable"] == values.workers.min - 1


def test_a_single_worker_has_no_budget_that_would_keep_its_node_from_being_drained() -> None:
    values = parse({"blobs": "s3://b/p", "workers": {"min": 1, "max": 1}})
    assert "PodDisruptionBudget" not in {each["kind"] for each in manifests(values)}


def test_a_gpu_group_asks_for_its_gpus_and_runs_the_gpu_image() -> None:
    _, gpu = ray_service(LARGE)["rayClusterConfig"]["workerGroupSpecs"]
    [container] = gpu["template"]["spec"]["containers"]
    assert container["image"].endswith("-gpu")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert gpu["template"]["spec"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists"}
    ]


@EVERY
def test_sizes_are_asked_for_as_they_are_limited(values: Values) -> None:
    for container in containers(values):
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert re.fullmatch(r"\d+Gi", resources["limits"]["memory"])


def test_with_a_certificate_pods_speak_tls_and_are_asked_so() -> None:
    values = parse({"blobs": "s3://bucket/prefix", "secrets": {"tls": "api-tls"}})
    for template in templates(values):
        volumes = {each["name"]: each for each in template["spec"]["volumes"]}
        assert volumes["tls"]["secret"] == {"secretName": "api-tls"}
    for container in worker_containers(values):
        text = {each["name"]: each.get("value") for each in container["env"]}
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "tls"]
        assert text["MOBULA_TLS_CERT_FILE"] == f"{mount['mountPath']}/tls.crt"
        assert text["MOBULA_TLS_KEY_FILE"] == f"{mount['mountPath']}/tls.key"
        assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    for container in worker_containers(SMALL):
        assert "scheme" not in container["readinessProbe"]["httpGet"]
