"""An environment of its own for each client, and one run of its script in it.

In: a client, and the server's URL and key. Out: the result of each check, and the versions that
were installed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from load_tests.benchmarks.common.environments import (
    install_environment,
    install_npm_package,
    read_package_version,
)
from tests.clients.clients import FOLDER, ClientPackage

RUN_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of a script."""

    check: str
    passed: bool
    detail: str


class ClientEnvironment:
    """A client's packages in a folder of their own."""

    def __init__(self, client: ClientPackage, folder: Path) -> None:
        """Raises MissingRequirement if pip or npm cannot install the packages."""
        self._client = client
        self._folder = folder
        if client.runs_in_node:
            for package in client.packages:
                install_npm_package(folder, package)
        else:
            install_environment(folder, client.packages)

    def versions(self) -> str:
        """Such as `openai 3.52.0`; of all packages that were asked for."""
        return ", ".join(f"{name} {self._version(name)}" for name in map(_name, self._packages()))

    def run(self, url: str, key: str) -> list[CheckResult]:
        """Raises AssertionError where the script ended before its last check."""
        variables = {**os.environ, "MOBULA_URL": url, "MOBULA_KEY": key, "HOME": str(self._folder)}
        variables |= {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"{url}/v1", "HF_HUB_OFFLINE": "1"}
        variables.pop("PYTHONPATH", None)
        result = subprocess.run(
            self._command(),
            cwd=self._folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        lines = [line for line in result.stdout.splitlines() if line.startswith('{"check"')]
        assert result.returncode == 0, f"the script ended early:\n{result.stderr[-2000:]}"
        return [CheckResult(**json.loads(line)) for line in lines]

    def _command(self) -> list[str]:
        if not self._client.runs_in_node:
            return [str(self._folder / "bin" / "python"), str(self._client.path)]
        for path in (FOLDER / "node" / "checks.mjs", self._client.path):  # resolved from there
            shutil.copy(path, self._folder)
        return ["node", str(self._folder / self._client.path.name)]

    def _packages(self) -> Sequence[str]:
        return self._client.packages

    def _version(self, name: str) -> str:
        if self._client.runs_in_node:
            manifest = self._folder / "node_modules" / name / "package.json"
            return str(json.loads(manifest.read_text())["version"])
        return read_package_version(self._folder, name)


def _name(requirement: str) -> str:
    """The name of a requirement, without its extras and version."""
    return requirement.split("==")[0].split("[")[0]
