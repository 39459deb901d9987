"""The filters that make a picture YUV without transparency."""

import ffmpeg
import pytest

from deployments.video.render.colour import to_yuv420


@pytest.mark.parametrize(
    ("pixel_format", "expected"),
    [
        ("yuv420p", []),
        ("yuva420p", ["format=yuva444p", "premultiply"]),
        ("bgr0", ["scale", "format=yuv444p", "setparams"]),
        ("rgba", ["scale", "format=yuva444p", "setparams", "premultiply"]),
    ],
)
def test_transparency_is_drawn_on_black_and_rgb_becomes_yuv(
    pixel_format: str, expected: list[str]
) -> None:
    made = to_yuv420(ffmpeg.input("source").video, pixel_format)
    arguments = made.output("clip.mp4").get_args()

    filters = [] if not expected else arguments[arguments.index("-filter_complex") + 1].split(";")
    names = [text.split("]", 1)[1].split("[", 1)[0] for text in filters]
    for name, prefix in zip(names, expected, strict=True):
        assert name.startswith(prefix)
