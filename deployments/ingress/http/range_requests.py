"""How a stored file is answered: which part of it, under which name, or not at all (RFC 9110).

Flows in: a file's size and tag, and the client's header fields. Flows out: the range of bytes to
send, whether the client has them already, and header fields. Knows no store.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cluster.runtime.problems import Problem

MAX_NAME = 150
MAX_HEADER = 1000  # characters of a range field that are worth reading

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[!\x23-\x7e\x80-\xff]*")')
_PLAIN = re.compile(r"[\w!#$&+^`{}~. -]+", re.ASCII)  # needs no escape between quotes


class RangeNotSatisfiable(Problem):
    """Nothing of the range is in the file, which has `size` bytes."""

    status, slug, title = 416, "range-not-satisfiable", "No such part of the file"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; the range lies behind them.", size=size)

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


def matches_etag(given: str | None, tag: str) -> bool:
    """Whether If-None-Match says that the client has it (weak comparison, section 13.1.2)."""
    if given is None:
        return False
    return given.strip() == "*" or tag in _TAG.findall(given)


def parse_range(fields: Mapping[str, str], tag: str, size: int) -> ByteRange | None:
    """What Range asks for; None for the whole file: also where there are several ranges, the field
    is not understood, or If-Range names another file (sections 13.1.5 and 14.2).

    Raises RangeNotSatisfiable.
    """
    given = fields.get("range")
    if given is None or len(given) > MAX_HEADER or fields.get("if-range", tag).strip() != tag:
        return None
    found = _RANGE.fullmatch(given.strip())
    if found is None or found[1] == found[2] == "":
        return None
    return _suffix(int(found[2]), size) if found[1] == "" else _from(found[1], found[2], size)


def content_disposition(name: str) -> str:
    """A Content-Disposition (RFC 6266) that saves under `name`, whatever characters it has."""
    safe = safe_filename(name)
    if _PLAIN.fullmatch(safe):
        return f'attachment; filename="{safe}"'
    plain = "".join(each if _PLAIN.fullmatch(each) else "_" for each in _unaccented(safe))
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def safe_filename(name: str) -> str:
    """A file name of one step: no separators, no control or direction marks, no leading dot."""
    seen = "".join("_" if each in '/\\:*?"<>|' else each for each in name if _visible(each))
    seen = " ".join(seen.split()).strip(". ")
    stem, dot, ending = seen.rpartition(".")
    if len(seen) > MAX_NAME and dot and len(ending) <= 10:
        return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"
    return seen[:MAX_NAME] or "file"


def _from(first: str, last: str, size: int) -> ByteRange | None:
    start = int(first)
    end = size if last == "" else min(int(last) + 1, size)
    if last != "" and int(last) < start:
        return None  # not a range at all
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end, size)


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise RangeNotSatisfiable(size)
    return ByteRange(max(0, size - length), size, size)


def _visible(each: str) -> bool:
    return each.isspace() or unicodedata.category(each)[0] != "C"


def _unaccented(text: str) -> str:
    return "".join(
        each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)
    )
