"""Clips as they cross stages: options, highlights, plans, files and reports.

Times are seconds of the source (deployments/contracts/media.py) unless stated otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cluster.runtime.pickle_compat import version_tolerant
from deployments.contracts.media import Seconds

AspectName = Literal["9:16", "1:1", "4:5", "16:9"]
Quality = Literal["draft", "standard", "final"]

ASPECTS: Mapping[AspectName, tuple[int, int]] = {
    "9:16": (9, 16),
    "1:1": (1, 1),
    "4:5": (4, 5),
    "16:9": (16, 9),
}


@version_tolerant
@dataclass(frozen=True, slots=True)
class ClipOptions:
    """The caller's options, validated at the edge (ingress/schemas/clips.py has the ranges).

    At most `count` clips of `min_s` to `max_s` seconds, from `start` to `end` of the source (None:
    its end). `captions` is a style's name or "none". `framing`: follow the subject, fit the whole
    picture over a blurred copy, or decide by shot. `loudness` is LUFS. Passages with `keywords`
    rank higher. `audio_track` is the number of the audio track, from 1 in the file's order (None:
    by rule). `keep_labels`: sound labels (`[MUSIC]`) and speakers' names in the transcript count as
    words.
    """

    count: int = 5
    min_s: Seconds = 15.0
    max_s: Seconds = 60.0
    start: Seconds = 0.0
    end: Seconds | None = None
    aspects: tuple[AspectName, ...] = ("9:16",)
    quality: Quality = "standard"
    captions: str = "karaoke"
    framing: Literal["auto", "follow", "fit"] = "auto"
    keywords: tuple[str, ...] = ()
    language: str | None = None
    loudness: float = -14.0
    texts: bool = True
    rerank: bool = False
    ssim: bool = False
    seed: int = 0
    audio_track: int | None = None
    keep_labels: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a span was chosen: which `signal` stood out from `start` to `end`, and how, in words for
    readers ("loudness 2.9 above the usual", "says 'how to'")."""

    signal: str
    start: Seconds
    end: Seconds
    note: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class Highlight:
    """A span worth a clip. `score` and each of `scores` are 0 to 1, calibrated within its
    recording; `excerpt` is the beginning of its text. `note` says how the clip deviates from the
    request, and why."""

    start: Seconds
    end: Seconds
    score: float
    scores: Mapping[str, float]
    evidence: tuple[Evidence, ...]
    excerpt: str = ""
    note: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class CropKeyframe:
    """From `time` on (seconds of the source) the crop's left upper corner moves linearly to the
    next keyframe's; x and y are shares of the source picture in display space. `jump`: it is there
    at once (a cut), without movement from the keyframe before."""

    time: Seconds
    x: float
    y: float
    jump: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class Framing:
    """How one aspect is cut out of the picture: a crop of `width` x `height` (shares of the source
    picture) that follows `keys`, or, if `fit`, the whole picture over a blurred copy of itself.
    `fits` are spans (start, end) within a followed clip that show the whole picture."""

    aspect: AspectName
    fit: bool
    width: float = 1.0
    height: float = 1.0
    keys: tuple[CropKeyframe, ...] = ()
    fits: tuple[tuple[Seconds, Seconds], ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class RenderedCaptions:
    """Captions of one clip for one picture size; times inside are the clip's own, from 0.

    `ass` is burnt in (None: nothing), `srt` and `vtt` are files for the caller.
    """

    ass: str | None
    srt: str
    vtt: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class OutputPlan:
    """One picture of a clip. `width`, `height` are even."""

    framing: Framing
    width: int
    height: int
    ass: str | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Everything needed to render one clip; equal plans give equivalent files. `threads` 0: all
    cores."""

    index: int
    start: Seconds
    end: Seconds
    outputs: tuple[OutputPlan, ...]
    quality: Quality = "standard"
    loudness: float | None = -14.0
    encoder: Literal["x264", "nvenc"] = "x264"
    threads: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class ClipReport:
    """The measures of a finished file. `av_offset_ms`: the delay of the sound's beginning behind
    the picture's. `loudness` is LUFS, `true_peak` dBTP. `partial`: the source was damaged or ended
    early. `black_frames` are counted without captions. `problems` names each fault of the file;
    empty for a good one. `repairs` names what was repaired in the sound."""

    frames: int
    expected_frames: int
    duration_s: Seconds
    av_offset_ms: float | None
    av_drift_ms: float | None
    loudness: float | None
    true_peak: float | None
    black_frames: int
    ssim: float | None
    partial: bool
    problems: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class RenderFacts:
    """What only the renderer knows of a file: how many frames were `black` before captions (None:
    not counted), `gaps` (what of sound or picture its source lacks), `repairs`, and whether the
    source's sound is `silent` in the clip's span."""

    black: int | None = None
    gaps: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    silent: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file in the job's private folder. `kind`: video, thumbnail."""

    kind: Literal["video", "thumbnail"]
    aspect: AspectName
    path: Path
    bytes: int
    sha256: str
    width: int
    height: int
    report: ClipReport | None = None
    facts: RenderFacts | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class ClipMetadata:
    """Title, description and hashtags of a clip, and their author: a model's id, or `template`."""

    title: str
    description: str
    hashtags: tuple[str, ...]
    generated_by: str
    detail: Mapping[str, Any] = field(default_factory=dict)
