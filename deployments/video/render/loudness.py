"""Loudness: ffmpeg's EBU R 128 summary in, a gain out."""

import math
import re
from dataclasses import dataclass

QUIET_LUFS = -55.0  # below, there is only noise, which is not amplified
SILENT_DBTP = -60.0  # a lower peak is silence
MAX_GAIN_DB = 30.0
CEILING_DBTP = -2.0  # before AAC, which overshoots by up to 1.7 dB
HARD_LIMITING_DB = (
    3.0  # dB above the ceiling: from here on limiting costs loudness that must be made up for
)
_INTEGRATED = re.compile(r"^\s*I:\s+(\S+) LUFS", re.MULTILINE)
_PEAK = re.compile(r"^\s*Peak:\s+(\S+) dBFS", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LoudnessMeasurement:
    """`integrated` in LUFS, None if nothing was loud enough to count; `true_peak` in dBTP, None for
    digital silence."""

    integrated: float | None
    true_peak: float | None


@dataclass(frozen=True, slots=True)
class Gain:
    """`db` is added to every sample; `limit` limits peaks over the ceiling."""

    db: float = 0.0
    limit: bool = False


def parse_loudness(log: str) -> LoudnessMeasurement:
    """From the log of the filter `ebur128=peak=true`; the last summary counts."""
    _, _, summary = log.rpartition("Summary:")
    integrated, peak = _last(_INTEGRATED, summary), _last(_PEAK, summary)
    return LoudnessMeasurement(
        None if integrated is None or integrated <= -70 else integrated, peak
    )


def _last(pattern: re.Pattern[str], text: str) -> float | None:
    matches = pattern.findall(text)
    try:
        value = float(matches[-1]) if matches else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_silent(measured: LoudnessMeasurement) -> bool:
    """Whether nothing is audible."""
    return measured.integrated is None and (
        measured.true_peak is None or measured.true_peak < SILENT_DBTP
    )


def for_both_channels(measured: LoudnessMeasurement) -> LoudnessMeasurement:
    """The loudness after the only audible channel is copied to both: twice the power, equal peaks
    (ITU-R BS.1770-4 adds the channels' power)."""
    if measured.integrated is None:
        return measured
    return LoudnessMeasurement(
        round(measured.integrated + 10 * math.log10(2), 2), measured.true_peak
    )


def gain_to(target: float | None, measured: LoudnessMeasurement) -> Gain:
    """The gain to `target` LUFS. Silence is not amplified."""
    if target is None or measured.integrated is None or measured.integrated < QUIET_LUFS:
        return _limited(0.0, measured)
    return _limited(min(MAX_GAIN_DB, target - measured.integrated), measured)


def makeup_gain(gain: Gain, target: float, measured: LoudnessMeasurement) -> Gain:
    """`gain`, corrected by the loudness measured after it and the limiter."""
    if measured.integrated is None:
        return gain
    return Gain(min(MAX_GAIN_DB, round(gain.db + target - measured.integrated, 2)), gain.limit)


def is_limiting(gain: Gain, measured: LoudnessMeasurement) -> bool:
    """Whether the limiter costs so much loudness that it has to be measured again."""
    return (
        gain.limit
        and measured.true_peak is not None
        and measured.true_peak + gain.db > CEILING_DBTP + HARD_LIMITING_DB
    )


def _limited(db: float, measured: LoudnessMeasurement) -> Gain:
    return Gain(
        round(db, 2), measured.true_peak is not None and measured.true_peak + db > CEILING_DBTP
    )
