"""Manifests for Kubernetes: valid, without secrets, and the same whoever renders them."""

import sys

import kubernetes_validate
import pytest
import yaml
from pydantic import SecretStr

from cluster.ops.environment import serve_environment
from cluster.production.environment import HAPROXY, IN_IMAGE, PORTS, allowed_hosts
from cluster.production.kubernetes import RAY_VERSION, render_objects
from cluster.production.render import render
from cluster.production.values import InvalidValues, Values
from cluster.runtime.settings import Settings
from graphs.args import AppArgs
from tests.tools.production.kubernetes_rendered import (
    EVERY,
    ROOT,
    SERVE,
    SERVE_CONFIG,
    SMALL,
    containers,
    manifests,
    ray_service,
    templates,
)
from tests.tools.production.rayservice_v1 import RayService

VERSIONS = ("1.30", "1.37")
PINS = (ROOT / "constraints.txt").read_text()


@EVERY
@pytest.mark.parametrize("version", VERSIONS)
def test_every_core_object_is_what_kubernetes_accepts(values: Values, version: str) -> None:
    kinds = []
    for each in manifests(values):
        if each["kind"] != "RayService":
            kubernetes_validate.validate(each, version, strict=True)
            kinds.append(each["kind"])
    assert {"ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"} == set(kinds)


def test_an_unknown_field_of_a_core_object_is_refused() -> None:
    account = next(each for each in manifests(SMALL) if each["kind"] == "ServiceAccount")
    account["automountServiceAccountTokens"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="automountServiceAccountTokens"):
        kubernetes_validate.validate(account, VERSIONS[0], strict=True)


@EVERY
@pytest.mark.parametrize("version", VERSIONS)
def test_every_pod_is_what_kubernetes_accepts(values: Values, version: str) -> None:
    for template in templates(values):
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}}
        kubernetes_validate.validate({**pod, "template": template}, version, strict=True)


@EVERY
def test_the_rayservice_is_what_our_transcription_of_kuberay_accepts(values: Values) -> None:
    service = next(each for each in manifests(values) if each["kind"] == "RayService")
    RayService.model_validate(service)


def test_the_transcription_refuses_what_kuberay_refuses() -> None:
    service = next(each for each in manifests(SMALL) if each["kind"] == "RayService")
    service["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"] = False
    with pytest.raises(ValueError, match="Assertion failed"):
        RayService.model_validate(service)


@EVERY
def test_rays_version_is_the_one_that_is_pinned(values: Values) -> None:
    assert ray_service(values)["rayClusterConfig"]["rayVersion"] == RAY_VERSION
    assert f"\nray=={RAY_VERSION}\n" in PINS


@EVERY
def test_what_is_served_is_what_the_application_accepts(values: Values) -> None:
    config = yaml.safe_load(ray_service(values)["serveConfigV2"])

    assert config["proxy_location"] == "EveryNode"
    assert config["http_options"] == {"host": "0.0.0.0", "port": PORTS.http}
    args = AppArgs.model_validate(config["applications"][0]["args"])
    assert args.video.store == "s3://bucket/prefix/blobs"


def test_a_folder_of_one_node_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidValues, match=r"blobs: .*video\.store.*s3://bucket/prefix"):
        render_objects(Values(), SERVE_CONFIG)


@EVERY
def test_every_setting_in_a_container_exists(values: Values) -> None:
    for container in containers(values):
        names = [entry["name"] for entry in container["env"]]
        assert len(names) == len(set(names))
        ours = {name.removeprefix("MOBULA_").lower() for name in names if "MOBULA_" in name}
        wrappers = {name.removeprefix("MOBULA_").lower() for name in SERVE}  # of HAProxy
        assert ours - wrappers <= Settings.model_fields.keys()
        text = {
            entry["name"].removeprefix("MOBULA_").lower(): entry["value"]
            for entry in container["env"]
            if entry["name"].startswith("MOBULA_") and "value" in entry
        }
        settings = Settings.model_validate({**text, "hosts": values.hosts})
        assert settings.max_timeout_s == values.longest_stream_s
        assert settings.allowed_hosts == allowed_hosts(values)


@EVERY
def test_serve_runs_in_the_environment_of_every_other_cluster(values: Values) -> None:
    expected = {**serve_environment("fast", PORTS, HAPROXY, values.workers.cpus), **IN_IMAGE}
    for template in templates(values):
        env = template["spec"]["containers"][0]["env"]
        plain = {entry["name"]: entry["value"] for entry in env if "value" in entry}
        assert expected.items() <= plain.items()


@EVERY
def test_secrets_are_referred_to_and_never_written(
    values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {
        "MOBULA_PEPPER": "planted-pepper-planted-pepper-planted",
        "MOBULA_DATABASE_URL": "postgresql+asyncpg://u:planted-url@h/d",
        "MOBULA_REDIS_URL": "redis://:planted-redis@h",
        "MOBULA_BOOTSTRAP_KEY": "mob_planted_" + "k" * 40,
        "RAY_AUTH_TOKEN": "planted-token",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)

    text = render("kubernetes", values, SERVE_CONFIG)["mobula.yaml"]
    assert "planted" not in text
    assert "kind: Secret" not in text
    secret = {
        f"MOBULA_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    for container in containers(values):
        entries = {entry["name"]: entry for entry in container["env"]}
        assert entries.keys() & secret == secret - {"MOBULA_GCS_REDIS_URL"}  # KubeRay's to set
        assert all("value" not in entries[name] for name in entries.keys() & secret)


def test_a_secret_among_the_settings_is_refused() -> None:
    assert Settings.model_fields["pepper"].annotation == SecretStr | None
    with pytest.raises(InvalidValues, match=r"settings\.pepper: is a secret"):
        render_objects(Values(blobs="s3://b/p", settings={"pepper": "p" * 40}), SERVE_CONFIG)


@EVERY
def test_nothing_names_the_machine_that_renders(values: Values) -> None:
    text = render("kubernetes", values, SERVE_CONFIG)["mobula.yaml"]
    assert str(ROOT) not in text
    assert sys.prefix not in text
    for container in containers(values):
        env = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert env.items() >= IN_IMAGE.items() or container["name"] == "bootstrap"


@EVERY
def test_equal_values_give_equal_bytes(values: Values) -> None:
    first = render("kubernetes", values, SERVE_CONFIG)
    again = render("kubernetes", values.model_copy(deep=True), SERVE_CONFIG)
    assert first == again


@EVERY
@pytest.mark.parametrize(
    "port",
    [PORTS.gcs, PORTS.agent, PORTS.haproxy_stats, PORTS.fallback_http, PORTS.replicas, 40_000],
)
def test_rays_and_serves_own_ports_are_open_to_the_nodes_alone(values: Values, port: int) -> None:
    """One call to a port of Ray's ends the cluster, whatever its token."""
    policies = [each["spec"] for each in manifests(values) if each["kind"] == "NetworkPolicy"]
    letting_in = [
        peer
        for policy in policies
        for rule in policy["ingress"]
        if port in [each["port"] for each in rule.get("ports", ())] or "ports" not in rule
        for peer in rule["from"]
    ]

    assert [peer.keys() for peer in letting_in] == [{"podSelector"}] * 2
    roles = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in letting_in
    ]
    assert roles == ["head", "worker"]
