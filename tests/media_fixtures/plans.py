"""Plans of small clips, to be rendered in tests."""

from typing import Any

from deployments.contracts.clips import ClipPlan, CropKeyframe, Framing, OutputPlan

WHOLE = OutputPlan(Framing("16:9", False, keys=(CropKeyframe(0.0, 0.0, 0.0),)), 320, 180)
FIT = OutputPlan(Framing("1:1", True), 96, 96)
UPRIGHT = (90, 160)
UPRIGHT_SHARE = 9 * 9 / (16 * 16)


def following(*keys: CropKeyframe, fits: tuple[tuple[float, float], ...] = ()) -> OutputPlan:
    """A 9:16 crop of a 16:9 picture that follows `keys`."""
    return OutputPlan(Framing("9:16", False, UPRIGHT_SHARE, 1.0, keys, fits), *UPRIGHT)


def clip(*outputs: OutputPlan, start: float = 1.37, end: float = 3.37, **other: Any) -> ClipPlan:
    """Begins between keyframes, and between frames."""
    return ClipPlan(1, start, end, outputs or (WHOLE,), **{"quality": "draft", **other})


def never() -> bool:
    """No cancelling."""
    return False
