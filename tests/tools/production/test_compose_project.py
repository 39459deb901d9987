"""The Compose project: valid, healthy in order, its secrets from outside, its figures scraped."""

import json
import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.ops.ports import Ports
from cluster.production.alerts.files import groups
from cluster.production.alerts.slo import Objectives
from cluster.production.compose import DERIVED, IN_FILES, SECRETS
from cluster.production.dashboards.files import own_files, ray_files
from cluster.production.render import render
from cluster.production.values import InvalidValues, Values, parse
from cluster.runtime.settings import Settings

ROOT = Path(__file__).parents[3]
DEFAULT = Values()
OWN = parse(
    {
        "name": "acme",
        "hosts": ["api.example.com"],
        "settings": {"log_level": "WARNING"},
        "compose": {"address": "0.0.0.0", "port": 80, "size": {"cpus": 8, "memory_gib": 32}},
    }
)
EVERY = pytest.mark.parametrize("values", [DEFAULT, OWN], ids=["default", "own"])


def project(values: Values) -> dict[str, Any]:
    return yaml.safe_load(render("compose", values, {})["compose.yaml"])


@cache
def compose() -> Any:
    """The Compose Specification's validator, as check-jsonschema carries its schema."""
    vendored = files("check_jsonschema.builtin_schemas").joinpath("vendor", "compose-spec.json")
    schema = json.loads(vendored.read_text())
    return jsonschema.validators.validator_for(schema)(schema)


@EVERY
def test_the_project_is_what_compose_accepts(values: Values) -> None:
    compose().validate(project(values))


def test_the_schema_refuses_what_compose_refuses() -> None:
    wrong = project(DEFAULT)
    wrong["services"]["mobula"]["healthchek"] = {}
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        compose().validate(wrong)


def test_with_tls_the_folder_of_the_certificate_is_mounted_and_asked_by_https() -> None:
    values = parse({"compose": {"tls": True}})
    compose().validate(project(values))
    mobula = project(values)["services"]["mobula"]

    folder = mobula["environment"]["MOBULA_TLS_CERT_FILE"].rpartition("/")[0]
    assert mobula["environment"]["MOBULA_TLS_KEY_FILE"] == f"{folder}/tls.key"
    assert f"./tls:{folder}:ro" in mobula["volumes"]
    scraped = yaml.safe_load(render("compose", values, {})["prometheus.yml"])["scrape_configs"]
    assert [each.get("scheme") for each in scraped] == ["https"] * 3


@EVERY
def test_other_containers_reach_the_http_port_alone(values: Values) -> None:
    environment = project(values)["services"]["mobula"]["environment"]

    assert "MOBULA_NODE_ADDRESS" not in environment  # loopback
    assert "MOBULA_METRICS_HOST" not in environment
    assert "MOBULA_TLS_CERT_FILE" not in environment


