"""Finds the gain of a clip: what was heard of its span in, and a second hearing where limiting that
gain would cost loudness."""

from deployments.clipper.render.loudness import (
    Gain,
    Loudness,
    gain_to,
    is_hard,
    made_up,
    parse_loudness,
)
from deployments.clipper.render.running import Workspace
from deployments.clipper.render.sound import METER, evened, loud, text
from deployments.clipper.render.span import Span
from deployments.clipper.sandbox.inputs import ffmpeg_input
from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import MediaInfo

ROUNDS = 2
CLOSE = 0.3  # LU


def level(plan: ClipPlan, info: MediaInfo, span: Span, work: Workspace) -> Gain:
    """The gain that brings the clip to the plan's loudness after the limiter."""
    if span.heard is None:
        return Gain()
    gain = gain_to(plan.loudness, span.heard)
    if plan.loudness is None or gain.db == 0 or not is_hard(gain, span.heard):
        return gain
    for _ in range(ROUNDS):
        again = made_up(gain, plan.loudness, _heard(info, span, gain, work))
        done, gain = abs(again.db - gain.db) < CLOSE, again
        if done:
            break
    return gain


def _heard(info: MediaInfo, span: Span, gain: Gain, work: Workspace) -> Loudness:
    argv = work.ffmpeg("-v", "info", "-nostats", "-ss", f"{span.seek:.6f}")
    argv += ["-t", f"{span.lead + span.duration:.6f}", *ffmpeg_input(work.source)]
    chain = text((*evened(span.lead, span.duration, late=True), *loud(gain), METER))
    argv += ["-filter_complex", f"[0:{info.audio[0].index}]{chain}[a]", "-map", "[a]"]
    return parse_loudness(work.run([*argv, "-f", "null", "-"]).err)
