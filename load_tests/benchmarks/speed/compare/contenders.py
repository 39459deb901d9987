"""Who is measured: where each answers which case, all up at the same time.

In: a private cluster. Out: contenders, ready. LiteLLM asks an echo server of its own.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cluster.runtime.settings import ROOT
from cluster.runtime.version import VERSION
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.litellm_proxy import (
    CACHE_KEY_HEADER,
    Upstream,
    install_litellm,
    read_version,
    run_proxy,
)
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.speed.bench_path import PROMPT, apply_every_limit

CHAT = "/v1/chat/completions"
TOKENS = 50  # of a stream
PACE = 100.0  # tokens/s of every model and mock when it streams
MESSAGES = [{"role": "user", "content": PROMPT}]
UNARY = {"model": "echo", "messages": MESSAGES}
CACHEABLE = {**UNARY, "temperature": 0}
STREAM = {"model": "paced", "messages": MESSAGES, "max_tokens": TOKENS, "stream": True}
_UP_S = 30.0


@dataclass(frozen=True)
class Target:
    """One case of one contender."""

    url: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Contender:
    """`targets` by case: unary, stream, cached."""

    name: str
    targets: dict[str, Target]


@contextmanager
def start_contenders(
    local: LocalServe, scratch: Path, *, litellm: bool
) -> Iterator[list[Contender]]:
    """All of them, answering."""
    with ExitStack() as stack:
        contenders = [_mobula(local), _bare(local)]
        if litellm:
            contenders.append(_litellm(stack, scratch))
        yield contenders


def _mobula(local: LocalServe) -> Contender:
    """Everything on: authentication, every kind of limit, usage, audit, cache."""
    from graphs.app import build
    from graphs.args import AppArgs

    echo = {"engine": "echo", "num_cpus": 0.1}
    paced = {"id": "paced", "tokens_per_second": PACE, "max_running": 256, "stream_interval_s": 0}
    args = {
        "models": [{"id": "echo", **echo}, {**paced, **echo}],
        "ingress": {"num_cpus": 0.1},
        "limiter": {"authority": "embedded"},
        "video": {"enabled": False},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")
    apply_every_limit(local.url, local.key)
    streamed = {**STREAM, "ignore_eos": True}
    cases: dict[str, dict[str, Any]] = {
        "unary": UNARY,
        "stream": streamed,
        "cached": CACHEABLE,
    }
    return Contender(
        f"mobula {VERSION}",
        {case: _target(local.url + CHAT, local.key, body) for case, body in cases.items()},
    )


def _bare(local: LocalServe) -> Contender:
    """FastAPI, one handle call, echo: under the same Serve profile."""
    from load_tests.benchmarks.common import bare_serve_apps

    local.run(bare_serve_apps.chain(), "chain", "/chain")
    pace = {"messages": MESSAGES, "max_tokens": TOKENS, "pause_s": 1 / PACE}
    return Contender(
        "bare Serve, chain",
        {
            "unary": _target(f"{local.url}/chain/chat", "", {"messages": MESSAGES}),
            "stream": _target(f"{local.url}/chain/stream", "", pace),
        },
    )


def _litellm(stack: ExitStack, scratch: Path) -> Contender:
    """One proxy without and one with its cache, over one echo server."""
    python, key = install_litellm(), f"sk-{secrets.token_hex(32)}"
    upstream = Upstream(f"{stack.enter_context(_echo_server(scratch))}/v1", "none")
    headers = {"Authorization": f"Bearer {key}"}

    def answers(url: str) -> None:
        httpx.post(url + CHAT, json=UNARY, headers=headers, timeout=30).raise_for_status()

    def require_cache_hit(url: str) -> None:
        answer = httpx.post(url + CHAT, json=CACHEABLE, headers=headers, timeout=30)
        answer.raise_for_status()
        if CACHE_KEY_HEADER not in answer.headers:
            raise RuntimeError("litellm did not answer from its cache")

    plain = stack.enter_context(
        run_proxy(python, upstream, key, scratch, cache=False, ready=answers)
    )
    cache_url = stack.enter_context(
        run_proxy(python, upstream, key, scratch, cache=True, ready=require_cache_hit)
    )
    return Contender(
        f"LiteLLM {read_version(python)}",
        {
            "unary": _target(plain + CHAT, key, UNARY),
            "stream": _target(plain + CHAT, key, {**STREAM, "model": "echo"}),
            "cached": _target(cache_url + CHAT, key, CACHEABLE),
        },
    )


@contextmanager
def _echo_server(scratch: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "load_tests.benchmarks.speed.compare.echo_server",
        "--port",
        str(port),
    ]
    command += ["--pause", str(1 / PACE)]
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
        return httpx.post(url, json={"messages": MESSAGES}, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _target(url: str, key: str, body: dict[str, Any]) -> Target:
    return Target(url, key, json.dumps(body, separators=(",", ":")).encode())
