"""Dashboards by Grafana's own types: `tsc` against `@grafana/schema`, with --all.

npm fetches the two packages once into the environment, exactly as grafana_schema/package-lock.json
has them. Where there is no npm the tests skip; in CI they fail.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.test_servers import FOLDER
from cluster.runtime.settings import in_ci
from tests.tools.production.dashboard_files import dashboard, texts

SCHEMA = Path(__file__).with_name("grafana_schema")
PACKAGE = ("package.json", "package-lock.json")
LIMIT_S = 300
pytestmark = pytest.mark.exhaustive


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def missing(reason: str) -> None:
    if in_ci():
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with the packages, by what the lock file asks for."""
    if shutil.which("npm") is None:
        missing("npm is not installed")
    digest = hashlib.sha256(b"".join((SCHEMA / name).read_bytes() for name in PACKAGE)).hexdigest()
    folder = FOLDER / f"grafana-schema-{digest[:16]}"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in PACKAGE:
            shutil.copy(SCHEMA / name, folder)
        fetched = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
        if fetched.returncode:
            shutil.rmtree(folder)
            missing(f"npm cannot fetch the packages: {fetched.stderr.strip()[-300:]}")
    return folder


@pytest.fixture
def project(packages: Path) -> Iterator[Path]:
    """A folder from which TypeScript finds the packages."""
    with tempfile.TemporaryDirectory(dir=packages) as folder:
        for name in ("model.ts", "tsconfig.json"):
            shutil.copy(SCHEMA / name, folder)
        (Path(folder) / "dashboards").mkdir()
        yield Path(folder)


def faults(project: Path, contents: dict[str, str]) -> list[str]:
    """Lines in which the compiler refuses a dashboard."""
    for uid, text in contents.items():
        path = project / "dashboards" / f"{uid}.ts"
        path.write_text(
            'import type { OurDashboard } from "../model";\n'
            f"export const dashboard: OurDashboard = {text.strip()};\n"
        )
    compiler = project.parent / "node_modules" / "typescript" / "bin" / "tsc"
    found = run("node", str(compiler), "--pretty", "false", folder=project)
    assert found.returncode in (0, 1, 2), found.stderr
    return re.findall(r"^\S+ error TS\d+: .*", found.stdout, re.MULTILINE)


def test_every_dashboard_is_what_grafana_types_say(project: Path) -> None:
    assert faults(project, texts()) == []


def first(content: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in content["panels"] if panel["type"] == kind)


def _type(content: dict[str, Any]) -> None:
    first(content, "stat")["type"] = 7


def _place(content: dict[str, Any]) -> None:
    first(content, "timeseries")["gridPos"]["x"] = "two"


def _option(content: dict[str, Any]) -> None:
    first(content, "stat")["options"]["colorMode"] = "rainbow"


def _misspelt(content: dict[str, Any]) -> None:
    first(content, "timeseries")["fieldConfig"]["defaults"]["units"] = "s"


def _legend(content: dict[str, Any]) -> None:
    first(content, "timeseries")["options"]["legend"]["displayMode"] = "tables"


def _variable(content: dict[str, Any]) -> None:
    content["templating"]["list"][0]["type"] = "prometheus"


@pytest.mark.parametrize("spoil", [_type, _place, _option, _misspelt, _legend, _variable])
def test_what_grafana_would_not_understand_is_refused(project: Path, spoil: Any) -> None:
    content = dashboard("mobula-overview")
    spoil(content)

    assert len(faults(project, {"spoilt": json.dumps(content)})) >= 1
