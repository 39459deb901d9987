"""A model's own processor of pictures, over transformers.

In: a rendered chat with a placeholder for each picture, and the pictures. Out: the ids that the
model sees, its placeholders made as many as a picture's tokens, and the tensors that go with them.
Pictures come as rows of pixels: nothing is decoded here.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployments.contracts.engine import ImagePrompt
from deployments.contracts.images import DecodedImage
from deployments.model.errors import refused_images

_CONFIGS = ("preprocessor_config.json", "processor_config.json")


def takes_images(folder: Path) -> bool:
    """Whether the files are those of a model with a vision part and a processor of its own."""
    path = folder / "config.json"
    if not path.exists():
        return False
    config = json.loads(path.read_text(encoding="utf-8"))
    return "vision_config" in config and any((folder / name).exists() for name in _CONFIGS)


class ImageProcessor:
    """Of one model; `load` it, close it. Pictures are processed in one thread."""

    def __init__(self, model: str, folder: Path, tensors: str = "pt") -> None:
        """`model` is the id that problems name, `tensors` the kind of its tensors, torch's `pt` or
        numpy's `np`."""
        self._tensors = tensors
        self._model = model
        self._folder = folder
        self._processor: Any = None
        self._thread = ThreadPoolExecutor(1, "image-processor")

    def load(self) -> None:
        """Blocking. Raises RuntimeError, which says what is missing."""
        from transformers import AutoProcessor

        try:
            self._processor = AutoProcessor.from_pretrained(self._folder)
        except (OSError, ValueError, ImportError) as error:
            raise RuntimeError(
                f"cannot load the processor of pictures of {self._folder}: {error}"
            ) from error

    async def encode(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        """`inputs` are the arguments of the model's forward pass. Raises InvalidRequest for
        pictures that the processor refuses."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._encode, prompt, images)

    def placeholder_ids(self, prompt: str) -> list[int]:
        """The ids of the prompt with one placeholder for each picture."""
        ids: list[int] = self._processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        return ids

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        pictures = pillow_images(images)
        try:
            inputs = self._processor(
                text=[prompt],
                images=pictures,
                return_tensors=self._tensors,
                add_special_tokens=False,
            )
        except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
            raise refused_images(self._model, f"{type(error).__name__}: {error}") from error
        return ImagePrompt(tuple(inputs["input_ids"][0].tolist()), dict(inputs))


def pillow_images(images: Sequence[DecodedImage]) -> list[Any]:
    """Pillow's images over the same bytes."""
    from PIL import Image

    return [
        Image.frombuffer("RGB", (each.width, each.height), each.pixels, "raw", "RGB", 0, 1)
        for each in images
    ]
