"""Features as a file and back.

The file is an .npz without pickles; one that is incomplete, of another shape or with impossible
values is refused.
"""

from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.media import AudioFeatures, MediaFeatures, Seconds, VideoFeatures
from deployments.video.analysis.arrays import Array, Layout, read, write

_FACTS_LAYOUT: Layout = {"facts": ("<f8", (9,))}
_VIDEO_LAYOUT: Layout = {
    "times": ("<f8", ("n",)),
    "luma": ("<f4", ("n",)),
    "motion": ("<f4", ("n",)),
    "change": ("<f4", ("n",)),
    "cuts": ("<f8", ("c",)),
    "subject_times": ("<f8", ("s",)),
    "subjects": ("<f4", ("s", 5)),
}
_AUDIO_LAYOUT: Layout = {
    "level": ("<f4", ("h",)),
    "speech": ("<f4", ("h",)),
    "novelty": ("<f4", ("h",)),
    "silences": ("<f8", ("q", 2)),
}


def save(features: MediaFeatures, path: Path) -> None:
    """Equal features give equal bytes."""
    video_features, audio_features = features.video, features.audio
    facts = [
        features.version,
        features.duration,
        features.partial,
        video_features is not None,
        audio_features is not None,
        audio_features.start if audio_features else 0.0,
        audio_features.hop_s if audio_features else 0.0,
        *(
            (np.nan, np.nan)
            if video_features is None or video_features.shown is None
            else video_features.shown
        ),
    ]
    write(
        path,
        {
            "facts": np.array(facts, np.float64),
            **_arrays(video_features, _VIDEO_LAYOUT),
            **_arrays(audio_features, _AUDIO_LAYOUT),
        },
    )


def load(path: Path) -> MediaFeatures:
    """What `save` wrote. Raises ValueError if the file is missing, damaged, or of another kind."""
    facts = [float(fact) for fact in read(path, _FACTS_LAYOUT)["facts"]]
    version, duration, partial, has_video, has_audio, start, hop_s, first_shown, last_shown = facts
    if not np.isfinite(facts[:-2]).all() or (has_audio and hop_s <= 0):
        raise ValueError(f"{path.name} does not hold features")
    audio_features: dict[str, Any] = read(path, _AUDIO_LAYOUT) if has_audio else {}
    return MediaFeatures(
        version=int(version),
        duration=duration,
        partial=bool(partial),
        video=_load_video(path, None if np.isnan(first_shown) else (first_shown, last_shown))
        if has_video
        else None,
        audio=AudioFeatures(start, hop_s, **audio_features) if has_audio else None,
    )


def _load_video(path: Path, shown: tuple[Seconds, Seconds] | None) -> VideoFeatures:
    arrays: dict[str, Any] = read(path, _VIDEO_LAYOUT)
    if not all((np.diff(arrays[name]) > 0).all() for name in ("times", "cuts", "subject_times")):
        raise ValueError(f"{path.name} holds times that do not rise")
    return VideoFeatures(**arrays, shown=shown)


def _arrays(value: VideoFeatures | AudioFeatures | None, layout: Layout) -> dict[str, Array]:
    if value is None:
        return {}
    return {
        name: np.ascontiguousarray(getattr(value, name), np.dtype(kind))
        for name, (kind, _) in layout.items()
    }
