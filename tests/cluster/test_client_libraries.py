"""OpenAI's and Anthropic's own clients, with every check of tests/clients."""

import sys
from pathlib import Path

import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.clients.clients import CLIENTS, ClientPackage
from tests.clients.environments import failures, run_checks

INSTALLED = [each for each in CLIENTS if each.name in ("openai (Python)", "anthropic (Python)")]


@pytest.mark.parametrize("client", INSTALLED, ids=lambda client: client.name)
def test_no_check_of_an_installed_client_fails(
    client: ClientPackage, cluster: LocalServe, tmp_path: Path
) -> None:
    results = run_checks([sys.executable, str(client.path)], tmp_path, cluster.url, cluster.key)

    assert not failures(results)
