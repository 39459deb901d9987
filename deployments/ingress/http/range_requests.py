"""Conditional and range requests for a file (RFC 9110), and the name to save it under.

In: a file's size and tag, and the client's headers. Out: the range of bytes to send, whether the
client has the file already, and headers. Knows no store.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cluster.runtime.problems import Problem

MAX_NAME = 150
MAX_HEADER = 1000  # characters of a Range header that is parsed

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[!\x23-\x7e\x80-\xff]*")')
_PLAIN = re.compile(r"[\w!#$&+^`{}~. -]+", re.ASCII)  # needs no escape between quotes


class RangeNotSatisfiable(Problem):
    """The range is outside of the file, which has `size` bytes."""

    status, slug, title = 416, "range-not-satisfiable", "No such part of the file"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; the range starts after them.", size=size)

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.extensions['size']}", "Accept-Ranges": "bytes"}


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` up to `end` of `size`."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def etag(sha256: str) -> str:
    """The strong tag of a file's bytes."""
    return f'"{sha256}"'


def matches_etag(condition: str | None, tag: str) -> bool:
    """Whether `tag` meets If-None-Match: the client has it (weak comparison, section 13.1.2)."""
    if condition is None:
        return False
    return condition.strip() == "*" or tag in _TAG.findall(condition)


def parse_range(headers: Mapping[str, str], tag: str, size: int) -> ByteRange | None:
    """The requested range; None for the whole file: also for several ranges, a header that is not
    understood, and an If-Range that names another file (sections 13.1.5 and 14.2).

    Raises RangeNotSatisfiable.
    """
    value = headers.get("range")
    if value is None or len(value) > MAX_HEADER or headers.get("if-range", tag).strip() != tag:
        return None
    match = _RANGE.fullmatch(value.strip())
    if match is None or match[1] == match[2] == "":
        return None
    return _suffix(int(match[2]), size) if match[1] == "" else _from(match[1], match[2], size)


def content_disposition(name: str) -> str:
    """A Content-Disposition (RFC 6266) that saves under `name`, which may have any characters."""
    safe = safe_filename(name)
    if _PLAIN.fullmatch(safe):
        return f'attachment; filename="{safe}"'
    ascii_name = "".join(c if _PLAIN.fullmatch(c) else "_" for c in _strip_accents(safe))
    ascii_name = ascii_name or "file"  # of accents alone
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(safe, safe='')}"


def safe_filename(name: str) -> str:
    """A file name without separators, control or bidirectional characters, and leading dots."""
    safe = "".join("_" if c in '/\\:*?"<>|' else c for c in name if _is_visible(c))
    safe = " ".join(safe.split()).strip(". ")
    stem, dot, suffix = safe.rpartition(".")
    if len(safe) > MAX_NAME and dot and len(suffix) <= 10:
        return f"{stem[: MAX_NAME - len(suffix) - 1]}.{suffix}"
    return safe[:MAX_NAME] or "file"


def _from(first: str, last: str, size: int) -> ByteRange | None:
    start = int(first)
    end = size if last == "" else min(int(last) + 1, size)
    if last != "" and int(last) < start:
        return None  # not a valid range
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end, size)


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise RangeNotSatisfiable(size)
    return ByteRange(max(0, size - length), size, size)


def _is_visible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] != "C"


def _strip_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
