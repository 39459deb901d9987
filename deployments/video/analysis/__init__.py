"""What is seen and heard in a recording: a source in, its features out.

`tasks` has what runs anywhere (`chunks`, `analyse_chunk`, `analyze_audio_task`), each in a
sandboxed child; `merging.merge` makes features of the results, `features_io` files of those. Names
are loaded when they are first used: each child starts by importing this package, and needs a part
of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployments.video.analysis.chunk import AnalysisChunk, ChunkFeatures, Heard, Mode
    from deployments.video.analysis.faces import face_ability
    from deployments.video.analysis.features_io import load, save
    from deployments.video.analysis.merging import ANALYSIS_VERSION, merge
    from deployments.video.analysis.tasks import (
        analyse_chunk,
        analyze_audio_task,
        chunks,
        single_chunk,
    )

_SUBMODULES = {
    "AnalysisChunk": "chunk",
    "ChunkFeatures": "chunk",
    "Heard": "chunk",
    "Mode": "chunk",
    "face_ability": "faces",
    "load": "features_io",
    "save": "features_io",
    "ANALYSIS_VERSION": "merging",
    "merge": "merging",
    "analyse_chunk": "tasks",
    "chunks": "tasks",
    "analyze_audio_task": "tasks",
    "single_chunk": "tasks",
}

__all__ = [
    "ANALYSIS_VERSION",
    "AnalysisChunk",
    "ChunkFeatures",
    "Heard",
    "Mode",
    "analyse_chunk",
    "chunks",
    "face_ability",
    "analyze_audio_task",
    "load",
    "merge",
    "save",
    "single_chunk",
]


def __getattr__(name: str) -> Any:
    if name not in _SUBMODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SUBMODULES[name]}"), name)
