"""Quality control: a finished clip in, what was measured on it and which promises it breaks out."""

from deployments.clipper.quality.inspection import inspect

__all__ = ["inspect"]
