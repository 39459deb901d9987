"""A LiteLLM proxy for benchmarks, installed with pip into an environment of its own.

In: an OpenAI-compatible upstream. Out: the proxy's URL. It runs one worker on loopback with one key
for all, which is the least it starts with, and looks nothing up on the network.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from cluster.runtime.installation import working_folder
from load_tests.benchmarks.common.environments import install_environment
from load_tests.benchmarks.common.free_port import free_port

PACKAGE = "litellm[proxy]"
FOLDER = working_folder() / ".mobula" / "bench" / "litellm"
START_S = 120.0
CACHE_KEY_HEADER = "x-litellm-cache-key"  # on answers from its cache


@dataclass(frozen=True)
class Upstream:
    """Where model `echo` is served; `url` ends in /v1."""

    url: str
    key: str


def install_litellm() -> Path:
    """The Python of the environment, which is made once. Raises MissingRequirement."""
    python = FOLDER / "bin" / "python"
    if not (FOLDER / "bin" / "litellm").exists():
        install_environment(FOLDER, (PACKAGE,))
    return python


def read_version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('litellm'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def run_proxy(
    python: Path,
    upstream: Upstream,
    key: str,
    scratch: Path,
    *,
    cache: bool,
    ready: Callable[[str], None],
) -> Iterator[str]:
    """Its URL, once `ready(url)` raises neither httpx.HTTPError nor RuntimeError.

    Raises RuntimeError with the end of its log if it does not come up.
    """
    name = "litellm-cache" if cache else "litellm"
    path, log, port = scratch / f"{name}.yaml", scratch / f"{name}.log", free_port()
    path.write_text(json.dumps(_config(upstream, key, cache=cache)))  # JSON is YAML
    command = [str(python.with_name("litellm")), "--config", str(path), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=scratch, env=_environment())
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, log, ready)
        yield url
    finally:
        _end(process)


def _config(upstream: Upstream, key: str, *, cache: bool) -> dict[str, object]:
    model = {"model": "openai/echo", "api_base": upstream.url, "api_key": upstream.key}
    settings = {"cache": True, "cache_params": {"type": "local"}} if cache else {}
    return {
        "model_list": [{"model_name": "echo", "litellm_params": model}],
        "litellm_settings": settings,
        "general_settings": {"master_key": key},
    }


def _environment() -> dict[str, str]:
    """Nothing of ours, and nothing looked up on the network when it starts."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**inherited, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}


def _wait(
    url: str, process: subprocess.Popen[bytes], log: Path, ready: Callable[[str], None]
) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            ready(url)
            return
        except (httpx.HTTPError, RuntimeError):
            time.sleep(0.5)
    raise RuntimeError(f"litellm does not come up:\n{log.read_text()[-2000:]}")


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
