"""A LiteLLM proxy for benchmarks, installed with pip into an environment of its own.

In: an OpenAI-compatible upstream. Out: the proxy's URL. It runs one worker on loopback with one key
for all, which is the least it starts with, and looks nothing up on the network.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cluster.runtime.installation import working_folder
from load_tests.benchmarks.common.environments import install_environment, read_package_version
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.gateway_process import run_gateway

PACKAGE = "litellm[proxy]"
FOLDER = working_folder() / ".mobula" / "bench" / "litellm"
# Nothing is looked up on the network when it starts.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
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
    return read_package_version(python.parent.parent, "litellm")


def run_proxy(
    python: Path,
    upstream: Upstream,
    key: str,
    scratch: Path,
    *,
    cache: bool,
    ready: Callable[[str], None],
) -> AbstractContextManager[str]:
    """Its URL, once it answers: see `run_gateway`."""
    name, port = "litellm-cache" if cache else "litellm", free_port()
    path = scratch / f"{name}.yaml"
    path.write_text(json.dumps(_config(upstream, key, cache=cache)))  # JSON is YAML
    command = [str(python.with_name("litellm")), "--config", str(path), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    return run_gateway(name, command, port, scratch, ready, OFFLINE)


def _config(upstream: Upstream, key: str, *, cache: bool) -> dict[str, object]:
    model = {"model": "openai/echo", "api_base": upstream.url, "api_key": upstream.key}
    settings = {"cache": True, "cache_params": {"type": "local"}} if cache else {}
    return {
        "model_list": [{"model_name": "echo", "litellm_params": model}],
        "litellm_settings": settings,
        "general_settings": {"master_key": key},
    }
