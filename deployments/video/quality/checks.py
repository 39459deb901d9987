"""Checks a clip: its measures and its plan in, a report in words out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

from deployments.contracts.clips import ClipPlan, ClipReport, RenderFacts
from deployments.video.quality.measuring import Measured
from deployments.video.render.loudness import QUIET_LUFS, is_silent
from deployments.video.render.rates import DEFAULT

OFFSET_MS = 10.0
AAC_FRAME_MS = 1024 / 48
LOUDNESS_LU = 1.0
BLACK_SHARE = 0.5
LEAST_SSIM = 0.9


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a file beside its plan: whether it `wants_sound`; why it should not be
    silent, in words that follow "the clip is silent, " (None: it may be); the renderer's facts."""

    wants_sound: bool = True
    not_silent: str | None = None
    facts: RenderFacts = RenderFacts()


_DEFAULT_EXPECTED = Expected()


def run_checks(
    plan: ClipPlan,
    measured: Measured,
    ssim: float | None,
    expected: Expected = _DEFAULT_EXPECTED,
) -> ClipReport:
    """The report of one file."""
    rate = _rate(measured)
    expected_frames = max(1, round((plan.end - plan.start) * rate))
    frames = len(measured.packets)
    offset, drift = _sync_ms(measured)
    loudness = measured.loudness
    report = ClipReport(
        frames=frames,
        expected_frames=expected_frames,
        duration_s=round(frames / rate, 6),
        av_offset_ms=offset,
        av_drift_ms=drift,
        loudness=None if loudness is None else loudness.integrated,
        true_peak=None if loudness is None else loudness.true_peak,
        black_frames=measured.black if expected.facts.black is None else expected.facts.black,
        ssim=ssim,
        partial=frames < expected_frames - 1 or measured.decoded < frames,
        repairs=expected.facts.repairs,
    )
    problems = (
        *_picture_problems(report, measured),
        *_sound_problems(report, plan, expected.wants_sound),
        *_channel_problems(measured, expected),
        *expected.facts.gaps,
    )
    return replace(report, problems=problems)


def _rate(measured: Measured) -> float:
    lengths = [packet.duration for packet in measured.packets if packet.duration > 0]
    return 1 / median(lengths) if lengths else float(DEFAULT)


def _sync_ms(measured: Measured) -> tuple[float | None, float | None]:
    """The delay of the sound's beginning behind the picture's, and how much it grows by the end."""
    if measured.sound is None or not measured.packets:
        return None, None
    begins, ends = measured.sound
    last = max(packet.time + packet.duration for packet in measured.packets)
    offset = 1000 * (begins - measured.packets[0].time)
    return round(offset, 3), round(1000 * (ends - last) - offset, 3)


def _picture_problems(report: ClipReport, measured: Measured) -> Iterator[str]:
    short = report.expected_frames - report.frames
    if abs(short) > 1:
        why = ": the recording ends early or is damaged there" if short > 0 else ""
        yield f"{report.frames} frames instead of {report.expected_frames}{why}"
    if measured.decoded < report.frames:
        yield f"only {measured.decoded} of {report.frames} frames can be decoded"
    if report.frames and report.black_frames > BLACK_SHARE * report.frames:
        yield f"{report.black_frames} of {report.frames} frames are black"
    if report.ssim is not None and report.ssim < LEAST_SSIM:
        yield f"the picture is unlike its source (SSIM {report.ssim:.3f})"


def _sound_problems(report: ClipReport, plan: ClipPlan, wants_sound: bool) -> Iterator[str]:
    if wants_sound and report.av_offset_ms is None:
        yield "the sound is missing"
    if report.av_offset_ms is not None and abs(report.av_offset_ms) > OFFSET_MS:
        yield f"sound begins {_signed_ms(report.av_offset_ms)} the picture"
    if report.av_drift_ms is not None and abs(report.av_drift_ms) > AAC_FRAME_MS:
        yield f"sound ends {_signed_ms(report.av_drift_ms)} the picture"
    if report.true_peak is not None and report.true_peak >= 0:
        yield f"the true peak is {report.true_peak:+.1f} dBTP"
    if _is_off(report.loudness, plan.loudness):
        yield f"loudness is {report.loudness:.1f} LUFS instead of {plan.loudness:.1f}"


def _channel_problems(measured: Measured, expected: Expected) -> Iterator[str]:
    """Faults of the channels, and silence."""
    if measured.loudness is not None and is_silent(measured.loudness):
        if expected.not_silent is not None:
            yield f"the clip is silent, {expected.not_silent}"
        return
    if measured.channels is not None and measured.channels.is_one_sided:
        yield "the sound is on one channel only"
    if measured.channels is not None and measured.channels.cancels_in_mono:
        yield "the sound vanishes where both channels are heard as one (mono)"


def _signed_ms(late: float) -> str:
    return f"{abs(late):.0f} ms {'after' if late > 0 else 'before'}"


def _is_off(loudness: float | None, target: float | None) -> bool:
    """Silence and bare noise are left as they are, on purpose."""
    if loudness is None or target is None or loudness < QUIET_LUFS:
        return False
    return abs(loudness - target) > LOUDNESS_LU
