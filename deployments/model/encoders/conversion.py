"""Encoder models to OpenVINO IR, once for each revision.

In: a model folder. Out: a folder with the IR and `encoder.json`. Tracing needs torch, which a
replica with the IR then never loads: it runs in a process of its own.
"""

import fcntl
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from deployments.model.encoders.facts import FACTS_NAME, EncoderFacts, Task
from deployments.model.model_files import IR_NAME, ModelFiles

log = logging.getLogger(__name__)

_BOOT = (
    "import sys; sys.path[:] = sys.argv[4:]; "
    "from deployments.model.encoders import conversion; "
    "conversion.convert_in_this_process(sys.argv[1], sys.argv[2], sys.argv[3])"
)


class ConversionFailed(RuntimeError):
    """The model has no OpenVINO form; the text says why."""


def find_ir(model: str, files: ModelFiles, task: Task, home: Path) -> Path:
    """The folder of the IR, converted first where it is missing (seconds, once).

    Waits for another process that converts the same model. Raises ConversionFailed.
    """
    out = home / "models" / f"{model.replace('/', '--')}-{files.revision}-{task}"
    if (out / FACTS_NAME).exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f"{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / FACTS_NAME).exists():
            _convert(files.folder, out, task)
    return out


def _convert(folder: Path, out: Path, task: Task) -> None:
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    log.info("converting %s to OpenVINO in %s", folder, out)
    try:
        convert_in_own_process(task, str(folder), str(partial))
    except ConversionFailed:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)


def convert_in_own_process(task: Task, folder: str, out: str) -> None:
    """Raises ConversionFailed with what the process has said."""
    command = [sys.executable, "-c", _BOOT, task, folder, out, *sys.path]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()[-1500:]
        raise ConversionFailed(f"{folder} cannot be converted ({done.returncode}): {reason}")


def convert_in_this_process(task: Task, folder: str, out: str) -> None:
    """Write the IR of the model in `folder`; `encoder.json` comes last. Imports torch.

    Raises FileNotFoundError, and what the libraries raise.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} not found")
    import openvino
    import torch

    load = _load_embedder if task == "embedding" else _load_classifier
    with torch.inference_mode(False), torch.no_grad():
        module, facts = load(folder)
        if not facts.pools_prompt:
            raise ValueError("it leaves prompts out of its vectors, which a graph cannot")
        example = {name: torch.ones((2, 6), dtype=torch.int64) for name in facts.inputs}
        example["attention_mask"][1, 4:] = 0
        converted = openvino.convert_model(module, example_input=example)
    for given, name in zip(converted.inputs, facts.inputs, strict=True):
        given.get_node().set_friendly_name(name)
        given.set_names({name})
    openvino.save_model(converted, str(Path(out) / IR_NAME), compress_to_fp16=False)
    facts.save(Path(out))


def _load_embedder(folder: str) -> tuple[Any, EncoderFacts]:
    from deployments.model.encoders.torch_encoder import embedding_module

    return embedding_module(folder)


def _load_classifier(folder: str) -> tuple[Any, EncoderFacts]:
    from deployments.model.encoders.torch_encoder import classification_module

    return classification_module(folder)
