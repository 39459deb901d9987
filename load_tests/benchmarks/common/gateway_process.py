"""The process of a gateway that is measured beside ours.

In: a command and a check of its answers. Out: its URL once it answers; it ends with what it has
started. Its environment holds nothing of ours.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

START_S = 120.0


@contextmanager
def run_gateway(
    name: str,
    command: Sequence[str],
    port: int,
    scratch: Path,
    ready: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Its URL, once `ready(url)` raises neither httpx.HTTPError nor RuntimeError.

    Raises RuntimeError with the end of its log if it does not come up.
    """
    log = scratch / f"{name}.log"
    inherited = {each: os.environ[each] for each in ("PATH", "HOME", "LANG") if each in os.environ}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=scratch,
            env={**inherited, **(environment or {})},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(name, url, process, log, ready)
        yield url
    finally:
        _end(process)


def _wait(
    name: str,
    url: str,
    process: subprocess.Popen[bytes],
    log: Path,
    ready: Callable[[str], None],
) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            ready(url)
            return
        except (httpx.HTTPError, RuntimeError):
            time.sleep(0.5)
    end = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{name} does not come up:\n{end}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and what it started."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        each.terminate()
    _, alive = psutil.wait_procs(family, timeout=10)
    for each in alive:
        each.kill()
    process.wait(timeout=10)
