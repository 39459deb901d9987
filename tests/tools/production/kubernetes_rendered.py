"""The manifests for Kubernetes as the tests read them: rendered, parsed, taken apart."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.ops.environment import serve_environment
from cluster.production.environment import HAPROXY, PORTS
from cluster.production.render import render
from cluster.production.values import Values, parse

ROOT = Path(__file__).parents[3]
SERVE_CONFIG = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text())
SERVE = serve_environment("fast", PORTS, HAPROXY, 4)

SMALL = Values(blobs="s3://bucket/prefix")
LARGE = parse(
    {
        "name": "acme",
        "blobs": "s3://bucket/prefix/",
        "image_pull_secret": "registry",
        "hosts": ["*.example.com", "api.example.org"],
        "longest_stream_s": 1800,
        "models_claim": "weights",
        "settings": {"log_level": "WARNING", "audit_retention_days": 90},
        "secrets": {"object_store": "bucket", "gcs_redis_password": None},
        "workers": {"min": 3, "max": 9, "node_selector": {"pool": "cpu"}},
        "gpu_workers": {"min": 1, "max": 2, "gpus": 2},
        "upgrade": {"strategy": "new-cluster"},
        "network": {"callers": ["edge", "jobs"], "monitoring": "monitoring"},
    }
)
EVERY = pytest.mark.parametrize("values", [SMALL, LARGE], ids=["small", "large"])


READ: dict[str, bytes] = {}  # what was rendered and read once, by the values


def manifests(values: Values) -> list[dict[str, Any]]:
    key = values.model_dump_json()
    if key not in READ:
        text = render("kubernetes", values, SERVE_CONFIG)["mobula.yaml"]
        READ[key] = pickle.dumps(list(yaml.load_all(text, yaml.CSafeLoader)))
    return pickle.loads(READ[key])  # each test has its own to change


def ray_service(values: Values) -> dict[str, Any]:
    return next(each for each in manifests(values) if each["kind"] == "RayService")["spec"]


def templates(values: Values) -> Iterator[dict[str, Any]]:
    cluster = ray_service(values)["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        yield group["template"]


def worker_containers(values: Values) -> list[dict[str, Any]]:
    groups = ray_service(values)["rayClusterConfig"]["workerGroupSpecs"]
    return [group["template"]["spec"]["containers"][0] for group in groups]


def containers(values: Values) -> list[dict[str, Any]]:
    """With those that prepare a pod."""
    return [
        container
        for template in templates(values)
        for kind in ("initContainers", "containers")
        for container in template["spec"].get(kind, [])
    ]
