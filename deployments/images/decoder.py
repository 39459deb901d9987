"""Decodes the pictures of one request in one confined child, which ends with them.

In: bytes of pictures. Out: DecodedImages, or ImageRefused. Nothing of a stranger's picture is
decoded in this process; what the child has written is taken as bytes of the size that it must have.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.runtime.problems import Problem
from deployments.contracts.images import MAX_READ_PIXELS, DecodedImage
from deployments.images.errors import ImageRefused
from deployments.images.kinds import HEAD_BYTES, image_format
from deployments.sandbox import ChildLimits, private_folder, python_child
from deployments.sandbox.errors import MediaDamaged, MediaTimeout, MediaTooLarge, SandboxFailed
from deployments.sandbox.folders import read_output

_CHILD = "deployments.images.decode_worker"
_MEMORY_BYTES = 1 << 30
_CPU_S = 10  # of one picture; 12 million pixels take 0.1 s
_WALL_S = 20.0
_CHANNELS = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The bytes of a picture as it came. `param` names it in problems, `max_edge` is the most
    pixels of its longer side."""

    param: str
    content: bytes
    max_edge: int


class ImageDecoder:
    """Blocking: call it in a thread, which has to wait for the child. Private folders are made in
    `scratch`."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def decode(
        self,
        images: Sequence[EncodedImage],
        *,
        as_pixels: bool,
        as_jpeg: bool,
        cancel: Callable[[], bool] | None = None,
    ) -> tuple[DecodedImage, ...]:
        """In the same order. Raises ImageRefused for the first that cannot be used, MediaTimeout,
        ScratchFull, SandboxFailed, SandboxUnavailable, and Cancelled once `cancel` says so.

        All pictures together have at most MAX_READ_PIXELS, or half as many in both forms.
        """
        formats = [image_format(each.content[:HEAD_BYTES], each.param) for each in images]
        forms = 2 if as_pixels and as_jpeg else 1
        most = MAX_READ_PIXELS // (forms * len(images))
        with private_folder(self._scratch) as folder:
            sources: list[dict[str, Any]] = []
            for number, (image, format) in enumerate(zip(images, formats, strict=True)):
                folder.joinpath(f"picture-{number}").write_bytes(image.content)
                edge = {"max_edge": image.max_edge}
                sources.append({"name": f"picture-{number}", "format": format, **edge})
            request = {
                "images": sources,
                "max_pixels": most,
                "as_pixels": as_pixels,
                "as_jpeg": as_jpeg,
            }
            answers = self._run(images, request, folder, cancel)
            return tuple(
                [
                    _decoded(image, answer, folder / source["name"], request)
                    for image, answer, source in zip(images, answers, sources, strict=True)
                ]
            )

    def _run(
        self,
        images: Sequence[EncodedImage],
        request: dict[str, Any],
        folder: Path,
        cancel: Callable[[], bool] | None,
    ) -> list[Any]:
        limits = ChildLimits(
            memory_bytes=_MEMORY_BYTES,
            cpu_s=_CPU_S * len(images),
            wall_s=_WALL_S * len(images),
            output_bytes=MAX_READ_PIXELS * _CHANNELS,
        )
        try:
            answer = python_child(_CHILD, request, folder, limits=limits, cancel=cancel)
        except MediaTimeout:
            raise
        except (MediaDamaged, MediaTooLarge) as problem:
            raise _crashed(images, problem) from problem
        answers = answer.get("images")
        if not isinstance(answers, list) or len(answers) != len(images):
            raise SandboxFailed
        return answers


def _crashed(images: Sequence[EncodedImage], problem: Problem) -> ImageRefused:
    """The child ended before its answer: by one of the pictures, which is not known of several."""
    which = "cannot be decoded" if len(images) == 1 else "or a later one cannot be decoded"
    return ImageRefused(images[0].param, which)


def _decoded(image: EncodedImage, answer: Any, path: Path, request: dict[str, Any]) -> DecodedImage:
    """Raises ImageRefused for a picture that was refused, SandboxFailed for files that are not as
    the child says."""
    if not isinstance(answer, dict):
        raise SandboxFailed
    if "refused" in answer:
        raise ImageRefused(image.param, str(answer["refused"])[:200])
    width, height, digest = answer.get("width"), answer.get("height"), answer.get("digest")
    if not (isinstance(width, int) and isinstance(height, int) and isinstance(digest, str)):
        raise SandboxFailed
    if not (0 < width <= MAX_READ_PIXELS and 0 < height <= MAX_READ_PIXELS // width):
        raise SandboxFailed
    if not _DIGEST.fullmatch(digest):
        raise SandboxFailed
    size = width * height * _CHANNELS
    pixels = _output(path.with_suffix(".rgb"), size) if request["as_pixels"] else b""
    jpeg = _output(path.with_suffix(".jpg"), 2 * size + 4_096) if request["as_jpeg"] else b""
    if request["as_pixels"] and len(pixels) != size:
        raise SandboxFailed
    return DecodedImage(width, height, bytes.fromhex(digest), pixels, jpeg)


def _output(path: Path, max_bytes: int) -> bytes:
    content = read_output(path, max_bytes)
    if not content:
        raise SandboxFailed
    return content
