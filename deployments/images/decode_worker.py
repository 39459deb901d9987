"""Sandboxed child: decodes the pictures of one request with Pillow.

Flows in: names of files in the working folder, formats, and the bounds. Flows out: for each picture
its size, its digest and the files of its forms, or why it cannot be used. A picture is upright
(EXIF's orientation is applied), in sRGB, without metadata, on white where it is transparent, and
never enlarged; of an animation it is the first frame. The size is read from the header first: above
the limit nothing is decoded.
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps  # noqa: TID253 (runs as a child only)

from deployments.contracts.images import MAX_SOURCE_PIXELS
from deployments.sandbox.child import run_child

_QUALITY = 92
_GAP = 3.0  # Image.resize: the quick first step keeps so many times the size
_ORIENTATION = 0x0112
_WIDE = ("I", "I;16", "I;16B", "I;16L")  # grey of 16 bits
_TO_BYTE = 1 / 257  # from 16 bits


def decode_images(request: dict[str, Any]) -> dict[str, Any]:
    """The child's answer."""
    Image.MAX_IMAGE_PIXELS = MAX_SOURCE_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    return {"images": [_decode(source, request) for source in request["images"]]}


def _decode(source: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    edge, max_pixels = int(source["max_edge"]), int(request["max_pixels"])
    try:
        with Image.open(source["name"], formats=[source["format"]]) as opened:
            if opened.width * opened.height > MAX_SOURCE_PIXELS:
                return _too_large(opened.width, opened.height)
            image = _normalised(opened, edge, max_pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"refused": _LARGE, "limit": MAX_SOURCE_PIXELS}
    except MemoryError:
        return {"refused": "needs more memory than one picture may take"}
    except Exception as error:  # noqa: BLE001  Pillow raises nearly everything for damaged files
        return {"refused": "is damaged, or not what its first bytes say", "error": str(error)[:200]}
    return _written(image, source["name"], request)


_LARGE = f"has over {MAX_SOURCE_PIXELS // 1_000_000} million pixels"


def _too_large(width: int, height: int) -> dict[str, Any]:
    return {"refused": f"{_LARGE} ({width} x {height})", "limit": MAX_SOURCE_PIXELS}


def _normalised(opened: Image.Image, max_edge: int, max_pixels: int) -> Image.Image:
    """The first frame; JPEG is decoded at a smaller scale where that is enough."""
    width, height = bounded_size(opened.width, opened.height, max_edge, max_pixels)
    opened.draft("RGB", (width, height))
    orientation = opened.getexif().get(_ORIENTATION, 1)
    profile = opened.info.get("icc_profile")
    opened.load()
    image = _in_rgb(opened, profile)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)
    return _upright(image, orientation)


def bounded_size(width: int, height: int, max_edge: int, max_pixels: int) -> tuple[int, int]:
    """The size within both bounds, in the same proportions, at least 1 x 1."""
    scale = min(1.0, max_edge / max(width, height), (max_pixels / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _in_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode in _WIDE:
        image = image.convert("I").point(lambda value: value * _TO_BYTE).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, (255, 255, 255))
        image.paste(layer, mask=layer.getchannel("A"))
    elif profile and image.mode in ("RGB", "CMYK", "L"):
        image = _in_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """By its colour profile; one that cannot be used is taken for sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if turned is None else turned


def _upright(image: Image.Image, orientation: Any) -> Image.Image:
    if orientation not in range(2, 9):
        return image
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    image.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(image)


def _written(image: Image.Image, name: str, request: dict[str, Any]) -> dict[str, Any]:
    pixels = image.tobytes()
    size = f"{image.width}x{image.height};".encode()
    digest = hashlib.sha256(size + pixels).hexdigest()
    answer = {"width": image.width, "height": image.height, "digest": digest}
    if request["as_pixels"]:
        Path(f"{name}.rgb").write_bytes(pixels)
    if request["as_jpeg"]:
        image.info.clear()
        image.save(f"{name}.jpg", "JPEG", quality=_QUALITY, subsampling=0)
    return answer


if __name__ == "__main__":
    run_child(decode_images)
