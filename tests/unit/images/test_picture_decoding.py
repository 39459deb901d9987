"""What becomes of a picture on its way to a model."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deployments.contracts.images import MAX_READ_PIXELS
from deployments.images.decode_worker import bounded_size, decode_images
from deployments.images.decoder import EncodedImage, ImageDecoder
from deployments.images.errors import ImageRefused
from tests.unit.images.pictures import (
    BLUE,
    RED,
    WHITE,
    encoded,
    halves,
    is_near,
    pixel,
    png_of_size,
)


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def decode(content: bytes, format: str = "PNG", edge: int = 1_024, **more: Any) -> dict[str, Any]:
    """What the child says of one picture; its pixels are in `p.rgb`."""
    Path("p").write_bytes(content)
    source = {"name": "p", "format": format, "max_edge": edge}
    request = {"max_pixels": MAX_READ_PIXELS, "as_pixels": True, "as_jpeg": False, **more}
    answer: dict[str, Any] = decode_images({"images": [source], **request})["images"][0]
    return answer


def colours(answer: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Left and right, in the middle of the height."""
    width, height = answer["width"], answer["height"]
    pixels = Path("p.rgb").read_bytes()
    y = height // 2
    return pixel(pixels, width, 3, y), pixel(pixels, width, width - 4, y)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_every_format_gives_rows_of_pixels(format: str) -> None:
    answer = decode(encoded(halves(), format), format)

    left, right = colours(answer)
    assert (answer["width"], answer["height"]) == (64, 48)
    assert is_near(left, RED)
    assert is_near(right, BLUE)
    assert answer["digest"] == hashlib.sha256(b"64x48;" + Path("p.rgb").read_bytes()).hexdigest()


def test_a_picture_is_turned_upright_and_its_metadata_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    exif[0x010E] = "where it was taken"

    answer = decode(encoded(halves(64, 48), "JPEG", exif=exif), "JPEG", as_jpeg=True)

    assert (answer["width"], answer["height"]) == (48, 64)
    pixels = Path("p.rgb").read_bytes()
    assert is_near(pixel(pixels, 48, 24, 3), RED)
    assert is_near(pixel(pixels, 48, 24, 60), BLUE)
    assert b"taken" not in Path("p.jpg").read_bytes()


def test_a_large_one_is_made_smaller_and_a_small_one_is_left() -> None:
    large = decode(encoded(halves(400, 100), "JPEG"), "JPEG", edge=200)
    small = decode(encoded(halves(40, 10)), edge=200)

    assert (large["width"], large["height"]) == (200, 50)
    assert (small["width"], small["height"]) == (40, 10)


def test_all_pictures_of_a_request_share_a_bound() -> None:
    assert bounded_size(4_000, 1_000, 8_192, 1_000_000) == (2_000, 500)
    assert bounded_size(100_000, 1, 1_024, 10**6) == (1_024, 1)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, BLUE)]
    answer = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "GIF")

    assert colours(answer)[0] == RED


def test_what_is_transparent_becomes_white() -> None:
    assert colours(decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))))[0] == WHITE


def test_grey_of_sixteen_bits_keeps_its_brightness() -> None:
    answer = decode(encoded(Image.new("I;16", (8, 8), 32_896)))

    assert is_near(colours(answer)[0], (128, 128, 128), 1)


@pytest.mark.parametrize("size", [(30_000, 30_000), (12_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    assert "50 million pixels" in decode(png_of_size(*size))["refused"]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (encoded(halves(), "JPEG")[:200], "JPEG"),
        (encoded(halves())[:60], "PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "PNG"),
        (encoded(halves(), "JPEG"), "PNG"),
        (b"GIF89a", "GIF"),
    ],
)
def test_a_damaged_one_is_refused(content: bytes, format: str) -> None:
    assert "damaged" in decode(content, format)["refused"]


def test_the_confined_child_gives_pixels_and_a_jpeg(tmp_path: Path) -> None:
    decoder = ImageDecoder(tmp_path / "scratch")
    images = [
        EncodedImage("a", encoded(halves()), 32),
        EncodedImage("b", encoded(halves(20, 10), "WEBP"), 32),
    ]

    first, second = decoder.decode(images, as_pixels=True, as_jpeg=True)

    assert (first.width, first.height, len(first.pixels)) == (32, 24, 32 * 24 * 3)
    assert (second.width, second.height, len(second.pixels)) == (20, 10, 600)
    assert first.jpeg.startswith(b"\xff\xd8\xff")
    assert first.digest != second.digest
    assert "pixels" not in repr(first)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_refusal_names_the_field(tmp_path: Path) -> None:
    decoder = ImageDecoder(tmp_path)
    images = [
        EncodedImage("a", encoded(halves()), 32),
        EncodedImage("b", png_of_size(10**5, 10**5), 32),
    ]

    with pytest.raises(ImageRefused, match="b: has over 50 million pixels"):
        decoder.decode(images, as_pixels=True, as_jpeg=False)
    with pytest.raises(ImageRefused, match="c: is an SVG"):
        decoder.decode([EncodedImage("c", b"<svg/>", 32)], as_pixels=True, as_jpeg=False)
