"""Servers of other projects, and another Mobula, each a process on loopback.

In: folders. Out: where each answers, its key and its models. Packages that are not in our
environment get one of their own in the first run; it is kept, as one takes minutes to compile.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cluster.runtime.installation import working_folder
from cluster.runtime.settings import ROOT, process_environment
from load_tests.benchmarks.common.environments import install_environment
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.gateway_process import run_gateway
from load_tests.benchmarks.common.litellm_proxy import install_litellm

FOLDER = Path(__file__).parent
ENVIRONMENTS = working_folder() / ".mobula" / "bench"
LLAMA_PACKAGES = ("llama-cpp-python[server]==0.3.36", "gguf==0.19.0")
LITELLM_KEY = "sk-litellm-0123456789"


@dataclass(frozen=True)
class OtherServer:
    """`url` ends in /v1. `tool_model` is held to tools and schemas. `reports_stream_usage`: in its
    streams. `has_schemas`: it takes `response_format` of type json_schema.
    """

    name: str
    url: str
    key: str
    chat_model: str
    tool_model: str
    embedding_model: str
    reports_stream_usage: bool = True
    has_schemas: bool = True

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def nano_server(home: Path) -> Iterator[OtherServer]:
    """Another Mobula: nano by the transformers engine, and embeddings."""
    port = free_port()
    command = [sys.executable, "-m", f"{__package__}.nano_server", str(home), str(port)]
    environment = process_environment({"PYTHONPATH": str(ROOT)})
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            key = process.stdout.readline().decode().strip()
            assert key, "it did not come up"
            url = f"http://127.0.0.1:{port}/v1"
            yield OtherServer("mobula", url, key, "nano", "nano-openvino", "minilm")
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def llama_server(scratch: Path) -> Iterator[OtherServer]:
    """llama-cpp-python's server over a model of random weights that is written here."""
    folder = ENVIRONMENTS / "llama-cpp"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        install_environment(folder, LLAMA_PACKAGES)  # compiles llama.cpp
        (folder / "installed").touch()
    weights, port = scratch / "tiny.gguf", free_port()
    subprocess.run([str(python), str(FOLDER / "tiny_gguf.py"), str(weights)], check=True)
    common = {"model": str(weights), "n_ctx": 2048, "n_threads": 1, "seed": 1, "verbose": False}
    models = [
        {**common, "model_alias": "tiny"},
        {**common, "model_alias": "tiny-tools", "chat_format": "chatml-function-calling"},
        {**common, "model_alias": "tiny-vectors", "embedding": True},
    ]
    configuration = scratch / "llama.json"
    configuration.write_text(json.dumps({"host": "127.0.0.1", "port": port, "models": models}))
    command = [str(python), "-m", "llama_cpp.server", "--config_file", str(configuration)]
    with run_gateway("llama-cpp", command, port, scratch, _lists_models({})) as url:
        yield OtherServer(
            "llama-cpp-python", f"{url}/v1", "none", "tiny", "tiny-tools", "tiny-vectors",
            reports_stream_usage=False, has_schemas=False,
        )  # fmt: skip


@contextmanager
def litellm_server(behind: OtherServer, scratch: Path) -> Iterator[OtherServer]:
    """LiteLLM's proxy in front of another server."""
    python, port = install_litellm(), free_port()
    names = {behind.chat_model, behind.tool_model, behind.embedding_model}
    served = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": behind.url,
                "api_key": behind.key,
            },
        }
        for name in sorted(names)
    ]
    configuration = scratch / "litellm-server.yaml"
    settings = {"model_list": served, "general_settings": {"master_key": LITELLM_KEY}}
    configuration.write_text(json.dumps(settings))
    command = [str(python.with_name("litellm")), "--config", str(configuration)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command += ["--telemetry", "False"]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    headers = {"Authorization": f"Bearer {LITELLM_KEY}"}
    ready = _lists_models(headers)
    with run_gateway("litellm-server", command, port, scratch, ready, offline) as url:
        yield OtherServer(
            "LiteLLM", f"{url}/v1", LITELLM_KEY,
            behind.chat_model, behind.tool_model, behind.embedding_model,
        )  # fmt: skip


def _lists_models(headers: Mapping[str, str]) -> Callable[[str], None]:
    def ready(url: str) -> None:
        httpx.get(f"{url}/v1/models", headers=dict(headers), timeout=30).raise_for_status()

    return ready
