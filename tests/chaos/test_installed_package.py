"""Mobula as `pip install` leaves it: its command, from a working directory without a clone."""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder

from cluster.ops.ports import Ports
from cluster.runtime.settings import ROOT, process_environment

pytestmark = pytest.mark.exhaustive
LIMIT_S = 300
DRIVER = """
import sys
from cluster.client import Mobula
print(Mobula(api_key=sys.argv[1]).chat("hello", max_tokens=8).finish_reason)
"""


class Installed:
    """An environment with the wheel, and a working directory that is empty at first."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "venv" / "bin" / "python"
        self.folder = folder / "empty"
        self.folder.mkdir()
        self.ports = Ports.free()
        venv.create(folder / "venv")
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
        (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
        [wheel] = WheelBuilder(str(ROOT)).build(directory=str(folder))
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
        subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", wheel], check=True)

    def run(self, *arguments: str, folder: Path | None = None, **settings: str) -> str:
        """What `mobula ARGUMENTS` prints; fails with it where the command fails."""
        return self._run([str(self.python.with_name("mobula")), *arguments], folder, settings)

    def run_python(self, *arguments: str, folder: Path, **settings: str) -> str:
        return self._run([str(self.python), *arguments], folder, settings)

    def _run(self, command: list[str], folder: Path | None, settings: dict[str, str]) -> str:
        environment = process_environment({
            "MOBULA_HTTP_PORT": str(self.ports.http),
            "MOBULA_DASHBOARD_PORT": str(self.ports.dashboard),
            "MOBULA_GCS_PORT": str(self.ports.gcs),
            **settings,
        })  # fmt: skip
        for name in ("PYTHONPATH", "MOBULA_HOME"):
            environment.pop(name, None)
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, text=True, timeout=LIMIT_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    found = Installed(tmp_path_factory.mktemp("installed"))
    yield found
    found.run("down", "--drain", "0")


def test_help_and_doctor_need_no_clone(installed: Installed) -> None:
    assert "Usage: mobula" in installed.run("--help")
    assert f"is installed in {installed.python.parents[1]}" in installed.run("doctor")


def test_a_cluster_serves_nano_and_handles_from_empty_directories(
    installed: Installed, tmp_path: Path
) -> None:
    installed.run("up", "-d")
    home = installed.folder / ".mobula"
    key = (home / "admin.key").read_text().strip()

    url = f"http://127.0.0.1:{installed.ports.http}/v1/chat/completions"
    body = {"model": "nano", "messages": [{"role": "user", "content": "hello"}]}
    answer = httpx.post(url, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.status_code == 200, answer.text

    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    printed = installed.run_python(
        str(driver),
        key,
        folder=tmp_path,
        RAY_ADDRESS=f"127.0.0.1:{installed.ports.gcs}",
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(home / "ray.token"),
    )
    assert printed.splitlines()[-1] in ("stop", "length")
