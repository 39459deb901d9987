"""Kinds of pictures by their first bytes, whatever their name or declared type says.

In: the beginning of a file. Out: a format that is decoded, or ImageRefused, which names what it is
where that is known.
"""

from deployments.images.errors import ImageRefused
from deployments.images.references import FORMATS_TEXT

HEAD_BYTES = 512
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"\0\0\1\0", "an ICO"),
    (b"8BPS", "a PSD"),
    (b"\x76\x2f\x31\x01", "an EXR"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"PK\3\4", "a ZIP"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
    (b"fLaC", "a recording"),
)


def image_format(head: bytes, param: str) -> str:
    """Pillow's name of the format. Raises ImageRefused, naming `param`."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in _AVIF:
        return "AVIF"
    raise ImageRefused(param, f"is {_other(head)}; pictures are {FORMATS_TEXT}")


def _other(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF:
            return "a HEIC, whose decoders are under patents"
        return "a video"
    if head[:4] == b"RIFF":
        return "a recording"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return "an SVG, which is a document that may refer to others"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    return "no picture"
