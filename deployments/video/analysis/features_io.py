"""Features as a file and back: what one analysis found is kept under its recording's hash.

The file is an .npz without pickles; one that is not whole, of another shape or of values that
cannot be, is refused.
"""

from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.media import AudioFeatures, MediaFeatures, Seconds, VideoFeatures
from deployments.video.analysis.arrays import Array, Layout, read, write

_FACTS: Layout = {"facts": ("<f8", (10,))}
_SIGHT: Layout = {
    "times": ("<f8", ("n",)),
    "luma": ("<f4", ("n",)),
    "motion": ("<f4", ("n",)),
    "change": ("<f4", ("n",)),
    "cuts": ("<f8", ("c",)),
    "subject_times": ("<f8", ("s",)),
    "subjects": ("<f4", ("s", 5)),
}
_HEARING: Layout = {
    "level": ("<f4", ("h",)),
    "speech": ("<f4", ("h",)),
    "novelty": ("<f4", ("h",)),
    "silences": ("<f8", ("q", 2)),
}


def save(features: MediaFeatures, path: Path) -> None:
    """Equal features give equal bytes."""
    sight, hearing = features.sight, features.hearing
    loudness = None if hearing is None else hearing.loudness
    facts = [
        features.version,
        features.duration,
        features.partial,
        sight is not None,
        hearing is not None,
        hearing.start if hearing else 0.0,
        hearing.hop_s if hearing else 0.0,
        np.nan if loudness is None else loudness,
        *((np.nan, np.nan) if sight is None or sight.shown is None else sight.shown),
    ]
    write(
        path,
        {
            "facts": np.array(facts, np.float64),
            **_fields(sight, _SIGHT),
            **_fields(hearing, _HEARING),
        },
    )


def load(path: Path) -> MediaFeatures:
    """What `save` wrote. Raises ValueError: the file is missing, damaged, or of another kind."""
    facts = [float(fact) for fact in read(path, _FACTS)["facts"]]
    version, duration, partial, seen, heard, start, hop_s, loudness, comes, goes = facts
    if not np.isfinite(facts[:-3]).all() or (heard and hop_s <= 0):
        raise ValueError(f"{path.name} does not hold features")
    hearing: dict[str, Any] = read(path, _HEARING) if heard else {}
    measured = None if np.isnan(loudness) else loudness
    return MediaFeatures(
        version=int(version),
        duration=duration,
        partial=bool(partial),
        sight=_sight(path, None if np.isnan(comes) else (comes, goes)) if seen else None,
        hearing=AudioFeatures(start, hop_s, loudness=measured, **hearing) if heard else None,
    )


def _sight(path: Path, shown: tuple[Seconds, Seconds] | None) -> VideoFeatures:
    found: dict[str, Any] = read(path, _SIGHT)
    if not all((np.diff(found[name]) > 0).all() for name in ("times", "cuts", "subject_times")):
        raise ValueError(f"{path.name} holds times that do not rise")
    return VideoFeatures(**found, shown=shown)


def _fields(value: VideoFeatures | AudioFeatures | None, layout: Layout) -> dict[str, Array]:
    if value is None:
        return {}
    return {
        name: np.ascontiguousarray(getattr(value, name), np.dtype(kind))
        for name, (kind, _) in layout.items()
    }
