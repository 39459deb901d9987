"""From a spec to an engine.

In: what the operator wrote and the model's files. Out: an Engine, not yet started.
"""

import importlib.util
import os
from pathlib import Path

from deployments.contracts.engine import Engine
from deployments.model.engines.echo import EchoEngine
from deployments.model.engines.openvino import OpenVinoEngine, OpenVinoSizing
from deployments.model.engines.transformers import TorchSizing, TransformersEngine
from deployments.model.engines.vllm import VllmEngine, VllmSizing
from deployments.model.export import export_openvino
from deployments.model.model_files import ModelFiles
from deployments.model.spec import ModelSpec

_SMALL = 100_000_000  # parameters
_LONGEST_SHARE = 2048  # tokens of cache that each running sequence gets by default, at most
_PRECISIONS = {"auto": "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def build_engine(spec: ModelSpec, files: ModelFiles, context_length: int, home: Path) -> Engine:
    """May convert the model first (minutes, once).

    Raises export.ExportFailed, FileNotFoundError.
    """
    name = choose_engine(spec)
    if name == "openvino":
        return _openvino(spec, files, context_length, home)
    if name == "vllm":
        dtype = spec.dtype
        sizing = VllmSizing(context_length, spec.max_running, spec.cache_tokens, dtype)
        return VllmEngine(spec.id, files.folder, sizing)
    return _transformers(spec, files, context_length)


def build_echo(spec: ModelSpec) -> Engine:
    """The engine that needs no files."""
    return EchoEngine(spec.max_running, spec.tokens_per_second, spec.first_token_s)


def choose_engine(spec: ModelSpec) -> str:
    """openvino, transformers, vllm or echo: what `auto` means on this machine for this device."""
    if spec.engine != "auto":
        return spec.engine
    if spec.device in ("cpu", "gpu") or (spec.device == "auto" and not has_nvidia()):
        return "openvino"
    on_nvidia = spec.device == "auto" or spec.device.startswith("cuda")
    return "vllm" if on_nvidia and importlib.util.find_spec("vllm") else "transformers"


def has_nvidia() -> bool:
    """Whether torch may use an NVIDIA GPU; torch is imported only where the driver is loaded."""
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


def thread_count(spec: ModelSpec, parameters: int | None) -> int:
    """`spec.threads`, or 1 for a small model: a second thread waits more than it computes there."""
    if spec.threads is not None:
        return spec.threads
    if parameters is not None and parameters < _SMALL:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_tokens(spec: ModelSpec, context_length: int) -> int:
    """Room for the attention cache: at least one whole context, or a sequence could not end."""
    share = spec.max_running * min(context_length, _LONGEST_SHARE)
    return max(spec.cache_tokens or share, context_length)


def _openvino(
    spec: ModelSpec, files: ModelFiles, context_length: int, home: Path
) -> OpenVinoEngine:
    ir = files.ir
    if ir is None:
        name = f"{spec.id.replace('/', '--')}-{files.revision}-{spec.weight_format}"
        ir = home / "models" / name
        export_openvino(files.folder, ir, spec.weight_format, exporter=home / "exporter")
    sizing = OpenVinoSizing(
        max_running=spec.max_running,
        cache_tokens=cache_tokens(spec, context_length),
        threads=thread_count(spec, files.parameters),
        precision=_PRECISIONS[spec.dtype],
        device="CPU" if spec.device in ("auto", "cpu") else spec.device.upper(),
    )
    return OpenVinoEngine(spec.id, ir, sizing)


def _transformers(spec: ModelSpec, files: ModelFiles, context_length: int) -> TransformersEngine:
    device = spec.device
    if device == "auto":
        device = "cuda" if has_nvidia() else "cpu"
    dtype = "float32" if spec.dtype == "auto" and device == "cpu" else spec.dtype
    sizing = TorchSizing(
        max_running=spec.max_running,
        cache_tokens=cache_tokens(spec, context_length),
        threads=thread_count(spec, files.parameters),
        device=device,
        dtype=dtype,
    )
    return TransformersEngine(spec.id, files.folder, sizing)
