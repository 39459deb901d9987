"""Formats of documents by their first bytes, whatever their names say.

In: the beginning of a file, and what its sender called it. Out: a format, or DocumentRefused, which
says what it is where that is known. The sender's words decide only between texts, which have no
signature. Whether a ZIP is a DOCX or a PPTX is in its directory (archive.py).
"""

from typing import Literal

from deployments.documents.reading.errors import DocumentDamaged, DocumentRefused

HEAD_BYTES = 4_096
PDF_WITHIN = 1_024  # bytes before a PDF's signature, as readers commonly accept
ACCEPTED = "documents are PDF, DOCX, PPTX, HTML, Markdown and text"
Signed = Literal["pdf", "zip", "text"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\5\6", "an empty ZIP archive"),
    (b"{\\rtf", "an RTF"),
    (b"%!PS", "a PostScript file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"BM", "a picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"AT&TFORM", "a DjVu"),
    (b"ITSF", "a CHM"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"SQLite format 3", "a database"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD = (
    "is an old or an encrypted Office file (.doc, .ppt, .xls, or one with a password); save it as "
    "DOCX, PPTX or PDF without one"
)


def signed_format(head: bytes) -> Signed:
    """By the first HEAD_BYTES bytes. Raises DocumentRefused; DocumentDamaged if there are none."""
    if not head:
        raise DocumentDamaged("is empty")
    if b"%PDF-" in head[:PDF_WITHIN]:
        return "pdf"
    if head.startswith(b"PK\3\4"):
        return "zip"
    refused = _refusal(head)
    if refused:
        raise DocumentRefused(refused)
    return "text"


def _refusal(head: bytes) -> str:
    """What it is, as a clause; empty: a text."""
    if head.startswith(_OLE):
        return _OLD
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return f"is {name}; {ACCEPTED}"
    if head[4:8] == b"ftyp":
        return f"is a video or a picture; {ACCEPTED}"
    if b"\0" in head and not head.startswith(_UTF16) and not _is_plain_utf16(head):
        return f"has bytes that no text has; {ACCEPTED}"
    return ""


def _is_plain_utf16(head: bytes) -> bool:
    """UTF-16 without a mark: nearly every second byte of Western text is zero."""
    half = max(1, len(head) // 2)
    even, odd = head[::2].count(0), head[1::2].count(0)
    return max(even, odd) >= 0.7 * half and min(even, odd) <= 0.05 * half


def text_format(head: bytes, name: str, media_type: str) -> Literal["html", "markdown", "text"]:
    """Of a text: a web page by its beginning, else by what its sender says of it."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<?xml") or start.startswith(b"<!--"):
        if any(mark in start for mark in _HTML):
            return "html"
    elif start.startswith(_HTML):
        return "html"
    kind = media_type.split(";", 1)[0].strip().lower()
    suffix = name.lower().rpartition(".")[2] if "." in name else ""
    if kind in ("text/html", "application/xhtml+xml") or suffix in ("html", "htm", "xhtml"):
        return "html"
    if kind in ("text/markdown", "text/x-markdown") or suffix in ("md", "markdown", "mdown"):
        return "markdown"
    return "text"
