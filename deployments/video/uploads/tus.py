"""Headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload): parsed, checked, written.

In: headers of a request, by lower-case name. Out: typed values, or a problem that names the header.
Knows no store.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import formatdate

from cluster.runtime.problems import InvalidRequest, Problem, UnsupportedMedia, UnsupportedParameter
from deployments.video.uploads.part_stream import ALGORITHMS, Checksum
from deployments.video.uploads.upload import Upload

Headers = Mapping[str, str]

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
CHUNK_TYPE = "application/offset+octet-stream"
MAX_METADATA = 4096  # characters of Upload-Metadata
MAX_NAME = 200
RESUMABLE_HEADER = (b"tus-resumable", VERSION.encode())

_INTEGER = re.compile(r"[0-9]{1,15}", re.ASCII)
_KEY = re.compile(r"[!-+\--~]{1,100}", re.ASCII)  # visible ASCII but the comma
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class UnsupportedTusVersion(Problem):
    status, slug, title = 412, "tus-version", "Another version of tus"

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Tus-Resumable: is '{version[:20]}'; this server supports {VERSION}.",
            param="Tus-Resumable",
            supported=[VERSION],
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Tus-Version": VERSION}


def check_version(headers: Headers) -> None:
    """Raises UnsupportedTusVersion."""
    version = headers.get("tus-resumable", "")
    if version != VERSION:
        raise UnsupportedTusVersion(version)


def offset_of(headers: Headers) -> int:
    """Raises InvalidRequest."""
    return _parse_integer(headers, "Upload-Offset", 0, 10**15)


def length_of(headers: Headers, max_bytes: int) -> int:
    """Raises InvalidRequest, UnsupportedParameter."""
    if "upload-defer-length" in headers:
        raise UnsupportedParameter("Upload-Defer-Length", "send Upload-Length at creation.")
    if "upload-concat" in headers:
        raise UnsupportedParameter(
            "Upload-Concat", "the chunks of an upload are sent one after another."
        )
    return _parse_integer(headers, "Upload-Length", 1, max_bytes)


def has_body(headers: Headers) -> bool:
    """Whether the request has a body. Raises UnsupportedMedia for a body of another type."""
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == CHUNK_TYPE:
        return True
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise UnsupportedMedia(content_type or "(none)", (CHUNK_TYPE,))
    return False


def check_chunk(headers: Headers) -> None:
    """Raises UnsupportedMedia."""
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != CHUNK_TYPE:
        raise UnsupportedMedia(content_type or "(none)", (CHUNK_TYPE,))


def content_length(headers: Headers) -> int:
    """The declared length of the body; 0 where none is declared."""
    value = headers.get("content-length", "")
    return int(value) if _INTEGER.fullmatch(value) else 0


def checksum_of(headers: Headers) -> Checksum | None:
    """Raises InvalidRequest."""
    value = headers.get("upload-checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(
            f"Upload-Checksum: '{algorithm[:20]}' is not one of {', '.join(ALGORITHMS)}.",
            param="Upload-Checksum",
        )
    return Checksum(algorithm, _decode_base64(encoded, "Upload-Checksum"))


def metadata_of(headers: Headers) -> tuple[str, Mapping[str, str]]:
    """Upload-Metadata as it was sent, and parsed. Raises InvalidRequest."""
    value = headers.get("upload-metadata", "").strip()
    if len(value) > MAX_METADATA:
        raise InvalidRequest(
            f"Upload-Metadata: has {len(value)} characters; the limit is {MAX_METADATA}.",
            param="Upload-Metadata",
            limit=MAX_METADATA,
        )
    return value, fields_of(value)


def fields_of(value: str) -> Mapping[str, str]:
    """The fields of Upload-Metadata. Raises InvalidRequest."""
    metadata: dict[str, str] = {}
    for pair in value.split(",") if value else ():
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in metadata:
            raise InvalidRequest(
                "Upload-Metadata: is pairs of a key and a base64 value, each key once.",
                param="Upload-Metadata",
            )
        metadata[key] = _decode_base64(encoded.strip(), "Upload-Metadata").decode(
            "utf-8", "replace"
        )
    return metadata


def name_of(*candidates: str | None) -> str:
    """The first usable name, for display: without folders and unprintable characters."""
    for candidate in candidates:
        file_name = re.split(r"[/\\]", candidate or "")[-1]
        name = _UNPRINTABLE.sub("", file_name).strip()[:MAX_NAME]
        if name and name.strip("."):
            return name
    return "video"


def headers_of(upload: Upload) -> dict[str, str]:
    """The headers of every response about an upload."""
    headers = {"Upload-Offset": str(upload.received), "Cache-Control": "no-store"}
    if upload.state != "done":
        headers["Upload-Expires"] = formatdate(upload.expires, usegmt=True)
    if upload.file is not None:
        headers["Mobula-File"] = upload.file
    elif upload.video is not None:
        headers["Mobula-Video"] = upload.video
    return headers


def _parse_integer(headers: Headers, name: str, minimum: int, maximum: int) -> int:
    value = headers.get(name.lower(), "")
    if not _INTEGER.fullmatch(value) or not minimum <= int(value) <= maximum:
        raise InvalidRequest(
            f"{name}: must be a whole number, {minimum} to {maximum}.", param=name, limit=maximum
        )
    return int(value)


def _decode_base64(encoded: str, name: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{name}: is not base64.", param=name) from None
