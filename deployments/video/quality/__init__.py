"""Quality control: a finished clip in, what was measured on it and which promises it breaks out."""

from deployments.video.quality.inspection import inspect

__all__ = ["inspect"]
