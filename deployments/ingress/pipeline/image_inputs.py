"""Pictures of requests on their way to a model: who takes them, and their reading.

    sources -> does the model take pictures? -> deployment Media -> decoded pictures

In: a GenerateRequest with `image_sources`. Out: the same with `images`, whose digests are part of
the cache's keys; or a problem that names the field of the first picture. Requests without pictures
never come here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import GenerateRequest, ModelCard
from deployments.contracts.images import (
    MAX_IMAGES,
    DecodedImage,
    ImageReader,
    ReadImagesRequest,
)
from deployments.images.errors import ImagesUnavailable
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.schemas.chat_messages import ChatMessage

READING = "images"  # a stage of traces
TAKES_IMAGES = "images"  # among the capabilities of a model's card
JPEGS_AT_ONCE = 4  # pictures of one reading for providers, which take more of them at full size


class ImageInputs:
    """`reader` fetches and decodes (None: this cluster reads no pictures)."""

    def __init__(self, models: ModelRegistry, reader: ImageReader | None = None) -> None:
        self._models = models
        self._reader = reader

    def are_taken_by(self, model: str) -> bool:
        """Whether `model` takes pictures, as far as is known."""
        card = self._models.known_card(model)
        return card is not None and TAKES_IMAGES in card.capabilities

    async def read(self, request: GenerateRequest, admitted: AdmittedRequest) -> GenerateRequest:
        """The request with its pictures decoded; they are read once for all calls of models that
        one request makes.

        Raises UnsupportedParameter for a model that takes none, naming those that do, and what
        reading raises (deployments/contracts/images.py).
        """
        sources, param = request.image_sources, request.image_sources[0].param
        card = await self._models.card(request.model)
        if TAKES_IMAGES not in card.capabilities:
            raise UnsupportedParameter(param, self._refusal(request.model, admitted))
        if self._reader is None:
            raise ImagesUnavailable(param)
        if any(source.url or source.file for source in sources):
            admitted.is_repeatable = False  # what is behind a reference may change
        key = (request.model, sources)
        if admitted.readings is None:
            admitted.readings = {}
        reading = admitted.readings.get(key)
        if reading is None:
            reading = asyncio.ensure_future(self._read(self._reader, card, request, admitted))
            admitted.readings[key] = reading
        timer = admitted.timer
        with timer.stage(READING):
            timer.opened()
            try:
                images = await asyncio.shield(reading)
            finally:
                timer.answered()
        return replace(
            request, image_sources=(), images=images, timeout_s=admitted.timeout_s("ingress")
        )

    async def _read(
        self,
        reader: ImageReader,
        card: ModelCard,
        request: GenerateRequest,
        admitted: AdmittedRequest,
    ) -> tuple[DecodedImage, ...]:
        sources = request.image_sources
        models = [request.model, *self._models.fallbacks.get(request.model, ())]
        external = [self._models.is_external(model) for model in models]
        as_pixels, as_jpeg = not all(external), any(external)
        size = len(sources) if as_pixels else JPEGS_AT_ONCE
        images: list[DecodedImage] = []
        for start in range(0, len(sources), size):
            read = await reader.read_images(
                ReadImagesRequest(
                    request_id=request.request_id,
                    caller=admitted.caller,
                    sources=sources[start : start + size],
                    max_edge=card.max_image_edge,
                    as_pixels=as_pixels,
                    as_jpeg=as_jpeg,
                    timeout_s=admitted.timeout_s("images"),
                    priority=request.priority,
                )
            )
            images += read.images
        return tuple(images)

    def _refusal(self, model: str, admitted: AdmittedRequest) -> str:
        others = [
            id
            for id in self._models.text_models
            if admitted.allows_model(id) and self.are_taken_by(id)
        ]
        known = f"models that do: {', '.join(sorted(others))}." if others else "no model here does."
        return f"model '{model}' takes no pictures; {known}"


def with_image_sources(
    request: GenerateRequest, messages: Sequence[ChatMessage]
) -> GenerateRequest:
    """The request with the pictures of `messages`. Raises InvalidRequest for more than MAX_IMAGES,
    and ImageRefused, naming the part."""
    sources = tuple(
        [
            source
            for index, message in enumerate(messages)
            for source in message.image_sources(index)
        ]
    )
    if len(sources) > MAX_IMAGES:
        raise InvalidRequest(
            f"messages have {len(sources)} pictures; the most is {MAX_IMAGES}.",
            param="messages",
            limit=MAX_IMAGES,
        )
    return replace(request, image_sources=sources)


def moved_places(before: str, after: str, places: Sequence[int]) -> tuple[int, ...]:
    """The places of pictures in a text that was changed: those before the first change and after
    the last one stay at their words, those between stay in order at the end of the changed part.
    """
    start = 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    added = len(after) - len(before)
    return tuple(
        [place if place <= start else max(place + added, len(after) - end) for place in places]
    )
