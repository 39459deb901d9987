"""Rendering: the plan of one clip and its recording in, finished files out, with one encode."""

from deployments.video.render.clip import OnProgress, render

__all__ = ["OnProgress", "render"]
