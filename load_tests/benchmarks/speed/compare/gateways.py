"""Gateways beside Mobula: LiteLLM, SMG and Portkey's, over one echo server.

In: the echo server's URL. Out: contenders, each one process on loopback in an environment of its
own, made with pip or npm in the first run. None has a database; only LiteLLM asks for a key, which
is the least that it starts with. SMG and Portkey's open gateway cache no responses.
"""

import json
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx

from cluster.cli.requirements import require_program
from cluster.runtime.installation import working_folder
from load_tests.benchmarks.common.environments import (
    install_environment,
    install_npm_package,
    read_package_version,
)
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.gateway_process import run_gateway
from load_tests.benchmarks.common.litellm_proxy import (
    CACHE_KEY_HEADER,
    Upstream,
    install_litellm,
    read_version,
    run_proxy,
)
from load_tests.benchmarks.speed.compare.targets import (
    CACHEABLE,
    CHAT,
    STREAM,
    UNARY,
    Contender,
    Target,
)

FOLDER = working_folder() / ".mobula" / "bench"
PORTKEY = "@portkey-ai/gateway"
STREAMED = {**STREAM, "model": "echo"}


def start_litellm(stack: ExitStack, echo_url: str, scratch: Path) -> Contender:
    """One proxy without and one with its cache."""
    python, key = install_litellm(), f"sk-{secrets.token_hex(32)}"
    upstream = Upstream(f"{echo_url}/v1", "none")

    def require_cache_hit(url: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(url + CHAT, json=CACHEABLE, headers=headers, timeout=30)
        answer.raise_for_status()
        if CACHE_KEY_HEADER not in answer.headers:
            raise RuntimeError("litellm did not answer from its cache")

    ready = _ready({"Authorization": f"Bearer {key}"})
    plain = stack.enter_context(run_proxy(python, upstream, key, scratch, cache=False, ready=ready))
    cache_url = stack.enter_context(
        run_proxy(python, upstream, key, scratch, cache=True, ready=require_cache_hit)
    )
    return Contender(
        f"LiteLLM {read_version(python)}",
        {
            "unary": Target.of(plain + CHAT, key, UNARY),
            "stream": Target.of(plain + CHAT, key, STREAMED),
            "cached": Target.of(cache_url + CHAT, key, CACHEABLE),
        },
    )


def start_smg(stack: ExitStack, echo_url: str, scratch: Path) -> Contender:
    """The echo server as its only worker."""
    folder, port = FOLDER / "smg", free_port()
    program = folder / "bin" / "smg"
    if not program.exists():
        install_environment(folder, ("smg",))
    command = [str(program), "launch", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--worker-urls", echo_url, "--policy", "round_robin", "--log-level", "error"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())]
    url = stack.enter_context(run_gateway("smg", command, port, scratch, _ready({})))
    return Contender(
        f"SMG {read_package_version(folder, 'smg')}",
        {"unary": Target.of(url + CHAT, "", UNARY), "stream": Target.of(url + CHAT, "", STREAMED)},
    )


def start_portkey(stack: ExitStack, echo_url: str, scratch: Path) -> Contender:
    """The echo server as an OpenAI-compatible provider, named by each request's headers.
    No streams: 1.15.2 answers them with a 500 under Node 20 (it changes immutable headers)."""
    package = install_npm_package(FOLDER / "portkey", PORTKEY)
    node, port = require_program("node", "apt-get install nodejs"), free_port()
    command = [str(node), str(package / "build" / "start-server.js"), f"--port={port}"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{echo_url}/v1"}
    url = stack.enter_context(
        run_gateway("portkey", [*command, "--headless"], port, scratch, _ready(headers))
    )
    version = json.loads((package / "package.json").read_text())["version"]
    return Contender(
        f"Portkey {version}",
        {
            "unary": Target.of(url + CHAT, "none", UNARY, headers),
        },
    )


def _ready(headers: dict[str, str]) -> Callable[[str], None]:
    def answers(url: str) -> None:
        httpx.post(url + CHAT, json=UNARY, headers=headers, timeout=30).raise_for_status()

    return answers


GATEWAYS = {"litellm": start_litellm, "smg": start_smg, "portkey": start_portkey}
