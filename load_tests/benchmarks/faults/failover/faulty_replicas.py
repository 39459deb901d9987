"""The models under test: an echo model whose replicas fail on request.

Flows in: a folder with a file for each ill process, named by its id, that says how. Flows out: the
app, built with such replicas. Nothing of this is in the product: `ill` replaces the class that the
graph deploys, in the process of the benchmark.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.contracts.generation import Completion, GenerateRequest
from deployments.model.deployment import ModelReplica

ReplicaFault = Literal["slow", "hanging"]

SERVICE_S = 0.2
SLOTS = 4  # a replica
REPLICAS = 3
CAPACITY = REPLICAS * SLOTS / SERVICE_S  # requests a second
SLOWNESS = 10


class FaultyReplica(ModelReplica):
    """Looks before each call whether it is ill."""

    async def generate(self, request: GenerateRequest) -> Completion | Problem:
        fault = _read_fault()
        if fault == "hanging":
            await asyncio.Event().wait()
        if fault == "slow":
            await asyncio.sleep((SLOWNESS - 1) * SERVICE_S)
        return await super().generate(request)


def _folder(home: Path) -> Path:
    return home / "ill"


def _read_fault() -> str | None:
    try:
        return (_folder(Settings().home) / str(os.getpid())).read_text()
    except OSError:
        return None


@contextmanager
def inject_fault(home: Path, process: int, fault: ReplicaFault) -> Iterator[None]:
    """The replica of that process is ill while the body runs."""
    _folder(home).mkdir(exist_ok=True)
    fault_file = _folder(home) / str(process)
    fault_file.write_text(fault)
    try:
        yield
    finally:
        fault_file.unlink(missing_ok=True)


@contextmanager
def pause_process(process: int) -> Iterator[None]:
    """That process does nothing while the body runs."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # Serve may have replaced it
            os.kill(process, signal.SIGCONT)


def build_model_args(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "engine": "echo",
        "num_cpus": 0.1,
        "max_running": SLOTS,
        "first_token_s": SERVICE_S,
        "replicas": REPLICAS,
        **more,
    }


def build_app(*models: Mapping[str, Any]) -> Any:
    """Mobula with these models."""
    from graphs.app import build
    from graphs.args import AppArgs

    args = {
        "models": models,
        "ingress": {"num_cpus": 0.1},
        "cache": {"enabled": False},
        "video": {"enabled": False},
        "text": {"enabled": False},
    }
    with patch("graphs.text.ModelReplica", FaultyReplica):
        return build(AppArgs.model_validate(args))
