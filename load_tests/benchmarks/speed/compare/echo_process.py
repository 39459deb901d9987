"""The process of the mock upstream (echo_server.py).

In: a folder for its log, and the seconds before each chunk of its streams. Out: its URL, once it
answers; it ends with the context.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cluster.runtime.settings import ROOT
from load_tests.benchmarks.common.free_port import free_port

_UP_S = 30.0


@contextmanager
def run_echo_server(scratch: Path, pause_s: float) -> Iterator[str]:
    """Its URL. Raises RuntimeError with the end of its log if it does not come up."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "load_tests.benchmarks.speed.compare.echo_server",
        "--port",
        str(port),
    ]
    command += ["--pause", str(pause_s)]
    with (scratch / "echo.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + _UP_S
        while not _is_up(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((scratch / "echo.log").read_text()[-2000:])
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
