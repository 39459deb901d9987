"""Pictures in requests: as callers give them, and as models get them.

A picture is decoded once, in the deployment `Media` (deployments/images), before the response cache
is asked. What it is made of is in no representation of these values: logs and traces show them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority

IMAGES = "images"  # the name of this work in limits and logs
MAX_IMAGES = 20  # of one request
MAX_IMAGE_BYTES = 20 << 20  # of one picture as it comes
MAX_SOURCE_PIXELS = 50_000_000  # of one picture before it is made smaller
MAX_READ_PIXELS = (
    4_000_000  # of all pictures of one reading: as pixels they fit into a link's frame
)
IMAGE_FORMATS = ("JPEG", "PNG", "WebP", "GIF", "AVIF")
_TOKEN_PIXELS = 750  # of a picture, that models make a token of
_MOST = (1_024, 14 * 14)  # tokens of the smallest picture, and pixels of each further one
_MOST_OF_PROVIDERS = (8_500, 40)  # OpenAI's smaller models count 5,667 for 512 x 512

ImageDetail = Literal["auto", "low", "high"]
LOW_DETAIL_EDGE = 512  # pixels of the longer side where the detail is `low`


@version_tolerant
@dataclass(frozen=True, slots=True)
class ImageSource:
    """A picture as a caller gives it: one of `encoded` (base64), `url` and `file`, the id of a file
    of the tenant, whose place among the stored files is `path`. `param` is the request's field,
    which problems name.
    """

    param: str
    encoded: str = field(default="", repr=False)
    url: str = field(default="", repr=False)
    file: str = ""
    path: str = ""
    detail: ImageDetail = "auto"


@version_tolerant
@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture, upright, in sRGB, without metadata. `pixels` are rows of red, green and blue
    bytes, `jpeg` is the same encoded; each is empty where it is not asked for. `digest` is the
    SHA-256 of size and pixels.
    """

    width: int
    height: int
    digest: bytes
    pixels: bytes = field(default=b"", repr=False)
    jpeg: bytes = field(default=b"", repr=False)


@version_tolerant
@dataclass(frozen=True, slots=True)
class ReadImagesRequest:
    """Asks for the pictures of a request. `max_edge` is the most pixels of the longer side: larger
    ones are made smaller. `as_pixels` and `as_jpeg` say which forms are needed.
    """

    request_id: str
    caller: Caller
    sources: tuple[ImageSource, ...]
    max_edge: int
    as_pixels: bool = True
    as_jpeg: bool = False
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return IMAGES


@version_tolerant
@dataclass(frozen=True, slots=True)
class ReadImages:
    """In the order of the sources."""

    images: tuple[DecodedImage, ...]


class ImageReader(Protocol):
    """Fetches and decodes pictures."""

    async def read_images(self, request: ReadImagesRequest) -> ReadImages:
        """Raises ImageRefused, UnsafeUrl and the problems of fetching and of the sandbox, which
        name the source's `param`; DeadlineExceeded."""
        ...


def image_tokens(images: Sequence[DecodedImage]) -> int:
    """An estimate of the tokens that a model makes of the pictures, as most count them."""
    return sum([-(-image.width * image.height // _TOKEN_PIXELS) for image in images])


def most_image_tokens(images: Sequence[DecodedImage]) -> int:
    """The most tokens that a model makes of them: of a small picture not much fewer than of a
    large one."""
    total = 0
    for image in images:
        least, pixels = _MOST_OF_PROVIDERS if image.jpeg else _MOST
        total += least + image.width * image.height // pixels
    return total
