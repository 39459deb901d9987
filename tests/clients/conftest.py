"""One real cluster for all clients: nano by openvino and by transformers, and embeddings.

Each client runs in an environment of its own, which is installed for it. With MOBULA_CLIENTS_TABLE,
a Markdown table of what was run is written to that file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.clients.environments import CheckResult

LOCAL = LocalServe()  # sets the environment before any test module imports Ray

GRAPH: dict[str, object] = {
    "models": [
        {"id": "nano", "source": "nano", "engine": "openvino", "num_cpus": 0.1},
        {"id": "torch", "source": "nano", "engine": "transformers", "num_cpus": 0.1},
    ],
    "embeddings": [{"id": "minilm", "num_cpus": 0.1}],
    "ingress": {"num_cpus": 0.1},
    "limiter": {},
    "content": {"default": "nano"},
    "video": {"enabled": False},
    "text": {"enabled": False},
}


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServe]:
    with LOCAL as local:
        from graphs.app import build
        from graphs.args import AppArgs

        local.run(build(AppArgs.model_validate(GRAPH)), "mobula", "/")
        yield local


@pytest.fixture(scope="session")
def report() -> Iterator[dict[str, list[CheckResult]]]:
    """Results by client and versions."""
    results: dict[str, list[CheckResult]] = {}
    yield results
    if path := os.environ.get("MOBULA_CLIENTS_TABLE"):
        Path(path).write_text(_table(results))


def _table(results: dict[str, list[CheckResult]]) -> str:
    lines = ["| client | what was run | failed |", "|---|---|---|"]
    for client, checks in results.items():
        names = ", ".join(each.check for each in checks)
        failed = ", ".join(each.check for each in checks if not each.passed) or "none"
        lines.append(f"| {client} | {names} | {failed} |")
    return "\n".join(lines) + "\n"
