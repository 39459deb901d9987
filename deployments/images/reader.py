"""Reads the pictures of requests: fetched side by side, then decoded together.

Flows in: ReadImagesRequests. Flows out: ReadImages. A few requests are decoded at once, each in a
child of its own, so that no request sees what another's picture did to its decoder; others wait
within their deadlines.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from cluster.metrics.catalogue import media
from cluster.metrics.series import Counter
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest
from deployments.contracts.images import (
    LOW_DETAIL_EDGE,
    MAX_IMAGES,
    DecodedImage,
    ReadImages,
    ReadImagesRequest,
)
from deployments.images.decoder import EncodedImage, ImageDecoder
from deployments.images.fetch import ImageFetcher, decoded_base64

AT_ONCE = 2  # requests whose pictures are decoded side by side


class BoundedImageReader:
    """Implements `ImageReader`. Use it on one event loop; close it."""

    def __init__(
        self, fetcher: ImageFetcher, decoder: ImageDecoder, at_once: int = AT_ONCE
    ) -> None:
        self._fetcher = fetcher
        self._decoder = decoder
        self._threads = ThreadPoolExecutor(at_once, "pictures")
        self.counts = Counter(media.IMAGES)
        for outcome in ("read", "refused", "failed"):
            self.counts.add((outcome,), 0)

    async def read_images(self, request: ReadImagesRequest) -> ReadImages:
        try:
            async with asyncio.timeout(request.timeout_s):
                images = await self._read(request)
        except TimeoutError:
            self.counts.add(("failed",), len(request.sources))
            raise DeadlineExceeded("images", round(request.timeout_s, 3)) from None
        except InvalidRequest:
            self.counts.add(("refused",), len(request.sources))
            raise
        except Exception:
            self.counts.add(("failed",), len(request.sources))
            raise
        self.counts.add(("read",), len(images))
        return ReadImages(images)

    async def _read(self, request: ReadImagesRequest) -> tuple[DecodedImage, ...]:
        sources, tenant = request.sources, request.caller.tenant
        if not 0 < len(sources) <= MAX_IMAGES:
            raise InvalidRequest(f"{len(sources)} pictures; a request has 1 to {MAX_IMAGES}.")
        fetches = [
            asyncio.create_task(self._fetcher.content_of(source, tenant)) for source in sources
        ]
        try:
            contents = await asyncio.gather(*fetches)
        finally:
            for fetch in fetches:
                fetch.cancel()
        left = Event()
        decode = partial(self._decode, request, contents, left.is_set)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, decode)
        finally:
            left.set()

    def _decode(
        self, request: ReadImagesRequest, contents: Sequence[bytes], cancel: Callable[[], bool]
    ) -> tuple[DecodedImage, ...]:
        """In a thread."""
        encoded = [
            EncodedImage(
                source.param,
                content or decoded_base64(source),
                _edge(request.max_edge, source.detail),
            )
            for source, content in zip(request.sources, contents, strict=True)
        ]
        return self._decoder.decode(
            encoded, as_pixels=request.as_pixels, as_jpeg=request.as_jpeg, cancel=cancel
        )

    async def close(self) -> None:
        await self._fetcher.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _edge(max_edge: int, detail: str) -> int:
    return min(max_edge, LOW_DETAIL_EDGE) if detail == "low" else max_edge