@EVERY
def test_every_service_is_checked_limited_and_started_again(values: Values) -> None:
    for service in project(values)["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
        assert service["restart"] == "unless-stopped"


@EVERY
def test_mobula_starts_when_its_stores_are_healthy(values: Values) -> None:
    needs = project(values)["services"]["mobula"]["depends_on"]
    assert needs == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


@EVERY
def test_every_setting_exists(values: Values) -> None:
    names = project(values)["services"]["mobula"]["environment"]
    ours = {name.removeprefix("MOBULA_").removesuffix("_FILE").lower() for name in names}
    assert ours <= Settings.model_fields.keys()
    assert {name for name in names if name.endswith("_FILE")} == {
        f"MOBULA_{name.upper()}_FILE" for name in IN_FILES
    }


@EVERY
def test_secrets_come_from_outside_and_each_is_explained(values: Values) -> None:
    texts, spec = render("compose", values, {}), project(values)
    assert "${" not in texts["compose.yaml"]
    given = {each["environment"] for each in spec["secrets"].values()}
    assert given == SECRETS.keys() | DERIVED.keys()
    assert re.findall(r"^([A-Z_]+)=$", texts["example.env"], re.M) == list(SECRETS)
    for name, value in DERIVED.items():
        assert f"\n{name}={value}\n" in texts["example.env"]
        assert set(re.findall(r"\$\{([A-Z_]+)\}", value)) < SECRETS.keys()


@EVERY
def test_no_secret_is_in_a_containers_environment_or_command_line(values: Values) -> None:
    spec = project(values)
    for service in spec["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = name in SECRETS or name in DERIVED or "AUTH" in name
            assert not secret, name
            assert "PASSWORD" not in name or value.startswith("/run/secrets/")
        for secret in service.get("secrets", ()):
            assert secret["source"] in spec["secrets"]
            assert (secret["mode"], secret["uid"].isdigit()) == (0o400, True)
    mounted = {secret["target"] for secret in spec["services"]["mobula"]["secrets"]}
    for name in IN_FILES:
        path = spec["services"]["mobula"]["environment"][f"MOBULA_{name.upper()}_FILE"]
        assert path.removeprefix("/run/secrets/") in mounted


@EVERY
def test_every_container_is_confined_and_writes_where_it_must_alone(values: Values) -> None:
    for service in project(values)["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert any(mount.startswith("/tmp") for mount in service["tmpfs"])


@EVERY
def test_grafana_and_prometheus_reach_no_store(values: Values) -> None:
    spec = project(values)
    networks = {name: set(service["networks"]) for name, service in spec["services"].items()}

    assert networks["grafana"] == {"dashboards"}
    for store in ("postgres", "redis"):
        assert not networks[store] & (networks["grafana"] | networks["prometheus"])
        assert networks[store] & networks["mobula"]
        assert all(spec["networks"][name]["internal"] for name in networks[store])
    assert not networks["postgres"] & networks["redis"]
    assert set().union(*networks.values()) == spec["networks"].keys()


def test_an_image_that_was_built_here_is_never_pulled() -> None:
    assert project(DEFAULT)["services"]["mobula"]["pull_policy"] == "never"
    elsewhere = parse({"image": "registry.example.com/mobula:1"})
    assert "pull_policy" not in project(elsewhere)["services"]["mobula"]


@EVERY
def test_nothing_but_the_http_port_is_published_beyond_this_machine(values: Values) -> None:
    published = {
        port: name
        for name, service in project(values)["services"].items()
        for port in service.get("ports", ())
    }
    own = values.compose
    assert published == {
        f"{own.address}:{own.port}:8000": "mobula",
        "127.0.0.1:3000:3000": "grafana",
    }


@EVERY
def test_volumes_are_declared_and_files_that_are_mounted_are_written(values: Values) -> None:
    texts, spec = render("compose", values, {}), project(values)
    for service in spec["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if not source.startswith("./"):
                assert source in spec["volumes"]
                continue
            assert any(name.startswith(source.removeprefix("./")) for name in texts)


@EVERY
def test_the_health_of_mobula_is_its_readiness(values: Values) -> None:
    command = project(values)["services"]["mobula"]["healthcheck"]["test"]
    assert command == ["CMD", "python", "-m", "cluster.ops.healthcheck"]
    assert find_spec("cluster.ops.healthcheck") is not None


def test_mobula_answers_to_its_hosts_and_to_those_inside_the_project() -> None:
    [hosts, every] = [
        project(values)["services"]["mobula"]["environment"]["MOBULA_ALLOWED_HOSTS"]
        for values in (OWN, DEFAULT)
    ]
    assert hosts == "api.example.com,0.0.0.0,127.0.0.1,mobula"  # `up`, the health, Prometheus
    assert every == "*"


def test_prometheus_asks_mobula_alone_with_a_key_for_metrics_alone() -> None:
    ports = Ports.of(Settings.model_construct())
    jobs = yaml.safe_load(render("compose", DEFAULT, {})["prometheus.yml"])["scrape_configs"]

    paths = {job["job_name"]: job["metrics_path"] for job in jobs}
    assert paths == {"mobula": "/metrics", "ray": "/metrics/ray", "haproxy": "/metrics/haproxy"}
    [secret] = project(DEFAULT)["services"]["prometheus"]["secrets"]
    assert secret["source"] == "mobula_metrics_key"
    for job in jobs:
        assert job["static_configs"] == [{"targets": [f"mobula:{ports.http}"]}]
        assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret['target']}"


def test_grafana_gets_every_dashboard_and_the_source_they_can_choose() -> None:
    texts = render("compose", DEFAULT, {})
    [source] = yaml.safe_load(texts["grafana/datasources/prometheus.yaml"])["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    scraped = yaml.safe_load(texts["prometheus.yml"])["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped

    providers = yaml.safe_load(texts["grafana/providers/mobula.yaml"])["providers"]
    [mount] = [
        each
        for each in project(DEFAULT)["services"]["grafana"]["volumes"]
        if each.startswith("./grafana/dashboards:")
    ]
    folders = {each["options"]["path"] for each in providers}
    expected = {"mobula": own_files(Objectives()), "ray": ray_files()}
    for name, contents in expected.items():
        assert f"{mount.split(':')[1]}/{name}" in folders
        for file, text in contents.items():
            assert texts[f"grafana/dashboards/{name}/{file}"] == text


def test_prometheus_reads_the_rules_and_tells_alertmanagers_where_there_are_any() -> None:
    values = parse({"monitoring": {"alertmanagers": ["alerts.example.com:9093"]}})
    texts = render("compose", values, {})
    config = yaml.safe_load(texts["prometheus.yml"])

    [manager] = config["alerting"]["alertmanagers"]
    assert manager == {"static_configs": [{"targets": ["alerts.example.com:9093"]}]}
    assert "alerting" not in yaml.safe_load(render("compose", DEFAULT, {})["prometheus.yml"])
    [pattern] = config["rule_files"]
    mounted = dict(
        each.split(":")[:2] for each in project(values)["services"]["prometheus"]["volumes"]
    )
    assert f"{mounted['./rules']}/*.yml" == pattern
    assert yaml.safe_load(texts["rules/mobula.yml"])["groups"] == groups(Objectives())


def test_objectives_and_runbooks_are_the_installations() -> None:
    values = parse(
        {"monitoring": {"available": 0.99, "runbooks": "https://wiki.example.com/mobula/"}}
    )
    text = render("compose", values, {})["rules/mobula.yml"]

    assert "> 14.4 * 0.01" in text
    assert "runbook_url: https://wiki.example.com/mobula/store-slow.md" in text


def test_a_bound_that_the_histogram_lacks_is_refused() -> None:
    with pytest.raises(InvalidValues, match=r"first_token_s, 2, must be one of .*2\.5"):
        parse({"monitoring": {"first_token_s": 2}})


@EVERY
def test_rays_object_store_fits_into_the_shared_memory(values: Values) -> None:
    mobula = project(values)["services"]["mobula"]
    gib = int(mobula["deploy"]["resources"]["limits"]["memory"].removesuffix("g"))
    assert int(mobula["shm_size"].removesuffix("m")) > 0.3 * 1024 * gib
