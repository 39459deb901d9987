"""Recordings as they cross stages: what a file holds, what was heard and seen in it, what was said.

All times are seconds on the source's own timeline: 0 is the container's start time, as ffmpeg's
`-ss` counts it. All pictures are upright and have square pixels (display space): a phone's portrait
recording is taller than wide here, whatever its rotation flag says.
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
    `end` is when the last picture goes, once analysis has found out.
    """

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
    (commentary, described pictures, karaoke) are the file's own flags. `silent` is whether nothing
    was heard in samples of it; None: not looked at.
    """

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
    """`text` is whether it holds text rather than pictures. `forced` ones translate a few lines
    only; `impaired` ones also describe sounds. These and the others are the file's own flags."""

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
    """What the header says of a file. `video` is never cover art; `duration` may be a lie, which
    decoding finds out (`MediaFeatures.partial`). `sound` is the index of the audio track that was
    chosen; None leaves it to the rule (deployments/video/probe/tracks.py).
    """

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
    """A recording in a job's private folder: `path`, what it holds, and the hash of its bytes."""

    path: Path
    info: MediaInfo
    sha256: str


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class VideoFeatures:
    """What was seen, a value for each decoded frame, in order of `times` (float64, rising).

    `luma` is the mean brightness, 0 to 1. `motion` is the mean absolute difference of brightness to
    the frame before, 0 to 1 (the first: 0). `change` is how unlike the frame before it is, in the
    measure that finds cuts. `cuts` are the times of first frames of new shots (never the very first
    frame). `subject_times` (rising, about 5 a second) and `subjects`, of shape (n, 5), say where
    what the eye would follow is: centre x, centre y, width, height as shares of the picture, and
    confidence 0 to 1; NaN where nothing stands out. `shown`: when the first picture comes and when
    the last one goes; None: not known.
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
    """What was heard. Value i of `level` (dBFS, RMS over all channels, -120 for digital silence),
    `speech` (likelihood 0 to 1) and `novelty` (rise of the spectrum's energy, >= 0) covers
    `start + i * hop_s` seconds and the hop after. `silences` is of shape (n, 2): start and end of
    each stretch without sound.
    """

    start: Seconds
    hop_s: Seconds
    level: Values
    speech: Values
    novelty: Values
    silences: Times


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class MediaFeatures:
    """All that one decode of a recording gave. They are the same however it was split for decoding.

    `duration` is what could be decoded; `partial` says that this is less than the header promised,
    or that parts were damaged. `version` names the measures: others are not to be compared.
    """

    version: int
    duration: Seconds
    partial: bool
    video: VideoFeatures | None
    audio: AudioFeatures | None


@version_tolerant
@dataclass(frozen=True, slots=True)
class Word:
    """`estimated`: the source gave times for its line only, and these were spread over it.
    `ends_sentence` is set on the last word of each, `ends_cue` on the last word of each line of
    the source, at which a caption may well end.
    """

    start: Seconds
    end: Seconds
    text: str
    ends_sentence: bool = False
    estimated: bool = False
    ends_cue: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said, in order, without overlaps. Empty words with `origin` none say `why`.

    `encoding` is that of the file it was read from, by IANA's name; `notes` say what was wrong
    with the file and mended or left out; `undrawn_scripts` are those that captions cannot show
    because no installed font has them, where somebody has looked.
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
    """What a recording may be; refusals name the field and its limit."""

    max_bytes: int = 8 << 30
    max_duration_s: Seconds = 4 * 3600.0
    max_pixels: int = 8192 * 4320
    max_streams: int = 32
    max_fps: float = 240.0
    min_duration_s: Seconds = 0.1


@version_tolerant
@dataclass(frozen=True, slots=True)
class Capability:
    """Whether this installation can do something, and if not, why."""

    available: bool
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)
