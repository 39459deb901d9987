"""Recordings as the ranker sees them. In: a file. Out: its features, cached beside it.

Made by the product's own probe and analysis, in their sandbox.
"""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.contracts.media import MediaFeatures, MediaLimits, MediaSource
from deployments.video import analysis
from deployments.video.probe.probe import probe


def extract_features(video: Path, cache_file: Path | None = None, parts: int = 1) -> MediaFeatures:
    """What one decode of `video` gives, in so many parts; read from `cache_file` if made before."""
    if cache_file is not None and cache_file.exists():
        return analysis.load(cache_file)
    with TemporaryDirectory() as name:
        folder = Path(name)
        info = probe(video, folder, MediaLimits())
        source = MediaSource(video, info, hashlib.sha256(video.read_bytes()).hexdigest())
        chunks = analysis.chunks(source, folder, parts)
        parts_analysed = [analysis.analyse_chunk(source, chunk, folder) for chunk in chunks]
        features = analysis.merge(info, parts_analysed, analysis.analyze_audio_task(source, folder))
    if cache_file is not None:
        analysis.save(features, cache_file)
    return features
