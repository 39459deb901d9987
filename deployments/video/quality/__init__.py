"""Quality control: a finished clip in, its measures and its faults out."""

from deployments.video.quality.inspection import inspect

__all__ = ["inspect"]
