"""Unmodified clients of other projects against a real cluster."""

from pathlib import Path

import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.clients.clients import CLIENTS, ClientPackage
from tests.clients.environments import CheckResult, ClientEnvironment

CASES = [
    pytest.param(client, id=client.name, marks=[] if client.by_default else pytest.mark.exhaustive)
    for client in CLIENTS
]


@pytest.mark.parametrize("client", CASES)
def test_no_check_of_the_client_fails(
    client: ClientPackage,
    server: LocalServe,
    tmp_path: Path,
    report: dict[str, list[CheckResult]],
) -> None:
    environment = ClientEnvironment(client, tmp_path / "environment")

    results = environment.run(server.url, server.key)

    report[f"{client.name}: {environment.versions()}"] = results
    assert results, "the script has no checks"
    failed = [each for each in results if not each.passed]
    assert not failed, "\n".join(f"{each.check}: {each.detail}" for each in failed)
