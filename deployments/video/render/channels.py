"""Channel faults and their repair: ffmpeg's statistics in, a repair out.

Two faults are repaired, because listeners on a phone's single loudspeaker or one earphone would
miss the sound: sound on one channel only (a microphone on one input), and channels that cancel each
other in mono (one of them wired in reverse).
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

SILENT_DB = -120.0
AUDIBLE_DB = -55.0  # RMS; quieter channels are not compared
ONE_SIDED_DB = 35.0  # no stereo microphone keeps its channels so far apart
CANCELLATION_DB = 15.0  # lost in mono; unrelated channels lose 3 dB, equal ones nothing
_RMS = re.compile(r"^\[Parsed_astats\S* @ \w+\] RMS level dB: (\S+)", re.MULTILINE)

Repair = Literal["left", "right", "invert"]
PAN = {
    "left": "stereo|c0=c0|c1=c0",
    "right": "stereo|c0=c1|c1=c1",
    "invert": "stereo|c0=c0|c1=-1*c1",
}
REPAIR_NOTES = {
    "left": "the recording has its sound on the left channel only: it is on both now",
    "right": "the recording has its sound on the right channel only: it is on both now",
    "invert": "the channels cancelled each other out in mono: one was turned round",
}


@dataclass(frozen=True, slots=True)
class Channels:
    """RMS levels in dBFS: of the `left` and `right` channel, and of half their sum (`mono`)."""

    left: float
    right: float
    mono: float

    @property
    def mean(self) -> float:
        """The level of both channels' mean power."""
        power = (10 ** (self.left / 10) + 10 ** (self.right / 10)) / 2
        return 10 * math.log10(max(power, 10 ** (SILENT_DB / 10)))

    @property
    def is_one_sided(self) -> bool:
        louder, quieter = max(self.left, self.right), min(self.left, self.right)
        return louder > AUDIBLE_DB and quieter < louder - ONE_SIDED_DB

    @property
    def cancels_in_mono(self) -> bool:
        return self.mean > AUDIBLE_DB and self.mono < self.mean - CANCELLATION_DB


def parse_channels(log: str) -> Channels | None:
    """From the log of `CHANNEL_METER`; the last three levels count. None: nothing was measured."""
    levels = [_level(text) for text in _RMS.findall(log)][-3:]
    return Channels(*levels) if len(levels) == 3 else None


def repair_of(channels: Channels | None) -> Repair | None:
    """What makes the sound audible on either channel and in mono; None: it is."""
    if channels is None:
        return None
    if channels.is_one_sided:
        return "left" if channels.left > channels.right else "right"
    return "invert" if channels.cancels_in_mono else None


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        return SILENT_DB
    return level if math.isfinite(level) else SILENT_DB
