"""The rectangles of a clip in whole pixels: crops, and the place of a whole picture.

Pure arithmetic. A crop lies inside its picture: sizes are rounded down, and its corner is on whole
chroma samples if the pixel format has fewer of these than of luma.
"""

from dataclasses import dataclass

MIN_SIDE = 2  # pixels: less cannot be encoded with half of the chroma samples


@dataclass(frozen=True, slots=True)
class Rectangle:
    """`x`, `y` is the left upper corner. All in pixels."""

    x: int
    y: int
    width: int
    height: int


def crop_size(picture: tuple[int, int], share: tuple[float, float]) -> tuple[int, int]:
    """Width and height, both even, of a crop with `share` (0 to 1) of each side of `picture`, which
    has at least two pixels each way."""
    width, height = (
        max(MIN_SIDE, even_below(length * share_of_side))
        for length, share_of_side in zip(picture, share, strict=True)
    )
    return width, height


def corner(
    picture: tuple[int, int], size: tuple[int, int], place: tuple[float, float], step: int
) -> tuple[int, int]:
    """The corner of a crop of `size` nearest to `place` (shares of the picture): a multiple of
    `step` at which the crop lies inside."""
    x, y = (
        min(step * round(length * part / step), (length - taken) // step * step)
        for length, taken, part in zip(picture, size, place, strict=True)
    )
    return max(0, x), max(0, y)


def fitted_size(picture: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """The largest size, both sides even, of a whole `picture` inside `output`."""
    scale = min(output[0] / picture[0], output[1] / picture[1])
    width, height = (
        min(output_length, max(MIN_SIDE, 2 * round(length * scale / 2)))
        for length, output_length in zip(picture, output, strict=True)
    )
    return width, height


def covering_share(picture: tuple[int, int], output: tuple[int, int]) -> tuple[float, float]:
    """The share of each side of `picture` (square pixels) that covers `output`."""
    wide, high = output[0] / picture[0], output[1] / picture[1]
    return wide / max(wide, high), high / max(wide, high)


def centred(size: tuple[int, int], output: tuple[int, int]) -> Rectangle:
    """`size` in the middle of `output`, its corner even."""
    x, y = (
        even_below((output_length - length) / 2)
        for length, output_length in zip(size, output, strict=True)
    )
    return Rectangle(x, y, *size)


def even_below(length: float) -> int:
    """The largest even whole number that is not over `length`."""
    return 2 * int(length / 2 + 1e-9)
