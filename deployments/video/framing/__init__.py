"""Framing: what is seen in a clip, as the part of the picture that each aspect shows."""

from deployments.video.framing.reframe import frame
from deployments.video.framing.shots import TOP_SPEED
from deployments.video.framing.sizes import output_size

__all__ = ["TOP_SPEED", "frame", "output_size"]
