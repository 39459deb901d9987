"""A model's files and their metadata. In: a spec. Out: a `ModelFiles`.

Reads headers and JSON only; loads no weights. A Hugging Face id is downloaded once, into its own
cache.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.model.spec import ModelSpec

NANO = Path(__file__).parent / "nano"
IR_NAME = "openvino_model.xml"
VISION_IR_NAME = "openvino_language_model.xml"  # beside its other parts
_WEIGHTS = ("*.safetensors", "*.bin", IR_NAME, VISION_IR_NAME)
_METADATA = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
)
_EDGE = 1 << 16
_DEFAULT_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk. `ir` is the folder of its OpenVINO form, if it has one.

    `revision` is a hash over the names, sizes and both ends of its files; `created` is the newest
    weight file's time, in Unix seconds; `context_length` is the model's own limit.
    """

    folder: Path
    ir: Path | None
    revision: str
    context_length: int
    parameters: int | None
    created: int


def find_model(spec: ModelSpec) -> ModelFiles:
    """The files behind `spec.source`. Raises FileNotFoundError, which names what is missing."""
    folder = _folder(spec)
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"model '{spec.id}': {folder} has no config.json")
    ir = next((path for path in (folder / "openvino", folder) if has_ir(path)), None)
    weights = sorted({path for pattern in _WEIGHTS for path in _glob(folder, ir, pattern)})
    if not weights:
        raise FileNotFoundError(
            f"model '{spec.id}': {folder} has no weights (*.safetensors, *.bin)"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return ModelFiles(
        folder=folder,
        ir=ir,
        revision=_revision([*weights, *(folder / name for name in _METADATA)]),
        context_length=_context_length(config),
        parameters=_parameters(folder),
        created=int(max(path.stat().st_mtime for path in weights)),
    )


def has_ir(folder: Path) -> bool:
    """Whether it holds a model's OpenVINO form."""
    return (folder / IR_NAME).exists() or (folder / VISION_IR_NAME).exists()


def _folder(spec: ModelSpec) -> Path:
    if spec.source == "nano":
        return NANO
    local = Path(spec.source).expanduser()
    if local.is_dir():
        return local.resolve()
    if spec.source.startswith((".", "/", "~")):
        raise FileNotFoundError(f"model '{spec.id}': there is no folder {spec.source}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(spec.source, revision=spec.revision))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"model '{spec.id}': '{spec.source}' is neither a folder here nor a Hugging Face model "
            f"that can be downloaded ({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _glob(folder: Path, ir: Path | None, pattern: str) -> Iterator[Path]:
    yield from folder.glob(pattern)
    if ir is not None:
        yield from ir.glob(pattern)


def _revision(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path.exists():
            continue
        size = path.stat().st_size
        digest.update(f"{path.parent.name}/{path.name}:{size};".encode())
        with path.open("rb") as file:
            digest.update(file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


def _context_length(config: dict[str, Any]) -> int:
    text = config.get("text_config") or config
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"):
        if isinstance(text.get(name), int):
            return int(text[name])
    return _DEFAULT_CONTEXT


def _parameters(folder: Path) -> int | None:
    """Numbers in the weights, from the safetensors headers (8 bytes of length, then JSON)."""
    files = list(folder.glob("*.safetensors"))
    if not files:
        return None
    total = 0
    for path in files:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        total += sum(math.prod(entry["shape"]) for entry in header.values())
    return total
