"""The engines by name: the only place that lists them.

In: a name and a device from a model's spec. Out: the engine's class. Engines are imported when a
model that uses them is loaded: their libraries are large or optional.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

AUTO = "auto"

ENGINES = {
    "echo": "deployments.model.engines.echo:EchoEngine",
    "openvino": "deployments.model.engines.openvino:OpenVinoEngine",
    "transformers": "deployments.model.engines.transformers:TransformersEngine",
    "vllm": "deployments.model.engines.vllm:VllmEngine",
}


def load_engine_class(name: str) -> Any:
    """The class of the engine `name`, a `BuildableEngine` (deployments/model/loading.py)."""
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def resolve_engine(name: str, device: str) -> str:
    """`name`, or the engine that `auto` stands for on this machine with this device."""
    if name != AUTO:
        return name
    if device in ("cpu", "gpu") or (device == "auto" and not has_nvidia()):
        return "openvino"
    is_nvidia = device == "auto" or device.startswith("cuda")
    return "vllm" if is_nvidia and importlib.util.find_spec("vllm") else "transformers"


def has_nvidia() -> bool:
    """Whether torch may use an NVIDIA GPU; torch is imported only where the driver is loaded."""
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()
