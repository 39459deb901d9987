"""Recordings as they cross stages: media info, audio and video features, transcripts.

All times are seconds on the source's own timeline: 0 is the container's start time, as ffmpeg's
`-ss` counts it. All pictures are upright and have square pixels (display space): a phone's portrait
recording is taller than wide here, whatever its rotation flag is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cluster.runtime.pickle_compat import version_tolerant

Seconds = float
Times = NDArray[np.float64]
Values = NDArray[np.float32]
Hdr = Literal["sdr", "pq", "hlg"]


@version_tolerant
@dataclass(frozen=True, slots=True)
class VideoTrack:
    """`index` is the stream's number in the file. `width`, `height` are in display space;
    `coded_width`, `coded_height` are as stored. `rotation` is the clockwise turn in degrees (0, 90,
    180, 270) that makes a stored picture upright. `fps` is the average; `frames` is the header's.
    `end` is when the last picture ends, once analysed."""

    index: int
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    sar: Fraction
    fps: Fraction
    vfr: bool
    frames: int | None
    pixel_format: str
    bits: int
    hdr: Hdr
    interlaced: bool
    start: Seconds = 0.0
    end: Seconds | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class AudioTrack:
    """`index` is the stream's number in the file. `default`, `dub` (a translation) and `comment`
    (commentary, described pictures, karaoke) are the file's own flags. `silent` is whether samples
    of it are silent; None: unknown."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None = None
    start: Seconds = 0.0
    default: bool = False
    comment: bool = False
    dub: bool = False
    title: str | None = None
    silent: bool | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """`text` is whether it consists of text rather than pictures. `forced` ones translate a few
    lines only; `impaired` ones also describe sounds. These and the others are the file's own flags.
    """

    index: int
    codec: str
    language: str | None
    text: bool
    default: bool = False
    forced: bool = False
    comment: bool = False
    impaired: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class MediaInfo:
    """The media info of a file's header. `video` is never cover art; `duration` may be wrong, which
    decoding detects (`MediaFeatures.partial`). `sound` is the index of the chosen audio track; None
    leaves it to the rule (deployments/video/probe/tracks.py)."""

    container: str
    duration: Seconds
    bytes: int
    video: VideoTrack | None
    audio: tuple[AudioTrack, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()
    sound: int | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class MediaSource:
    """A recording in a job's private folder: its `path`, media info, and hash."""

    path: Path
    info: MediaInfo
    sha256: str


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class VideoFeatures:
    """A value for each decoded frame, in order of `times` (float64, rising).

    `luma` is the mean brightness, 0 to 1. `motion` is the mean absolute difference of brightness to
    the frame before, 0 to 1 (the first: 0). `change` is the distance to the frame before, in the
    measure of cut detection. `cuts` are the times of first frames of new shots (never the very
    first frame). `subject_times` (rising, about 5 a second) and `subjects`, of shape (n, 5), locate
    the subject: centre x, centre y, width, height as shares of the picture, and confidence 0 to 1;
    NaN without a subject. `shown`: when the first picture comes and when the last one ends; None:
    unknown.
    """

    times: Times
    luma: Values
    motion: Values
    change: Values
    cuts: Times
    subject_times: Times
    subjects: Values
    shown: tuple[Seconds, Seconds] | None = None


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class AudioFeatures:
    """Value i of `level` (dBFS, RMS over all channels, -120 for digital silence), `speech`
    (likelihood 0 to 1) and `novelty` (spectral flux, >= 0) covers `start + i * hop_s` seconds and
    the hop after. `silences` is of shape (n, 2): start and end of each silence."""

    start: Seconds
    hop_s: Seconds
    level: Values
    speech: Values
    novelty: Values
    silences: Times


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class MediaFeatures:
    """The features of a recording; they do not depend on how it was split for decoding.

    `duration` is what could be decoded; `partial`: that is less than the header's, or parts were
    damaged. Features of different `version` are not comparable.
    """

    version: int
    duration: Seconds
    partial: bool
    video: VideoFeatures | None
    audio: AudioFeatures | None


@version_tolerant
@dataclass(frozen=True, slots=True)
class Word:
    """`estimated`: the source has times of its line only, which were spread over its words.
    `ends_sentence` is set on the last word of each sentence, `ends_cue` on the last word of each
    line of the source, where a caption may end."""

    start: Seconds
    end: Seconds
    text: str
    ends_sentence: bool = False
    estimated: bool = False
    ends_cue: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class Transcript:
    """Words in order, without overlaps. A transcript of origin `none` has no words, and `why`.

    `encoding` is that of its file, by IANA's name; `notes` are the repaired or skipped faults of
    the file; `undrawn_scripts` are those that captions cannot show for lack of a font, if known.
    """

    words: tuple[Word, ...]
    origin: Literal["sidecar", "embedded", "speech", "none"]
    language: str | None = None
    why: str = ""
    encoding: str | None = None
    notes: tuple[str, ...] = ()
    undrawn_scripts: tuple[str, ...] = ()


NO_TRANSCRIPT = Transcript(
    (), "none", None, "no transcript was given and no speech model is set up"
)


@version_tolerant
@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The limits of a recording; refusals name the field and its limit."""

    max_bytes: int = 8 << 30
    max_duration_s: Seconds = 4 * 3600.0
    max_pixels: int = 8192 * 4320
    max_streams: int = 32
    max_fps: float = 240.0
    min_duration_s: Seconds = 0.1


@version_tolerant
@dataclass(frozen=True, slots=True)
class Capability:
    """Whether this installation supports something, and if not, why."""

    available: bool
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)
