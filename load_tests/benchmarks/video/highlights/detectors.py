"""Where PySceneDetect sees hard cuts. In: a recording's file. Out: times, cached beside it as JSON.

It runs in an environment of its own, which `./mobula bench video` makes; without one, nothing is
compared.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from load_tests.benchmarks.common.reference_tools import ReferenceTools, find_installed

DETECTORS = ("detect-content", "detect-adaptive")
Cuts = Mapping[str, list[float]]


def detect_cuts(video: Path, fps: int, cache_file: Path) -> Cuts:
    """By detector, in seconds; nothing where it is not installed."""
    peers = find_installed()
    if peers is None:
        return {}
    cuts_by_detector = {detector: _cuts(peers, detector, video, fps) for detector in DETECTORS}
    cache_file.write_text(json.dumps(cuts_by_detector))
    return cuts_by_detector


def read_cached_cuts(cache_file: Path) -> Cuts:
    return dict(json.loads(cache_file.read_text())) if cache_file.exists() else {}


def _cuts(peers: ReferenceTools, detector: str, video: Path, fps: int) -> list[float]:
    with TemporaryDirectory() as name:
        numbers = peers.cuts(video, Path(name) / "scenes.csv", detector)
    return [number / fps for number in numbers]
