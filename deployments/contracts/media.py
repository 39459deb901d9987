"""Recordings as they cross stages: tracks, video and audio features, transcripts.

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
    `end` is the end of the last picture, once analysis has measured it.
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
    (commentary, described pictures, karaoke) are the file's own flags. `silent` is whether samples
    of it are silent; None: not analysed.
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
    """The header of a file. `video` is never cover art; `duration` may be wrong, which decoding
    shows (`MediaFeatures.partial`). `sound` is the index of the audio track that was
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
    """A recording in a job's private folder: `path`, its tracks, and the hash of its bytes."""

    path: Path
    info: MediaInfo
    sha256: str


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class VideoFeatures:
    """Features of the picture, a value for each decoded frame, by `times` (float64, rising).

    `luma` is the mean brightness, 0 to 1. `motion` is the mean absolute difference of brightness to
    the frame before, 0 to 1 (the first: 0). `change` is the difference to the frame before in the
    measure that detects cuts. `cuts` are the times of first frames of new shots (never the very
    first frame). `subject_times` (rising, about 5 a second) and `subjects`, of shape (n, 5), are
    the position of the salient subject: centre x, centre y, width, height as shares of the picture,
    and confidence 0 to 1; NaN where there is none. `shown`: the start of the first picture and the
    end of the last one; None: unknown.
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
    """Features of the sound. Value i of `level` (dBFS, RMS over all channels, -120 for digital
    silence), `speech` (likelihood 0 to 1) and `novelty` (rise of the spectrum's energy, >= 0)
    covers `start + i * hop_s` seconds and the hop after. `silences` is of shape (n, 2): start and
    end of each stretch without sound. `loudness` is integrated (LUFS, EBU R 128), None for silence.
    """

    start: Seconds
    hop_s: Seconds
    level: Values
    speech: Values
    novelty: Values
    silences: Times
    loudness: float | None


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class MediaFeatures:
    """The features of one decode of a recording, independent of its splits for decoding.

    `duration` is the decoded part; `partial`: it is shorter than the header states, or parts were
    damaged. `version` names the measures: those of other versions are not comparable.
    """

    version: int
    duration: Seconds
    partial: bool
    sight: VideoFeatures | None
    hearing: AudioFeatures | None


@version_tolerant
@dataclass(frozen=True, slots=True)
class Word:
    """`estimated`: the source has times for its line only, and these were spread over it.
    `ends_sentence` is set on the last word of each, `ends_cue` on the last word of each line of
    the source, at which a caption may end.
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
    """The spoken words, in order, without overlaps. `why` is the reason of empty words with
    `origin` none.

    `encoding` is that of the source file, by IANA's name; `notes` list faults of the file that were
    repaired or left out; `undrawn_scripts` are scripts that captions cannot show because no
    installed font has them, where that was checked.
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
    """Whether this installation has a capability, and if not, the reason."""

    available: bool
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)
