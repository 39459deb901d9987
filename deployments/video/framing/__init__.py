"""Framing: video features in, the crop of each aspect out."""

from deployments.video.framing.reframe import frame
from deployments.video.framing.shots import TOP_SPEED
from deployments.video.framing.sizes import output_size

__all__ = ["TOP_SPEED", "frame", "output_size"]
