"""A kept chat completion of Mobula beside one of a LiteLLM proxy with its cache on.

In: one cluster. LiteLLM is installed with pip into an environment of its own, and runs one worker
on loopback with its in-memory cache and one key for all, which is the least it starts with; what it
does not have it asks Mobula for. Out: figures of interleaved rounds.
"""

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import psutil

from cluster.settings import ROOT
from load_tests.bench_path import PROMPT, limit_everything
from load_tests.cache_setting import CHAT, ECHO, Setting, ask_until_hit, chat, headers_of
from load_tests.figures import Figure
from load_tests.free_port import free_port
from load_tests.wrk import Load, run_wrk

TARGET = 12.0
PACKAGE = "litellm[proxy]"
START_S = 120.0
BODY = chat(PROMPT)
KEPT = "x-litellm-cache-key"


def litellm(setting: Setting) -> list[Figure]:
    setting.say(f"litellm: installing {PACKAGE} in an environment of its own ...")
    python = _installed(ROOT / ".mobula" / "bench" / "litellm")
    setting.deploy(ECHO)
    limit_everything(setting.url, setting.local.key)
    ask_until_hit(setting.url, BODY, setting.headers, "l1")
    loads: dict[str, list[Load]] = {"mobula": [], "litellm": []}
    key = f"sk-{secrets.token_hex(32)}"
    keys = {"mobula": setting.local.key, "litellm": key}
    with _proxy(setting, python, key) as url:
        for turn in range(setting.options.rounds + 1):  # the first warms up
            for name, address in (("mobula", setting.url), ("litellm", url)):
                load = _measured(setting, address, keys[name])
                if turn:
                    loads[name].append(load)
            setting.say(f"litellm: round {turn} of {setting.options.rounds} done")
        _has_kept(url, key)
    setting.raw["litellm"] = {name: [asdict(load) for load in each] for name, each in loads.items()}
    return figures(loads, _version(python))


def figures(loads: dict[str, list[Load]], version: str) -> list[Figure]:
    rates = {name: statistics.median(x.requests_s for x in each) for name, each in loads.items()}
    errors = sum(load.errors for each in loads.values() for load in each)
    return [
        Figure("litellm", "mobula, kept", rates["mobula"], "requests/s"),
        Figure("litellm", f"litellm {version}, kept", rates["litellm"], "requests/s"),
        Figure("litellm", "mobula / litellm", rates["mobula"] / rates["litellm"], at_least=TARGET),
        Figure("litellm", "errors of both", errors, at_most=0),
    ]


def _measured(setting: Setting, url: str, key: str) -> Load:
    return run_wrk(
        url + CHAT,
        json.dumps(BODY, separators=(",", ":")).encode(),
        headers_of(key),
        connections=setting.options.connections,
        seconds=setting.options.seconds,
        scratch=setting.scratch,
    )


def _installed(folder: Path) -> Path:
    """The Python of the environment; made once, kept for the next time."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    return python


def _version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('litellm'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def _proxy(setting: Setting, python: Path, key: str) -> Iterator[str]:
    """The proxy's URL, once it answers from its cache."""
    upstream = {"model": "openai/echo", "api_base": f"{setting.url}/v1"}
    upstream["api_key"] = setting.local.key
    config = {
        "model_list": [{"model_name": "echo", "litellm_params": upstream}],
        "litellm_settings": {"cache": True, "cache_params": {"type": "local"}},
        "general_settings": {"master_key": key},
    }
    path, port = setting.scratch / "litellm.yaml", free_port()
    path.write_text(json.dumps(config))  # JSON is YAML
    command = [str(python.with_name("litellm")), "--config", str(path), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with (setting.scratch / "litellm.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=setting.scratch, env=_environment()
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, key, process, setting.scratch / "litellm.log")
        yield url
    finally:
        _end(process)


def _environment() -> dict[str, str]:
    """Nothing of ours, and nothing looked up on the network when it starts."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}


def _wait(url: str, key: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers from its cache; RuntimeError with the end of its log if it does not."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            _has_kept(url, key)
            return
        except (httpx.HTTPError, RuntimeError):
            time.sleep(0.5)
    raise RuntimeError(f"litellm does not answer from its cache:\n{log.read_text()[-2000:]}")


def _has_kept(url: str, key: str) -> None:
    answer = httpx.post(url + CHAT, json=BODY, headers=headers_of(key), timeout=30)
    answer.raise_for_status()
    if KEPT not in answer.headers:
        raise RuntimeError("litellm did not answer from its cache")


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
