"""Unmodified clients of other projects against a real cluster.

OpenAI's and Anthropic's own clients also run by default, in tests/cluster/test_client_libraries.py.
"""

from pathlib import Path

import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.clients.clients import CLIENTS, ClientPackage
from tests.clients.environments import CheckResult, failures, install, run_checks

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_no_check_of_the_client_fails(
    client: ClientPackage,
    server: LocalServe,
    tmp_path: Path,
    report: dict[str, list[CheckResult]],
) -> None:
    command = install(client, tmp_path / "environment")

    results = run_checks(command, tmp_path, server.url, server.key)

    report[f"{client.name}: {', '.join(client.packages)}"] = results
    assert not failures(results)
