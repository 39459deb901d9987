"""The engines of encoder models by name: the only place that lists them.

In: a name and a device from a spec. Out: a loaded model. An engine is imported when a model that
uses it is loaded.
"""

import importlib
import logging
from pathlib import Path
from typing import Any, cast

from deployments.model.encoders.conversion import ConversionFailed
from deployments.model.encoders.encoder import BuildableEncoder, Encoder, EncoderOptions
from deployments.model.encoders.facts import Task
from deployments.model.engines.registry import AUTO, has_nvidia
from deployments.model.model_files import ModelFiles

log = logging.getLogger(__name__)

ENCODER_ENGINES = {
    "openvino": "deployments.model.encoders.openvino_encoder:OpenVinoEncoder",
    "torch": "deployments.model.encoders.torch_encoder:TorchEncoder",
}


def resolve_encoder_engine(name: str, device: str) -> str:
    """`name`, or the engine that `auto` stands for on this machine with this device."""
    if name != AUTO:
        return name
    on_cpu = device in ("cpu", "gpu") or (device == "auto" and not has_nvidia())
    return "openvino" if on_cpu else "torch"


def load_encoder(
    model: str, files: ModelFiles, task: Task, engine: str, options: EncoderOptions, home: Path
) -> Encoder:
    """Loads `files` under the id `model`. With `auto`, a model that OpenVINO cannot take runs in
    torch. Blocks for seconds. Raises RuntimeError."""
    name = resolve_encoder_engine(engine, options.device)
    try:
        return _engine(name).build(model, files, task, options, home)
    except ConversionFailed as error:
        if engine != AUTO:
            raise
        log.warning("'%s' runs in torch: %s", model, error)
        return _engine("torch").build(model, files, task, options, home)


def _engine(name: str) -> BuildableEncoder:
    module, _, attribute = ENCODER_ENGINES[name].partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    return cast(BuildableEncoder, found)
