"""Fetching pictures and reading them together: bounds, names of fields, outcomes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from cluster.net.transport import PinnedTransport
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest
from cluster.tenants.caller import Caller
from deployments.contracts.images import (
    MAX_IMAGE_BYTES,
    DecodedImage,
    ImageSource,
    ReadImagesRequest,
)
from deployments.images.decoder import EncodedImage, ImageDecoder
from deployments.images.errors import ImageRefused
from deployments.images.fetch import ImageFetcher
from deployments.images.reader import BoundedImageReader
from deployments.video.url_download import SourceRefused, SourceTooLarge, UrlDownloader

CALLER = Caller("acme", "k", frozenset())
PICTURE = b"\x89PNG the bytes of a picture"


class NotingDecoder(ImageDecoder):
    """Keeps what it is to decode."""

    def __init__(self) -> None:
        self.images: list[EncodedImage] = []

    def decode(self, images: Sequence[EncodedImage], **forms: Any) -> tuple[DecodedImage, ...]:
        self.images += images
        return tuple([DecodedImage(1, 1, b"d", b"rgb") for _ in images])


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path == "/large":
        return httpx.Response(200, headers={"content-length": str(MAX_IMAGE_BYTES + 1)})
    if path == "/inside":
        return httpx.Response(302, headers={"location": "https://127.0.0.1/secret"})
    ok = httpx.Response(200, stream=httpx.ByteStream(PICTURE))
    return ok if path == "/ok" else httpx.Response(404)


async def resolve(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


@pytest.fixture
def decoder() -> NotingDecoder:
    return NotingDecoder()


@pytest.fixture
def reader(decoder: NotingDecoder) -> BoundedImageReader:
    guard = SsrfGuard(resolve=resolve)
    transport = PinnedTransport(guard, wire=httpx.MockTransport(answer))
    return BoundedImageReader(ImageFetcher(UrlDownloader(transport)), decoder)


def reading(*sources: ImageSource, **fields: Any) -> ReadImagesRequest:
    return ReadImagesRequest("r", CALLER, sources, 1_024, **fields)


def url(address: str, param: str = "images.0.url") -> ImageSource:
    return ImageSource(param, url=address)


async def test_urls_and_base64_are_read_in_their_order(
    reader: BoundedImageReader, decoder: NotingDecoder
) -> None:
    sources = (
        ImageSource("a", encoded="cG5n", detail="low"),
        url("https://pictures.test/ok", "b"),
    )

    read = await reader.read_images(reading(*sources))

    assert len(read.images) == 2
    assert decoder.images == [EncodedImage("a", b"png", 512), EncodedImage("b", PICTURE, 1_024)]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("https://127.0.0.1/a.png", UnsafeUrl),
        ("http://pictures.test/ok", UnsafeUrl),
        ("https://169.254.169.254/latest", UnsafeUrl),
        ("file:///etc/passwd", UnsafeUrl),
        ("https://pictures.test/inside", UnsafeUrl),
        ("https://pictures.test/none", SourceRefused),
        ("https://pictures.test/large", SourceTooLarge),
    ],
)
async def test_what_may_not_be_fetched_names_the_field(
    reader: BoundedImageReader, address: str, problem: type[Exception]
) -> None:
    with pytest.raises(problem) as refusal:
        await reader.read_images(reading(url(address)))

    assert refusal.value.param == "images.0.url"  # type: ignore[attr-defined]
    assert str(refusal.value.detail).startswith("images.0.url: ")  # type: ignore[attr-defined]


async def test_text_that_is_not_base64_is_refused(reader: BoundedImageReader) -> None:
    for text in ("a", "\N{SNOWMAN}" * 4):
        with pytest.raises(ImageRefused, match="a: is not base64"):
            await reader.read_images(reading(ImageSource("a", encoded=text)))


async def test_without_a_store_no_file_is_found(reader: BoundedImageReader) -> None:
    with pytest.raises(ImageRefused, match="a: is not the id of a file of yours"):
        await reader.read_images(reading(ImageSource("a", file="f", path="files/f")))


async def test_the_number_of_pictures_is_bounded(reader: BoundedImageReader) -> None:
    for count in (0, 21):
        with pytest.raises(InvalidRequest, match="1 to 20"):
            await reader.read_images(reading(*[ImageSource("a", encoded="cG5n")] * count))


async def test_a_reading_ends_at_its_deadline(tmp_path: Path) -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    transport = PinnedTransport(SsrfGuard(resolve=hang), wire=httpx.MockTransport(answer))
    reader = BoundedImageReader(ImageFetcher(UrlDownloader(transport)), NotingDecoder())

    with pytest.raises(DeadlineExceeded):
        await reader.read_images(reading(url("https://pictures.test/ok"), timeout_s=0.02))


async def test_outcomes_are_counted(reader: BoundedImageReader) -> None:
    await reader.read_images(reading(ImageSource("a", encoded="cG5n")))
    with pytest.raises(ImageRefused):
        await reader.read_images(reading(ImageSource("a", encoded="a")))

    [(_, samples)] = reader.counts.read()
    assert dict(samples) == {("read",): 1, ("refused",): 1, ("failed",): 0}
