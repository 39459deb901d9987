"""What is seen and heard in a recording: a source in, its features out.

`pieces` has what runs anywhere (`chunks`, `analyse_chunk`, `hear`), each in a sandboxed child;
`merging.merge` makes features of the results, `keeping` files of those. Modules named as children
import PyAV and are run, not imported.
"""

from deployments.clipper.analysis.chunk import Chunk, ChunkFeatures, Heard, Mode
from deployments.clipper.analysis.faces import face_ability
from deployments.clipper.analysis.keeping import load, save
from deployments.clipper.analysis.merging import ANALYSIS_VERSION, merge
from deployments.clipper.analysis.pieces import analyse_chunk, chunks, hear, whole

__all__ = [
    "ANALYSIS_VERSION",
    "Chunk",
    "ChunkFeatures",
    "Heard",
    "Mode",
    "analyse_chunk",
    "chunks",
    "face_ability",
    "hear",
    "load",
    "merge",
    "save",
    "whole",
]
