"""tus 1.0.0 (https://tus.io/protocols/resumable-upload) as headers: read, checked, written.

Flows in: a request's headers. Flows out: typed values, or a problem that names the header. Knows no
store.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import formatdate

from starlette.datastructures import Headers

from cluster.runtime.problems import InvalidRequest, Problem, UnsupportedMedia, UnsupportedParameter
from deployments.video.uploads.part_stream import ALGORITHMS, Checksum
from deployments.video.uploads.upload import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
PIECE = "application/offset+octet-stream"
MAX_METADATA = 4096  # characters of Upload-Metadata
MAX_NAME = 200
RESUMABLE = (b"tus-resumable", VERSION.encode())

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_KEY = re.compile(r"[!-+\--~]{1,100}", re.ASCII)  # visible ASCII but the comma
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class UnsupportedTusVersion(Problem):
    status, slug, title = 412, "tus-version", "Another version of tus"

    def __init__(self, got: str) -> None:
        super().__init__(
            f"Tus-Resumable: is '{got[:20]}'; this server speaks {VERSION}.",
            param="Tus-Resumable",
            supported=[VERSION],
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Tus-Version": VERSION}


def check_version(headers: Headers) -> None:
    """Raises OtherVersion."""
    got = headers.get("tus-resumable", "")
    if got != VERSION:
        raise UnsupportedTusVersion(got)


def offset_of(headers: Headers) -> int:
    """Raises InvalidRequest."""
    return _whole(headers, "Upload-Offset", 0, 10**15)


def length_of(headers: Headers, largest: int) -> int:
    """Raises InvalidRequest, UnsupportedParameter."""
    if "upload-defer-length" in headers:
        raise UnsupportedParameter("Upload-Defer-Length", "say Upload-Length at creation.")
    if "upload-concat" in headers:
        raise UnsupportedParameter("Upload-Concat", "an upload comes in pieces, one by one.")
    return _whole(headers, "Upload-Length", 1, largest)


def has_body(headers: Headers) -> bool:
    """Whether a body comes with the request. Raises UnsupportedMedia for another kind of body."""
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() == PIECE:
        return True
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise UnsupportedMedia(kind or "(none)", (PIECE,))
    return False


def check_piece(headers: Headers) -> None:
    """Raises UnsupportedMedia."""
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != PIECE:
        raise UnsupportedMedia(kind or "(none)", (PIECE,))


def content_length(headers: Headers) -> int:
    """Bytes that the body says it has; 0 where it does not say."""
    said = headers.get("content-length", "")
    return int(said) if _WHOLE.fullmatch(said) else 0


def checksum_of(headers: Headers) -> Checksum | None:
    """Raises InvalidRequest."""
    said = headers.get("upload-checksum")
    if said is None:
        return None
    algorithm, _, encoded = said.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(
            f"Upload-Checksum: '{algorithm[:20]}' is not one of {', '.join(ALGORITHMS)}.",
            param="Upload-Checksum",
        )
    return Checksum(algorithm, _decoded(encoded, "Upload-Checksum"))


def metadata_of(headers: Headers) -> tuple[str, Mapping[str, str]]:
    """Upload-Metadata as it was sent, and what it says. Raises InvalidRequest."""
    said = headers.get("upload-metadata", "").strip()
    if len(said) > MAX_METADATA:
        raise InvalidRequest(
            f"Upload-Metadata: has {len(said)} characters; the limit is {MAX_METADATA}.",
            param="Upload-Metadata",
            limit=MAX_METADATA,
        )
    found: dict[str, str] = {}
    for pair in said.split(",") if said else ():
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise InvalidRequest(
                "Upload-Metadata: is pairs of a key and a base64 value, each key once.",
                param="Upload-Metadata",
            )
        found[key] = _decoded(encoded.strip(), "Upload-Metadata").decode("utf-8", "replace")
    return said, found


def name_of(*candidates: str | None) -> str:
    """The first that says anything, as a name to show: no folders, nothing unprintable."""
    for candidate in candidates:
        last = re.split(r"[/\\]", candidate or "")[-1]
        name = _UNPRINTABLE.sub("", last).strip()[:MAX_NAME]
        if name and name.strip("."):
            return name
    return "video"


def headers_of(upload: Upload) -> dict[str, str]:
    """What every answer about an upload says of it."""
    said = {"Upload-Offset": str(upload.received), "Cache-Control": "no-store"}
    if upload.state != "done":
        said["Upload-Expires"] = formatdate(upload.expires, usegmt=True)
    if upload.video is not None:
        said["Mobula-Video"] = upload.video
    return said


def _whole(headers: Headers, name: str, least: int, most: int) -> int:
    said = headers.get(name.lower(), "")
    if not _WHOLE.fullmatch(said) or not least <= int(said) <= most:
        raise InvalidRequest(
            f"{name}: must be a whole number, {least} to {most}.", param=name, limit=most
        )
    return int(said)


def _decoded(encoded: str, name: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{name}: is not base64.", param=name) from None
