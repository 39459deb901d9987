"""A private Prometheus, Debian's, on a free port.

In: its configuration. Out: answers of its API.
"""

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from cluster.cli.requirements import require_program
from cluster.cli.test_servers import find_program
from load_tests.benchmarks.common.free_port import free_port

START_S, END_S = 30.0, 10.0


class PrometheusProcess:
    """Use as a context manager; `files` are written beside the configuration, where it may name
    them. Raises MissingRequirement without prometheus."""

    def __init__(self, config: Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
        advice = "./mobula test tools unpacks Debian's package prometheus"
        self._program = str(require_program("prometheus", advice, find_program))
        self._folder = tempfile.TemporaryDirectory(prefix="m-prometheus-")
        folder = Path(self._folder.name)
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        command = [
            self._program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        until = time.monotonic() + START_S
        while not self._is_ready():
            if time.monotonic() > until or self._process.poll() is not None:
                text = (folder / "log").read_text()[-2000:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"prometheus did not start: {text}")
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API. Raises OSError; ValueError says what is wrong
        with a query."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters}: {error.read().decode()[:500]}") from None

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and values now."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def query_range(
        self, expression: str, since: float, until: float, step_s: float
    ) -> list[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        """Labels, and times (Unix seconds) and values."""
        span = {"start": f"{since:.3f}", "end": f"{until:.3f}", "step": f"{step_s:g}"}
        found = self.ask("query_range", query=expression, **span)["result"]
        return [
            (each["metric"], [(float(at), float(value)) for at, value in each["values"]])
            for each in found
        ]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
