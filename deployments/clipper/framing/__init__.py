"""Framing: what is seen in a clip, as the part of the picture that each aspect shows."""

from deployments.clipper.framing.choosing import frame
from deployments.clipper.framing.shots import TOP_SPEED
from deployments.clipper.framing.sizes import output_size

__all__ = ["TOP_SPEED", "frame", "output_size"]
