"""The directory of a ZIP, checked before anything of it is unpacked.

In: the path of a ZIP. Out: whether it is a DOCX or a PPTX, or the problem. What the directory says
of sizes is only a claim; but zipfile reads no more of an entry than the claim, and the process has
bounds of memory and CPU time.
"""

import zipfile
from pathlib import Path
from typing import Literal

from deployments.documents.reading.errors import (
    DocumentDamaged,
    DocumentLocked,
    DocumentRefused,
    DocumentTooLarge,
)
from deployments.documents.reading.formats import ACCEPTED

MAX_RATIO = 100  # unpacked to packed bytes, of one entry of at least RATIO_FROM bytes
RATIO_FROM = 1 << 20
MAX_TOTAL = 200 << 20  # bytes of all entries, unpacked
MAX_ENTRIES = 10_000
_ENCRYPTED = 0x1
_END = b"PK\5\6"
_END_BYTES, _MAX_COMMENT = 22, 65_535
_TYPES = "[Content_Types].xml"
_MAX_TYPES = 1 << 20
_MAIN: tuple[tuple[str, Literal["docx", "pptx"]], ...] = (
    ("wordprocessingml.document.main+xml", "docx"),
    ("ms-word.document.macroEnabled.main+xml", "docx"),
    ("wordprocessingml.template.main+xml", "docx"),
    ("presentationml.presentation.main+xml", "pptx"),
    ("presentationml.slideshow.main+xml", "pptx"),
    ("ms-powerpoint.presentation.macroEnabled.main+xml", "pptx"),
    ("presentationml.template.main+xml", "pptx"),
)
_OTHERS = (
    ("spreadsheetml", "a spreadsheet (XLSX)"),
    ("visio", "a Visio drawing"),
)


def office_format(path: Path) -> Literal["docx", "pptx"]:
    """Raises DocumentRefused, DocumentTooLarge, DocumentDamaged, DocumentLocked."""
    check_entries_claimed(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_directory(archive.infolist())
            names = set(archive.namelist())
            if _TYPES not in names:
                raise DocumentRefused(f"is {_kind(archive, names)}; {ACCEPTED}")
            with archive.open(_TYPES) as file:
                types = file.read(_MAX_TYPES).decode("utf-8", "replace")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, EOFError) as error:
        raise DocumentDamaged("is a ZIP that is damaged or cut off") from error
    except (NotImplementedError, RuntimeError) as error:
        raise DocumentDamaged("is a ZIP of a kind that is not read") from error
    for mark, format in _MAIN:
        if mark in types:
            return format
    other = next((name for mark, name in _OTHERS if mark in types), "a ZIP archive")
    raise DocumentRefused(f"is {other}; {ACCEPTED}")


def check_entries_claimed(path: Path) -> None:
    """By the record at the end, so that no directory of millions is read. Raises DocumentTooLarge,
    DocumentDamaged."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise DocumentDamaged("is a ZIP that is cut off")
    claimed = int.from_bytes(tail[at + 10 : at + 12], "little")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if claimed > MAX_ENTRIES or (length != 0xFFFFFFFF and length > MAX_ENTRIES * 1_024):
        raise DocumentTooLarge("zip_entries", MAX_ENTRIES, claimed)


def check_directory(entries: list[zipfile.ZipInfo]) -> None:
    """Raises DocumentTooLarge, DocumentLocked."""
    if len(entries) > MAX_ENTRIES:
        raise DocumentTooLarge("zip_entries", MAX_ENTRIES, len(entries))
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL:
        raise DocumentTooLarge("unpacked_bytes", MAX_TOTAL, total)
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise DocumentLocked("is a ZIP with a password, which is not opened")
        ratio = entry.file_size / max(1, entry.compress_size)
        if entry.file_size >= RATIO_FROM and ratio > MAX_RATIO:
            raise DocumentTooLarge("compression_ratio", MAX_RATIO, round(ratio))


def _kind(archive: zipfile.ZipFile, names: set[str]) -> str:
    if "mimetype" in names:
        with archive.open("mimetype") as file:
            kind = file.read(200)
        if b"opendocument" in kind:
            return "an OpenDocument file"
        if b"epub" in kind:
            return "an EPUB"
    return "a ZIP archive"
