"""Captions: what is said in a clip, as words burnt into its picture and as subtitle files."""

from deployments.clipper.captions.font import FONTS, fonts
from deployments.clipper.captions.glyphs import omission_reason, unsupported_scripts
from deployments.clipper.captions.styles import CaptionStyle, register, safe_area, styles
from deployments.clipper.captions.timeline import Timeline
from deployments.clipper.captions.writing import captions, on_timeline

__all__ = [
    "FONTS",
    "CaptionStyle",
    "Timeline",
    "captions",
    "fonts",
    "on_timeline",
    "register",
    "safe_area",
    "styles",
    "unsupported_scripts",
    "omission_reason",
]
