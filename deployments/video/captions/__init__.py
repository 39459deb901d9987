"""Captions: the words of a clip, burnt into its picture and as subtitle files."""

from deployments.video.captions.font import FONTS, fonts
from deployments.video.captions.glyphs import omission_reason, unsupported_scripts
from deployments.video.captions.styles import CaptionStyle, register, safe_area, styles
from deployments.video.captions.words import Timeline
from deployments.video.captions.writing import captions, on_timeline

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
