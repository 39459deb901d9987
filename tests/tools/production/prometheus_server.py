"""A private Prometheus, Debian's, on a free port."""

import json
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.servers.process import ServerProcess, free_port, program


class PrometheusServer:
    """Use as a context manager. `config` is that of Prometheus, `files` are written beside it."""

    def __init__(self, config: Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
        self._program = program("prometheus")
        self._folder = tempfile.TemporaryDirectory(prefix="m-prometheus-")
        folder = Path(self._folder.name)
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)))
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        self._process = ServerProcess(
            [
                self._program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            folder / "log",
        )
        self._process.wait_until(self._is_ready)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
        self._folder.cleanup()

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
