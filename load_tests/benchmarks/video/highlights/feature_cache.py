"""Recordings as the ranker sees them. In: a file. Out: its features, kept beside it.

Made by the product's own probe and analysis, in their sandbox.
"""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.contracts.media import MediaFeatures, MediaLimits, MediaSource
from deployments.video import analysis
from deployments.video.probe.probe import probe


def extract_features(video: Path, kept: Path | None = None, parts: int = 1) -> MediaFeatures:
    """What one decode of `video` gives, in so many parts; read from `kept` if made before."""
    if kept is not None and kept.exists():
        return analysis.load(kept)
    with TemporaryDirectory() as name:
        folder = Path(name)
        info = probe(video, folder, MediaLimits())
        source = MediaSource(video, info, hashlib.sha256(video.read_bytes()).hexdigest())
        chunks = analysis.chunks(source, folder, parts)
        seen = [analysis.analyse_chunk(source, chunk, folder) for chunk in chunks]
        features = analysis.merge(info, seen, analysis.analyze_audio_task(source, folder))
    if kept is not None:
        analysis.save(features, kept)
    return features
