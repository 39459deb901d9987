"""An environment of its own for each client, and one run of its script in it.

In: a client, and the server's URL and key. Out: the result of each check.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from load_tests.benchmarks.common.environments import install_environment, install_npm_packages
from tests.clients.clients import FOLDER, ClientPackage

RUN_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of a script."""

    check: str
    passed: bool
    detail: str


def install(client: ClientPackage, folder: Path) -> Sequence[str]:
    """The command of the client's script, its packages installed in `folder`.

    Raises MissingRequirement if pip or npm cannot install them.
    """
    if not client.runs_in_node:
        install_environment(folder, client.packages)
        return [str(folder / "bin" / "python"), str(client.path)]
    install_npm_packages(folder, client.packages)
    for path in (FOLDER / "node" / "checks.mjs", client.path):  # Node looks for packages beside it
        shutil.copy(path, folder)
    return ["node", str(folder / client.path.name)]


def run_checks(command: Sequence[str], home: Path, url: str, key: str) -> list[CheckResult]:
    """Raises AssertionError where the script ended before its last check."""
    variables = {**os.environ, "MOBULA_URL": url, "MOBULA_KEY": key, "HOME": str(home)}
    variables |= {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"{url}/v1", "HF_HUB_OFFLINE": "1"}
    variables.pop("PYTHONPATH", None)
    result = subprocess.run(
        command,
        cwd=home,
        env=variables,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, f"the script ended early:\n{result.stderr[-2000:]}"
    lines = [line for line in result.stdout.splitlines() if line.startswith('{"check"')]
    return [CheckResult(**json.loads(line)) for line in lines]


def failures(results: Sequence[CheckResult]) -> str:
    """A line for each check that failed."""
    assert results, "the script has no checks"
    return "\n".join(f"{each.check}: {each.detail}" for each in results if not each.passed)
