"""How requests refer to pictures: a data URL, an https URL, a file of the tenant.

In: the text of a reference. Out: an `ImageSource`, or ImageRefused. Nothing is fetched or decoded:
base64 stays as it is until the deployment `Media` reads it.
"""

import re

from deployments.contracts.images import (
    IMAGE_FORMATS,
    MAX_IMAGE_BYTES,
    ImageDetail,
    ImageSource,
)
from deployments.images.errors import ImageRefused

_DATA = "data:"
_HEAD = re.compile(r"data:([a-z]+/[a-z0-9.+-]+)?((?:;[a-z0-9._-]+=[^;,]*)*)(;base64)?,", re.I)
_FILE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIRST = 0  # number of the stored object that an uploaded file is
_MAX_HEAD = 256
_MAX_ENCODED = -(-MAX_IMAGE_BYTES // 3) * 4 + 1_024  # characters of base64, with some line ends
FORMATS_TEXT = ", ".join(IMAGE_FORMATS[:-1]) + f" and {IMAGE_FORMATS[-1]}"


def image_source(url: str, param: str, detail: ImageDetail = "auto") -> ImageSource:
    """The picture of a data URL or https URL (the SSRF guard checks it later). Raises
    ImageRefused."""
    start = check_reference(url, param)
    if start:
        return encoded_source(url[start:], param, detail)
    return ImageSource(param, url=url, detail=detail)


def check_reference(url: str, param: str) -> int:
    """Where the base64 of a data URL begins; 0 for another URL. Raises ImageRefused."""
    if url[: len(_DATA)].lower() != _DATA:
        if "://" not in url[:16]:
            raise ImageRefused(param, "is neither a data URL nor one of https")
        return 0
    head = _HEAD.match(url[:_MAX_HEAD])
    if head is None or head[3] is None:
        raise ImageRefused(param, "is a data URL that is not of base64")
    media_type = (head[1] or "").lower()
    if not media_type.startswith("image/") or media_type.startswith("image/svg"):
        given = f"'{media_type}'" if media_type else "no media type"
        raise ImageRefused(param, f"is a data URL of {given}; pictures are {FORMATS_TEXT}")
    return head.end()


def encoded_source(encoded: str, param: str, detail: ImageDetail = "auto") -> ImageSource:
    """The picture of base64. Raises ImageRefused for none, and for too much."""
    if not encoded:
        raise ImageRefused(param, "is empty")
    if len(encoded) > _MAX_ENCODED:
        raise ImageRefused(
            param, f"is over {MAX_IMAGE_BYTES >> 20} MiB", limit_bytes=MAX_IMAGE_BYTES
        )
    return ImageSource(param, encoded=encoded, detail=detail)


def file_source(file: str, param: str, detail: ImageDetail = "auto") -> ImageSource:
    """The picture of a file of the tenant, by its id (`/v1/files`). Raises ImageRefused."""
    if not _FILE.fullmatch(file):
        raise ImageRefused(param, "is not the id of a file")
    return ImageSource(param, file=file, path=f"files/{file}/{_FIRST:08d}", detail=detail)
