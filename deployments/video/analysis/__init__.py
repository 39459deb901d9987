"""Analysis: the audio and video features of a recording.

`tasks` holds what runs in any process (`chunks`, `analyse_chunk`, `analyze_audio_task`), each in a
sandboxed child; `merging.merge` joins their results, `features_io` stores them. Names are imported
on first use: each child imports this package, and needs only a part of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployments.video.analysis.chunk import AnalysisChunk, AudioAnalysis, ChunkFeatures, Mode
    from deployments.video.analysis.faces import face_ability
    from deployments.video.analysis.features_io import load, save
    from deployments.video.analysis.merging import ANALYSIS_VERSION, merge
    from deployments.video.analysis.tasks import (
        analyse_chunk,
        analyze_audio_task,
        chunk_of_span,
        chunks,
        single_chunk,
    )

_SUBMODULES = {
    "ANALYSIS_VERSION": "merging",
    "AnalysisChunk": "chunk",
    "AudioAnalysis": "chunk",
    "ChunkFeatures": "chunk",
    "Mode": "chunk",
    "analyse_chunk": "tasks",
    "analyze_audio_task": "tasks",
    "chunk_of_span": "tasks",
    "chunks": "tasks",
    "face_ability": "faces",
    "load": "features_io",
    "merge": "merging",
    "save": "features_io",
    "single_chunk": "tasks",
}

__all__ = [
    "ANALYSIS_VERSION",
    "AnalysisChunk",
    "AudioAnalysis",
    "ChunkFeatures",
    "Mode",
    "analyse_chunk",
    "analyze_audio_task",
    "chunk_of_span",
    "chunks",
    "face_ability",
    "load",
    "merge",
    "save",
    "single_chunk",
]


def __getattr__(name: str) -> Any:
    if name not in _SUBMODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SUBMODULES[name]}"), name)
