"""How requests name pictures, and what is no picture."""

import pytest

from deployments.contracts.images import MAX_IMAGE_BYTES, ImageSource
from deployments.images.errors import ImageRefused
from deployments.images.kinds import image_format
from deployments.images.references import file_source, image_source


def test_a_data_url_keeps_its_base64_undecoded() -> None:
    source = image_source("data:image/png;base64,AAAA", "url", "low")

    assert source == ImageSource("url", encoded="AAAA", detail="low")
    assert image_source("DATA:image/jpeg;name=a.jpg;base64,AA==", "url").encoded == "AA=="


def test_a_url_is_left_to_the_guard() -> None:
    assert image_source("https://x.test/a.png", "url").url == "https://x.test/a.png"


def test_a_file_of_the_tenant_is_named_by_its_id() -> None:
    assert file_source("file-1a", "file_id").path == "files/file-1a/00000000"
    for id in ("../secrets", "", "a/b", "x" * 65):
        with pytest.raises(ImageRefused, match="id of a file"):
            file_source(id, "file_id")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("data:image/png,abc", "not of base64"),
        ("data:image/svg+xml;base64,AAAA", "svg"),
        ("data:text/html;base64,AAAA", "text/html"),
        ("data:application/pdf;base64,AAAA", "pdf"),
        ("data:;base64,AAAA", "no media type"),
        ("data:image/png;base64,", "empty"),
        ("cat.png", "neither"),
        ("", "neither"),
    ],
)
def test_other_references_are_refused_by_name(url: str, why: str) -> None:
    with pytest.raises(ImageRefused, match=why) as refusal:
        image_source(url, "messages.0.content.1.image_url.url")

    assert refusal.value.param == "messages.0.content.1.image_url.url"


def test_too_much_base64_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageRefused, match="20 MiB"):
        image_source("data:image/png;base64," + "A" * (MAX_IMAGE_BYTES * 4 // 3 + 2_000), "url")


def test_neither_logs_nor_traces_show_what_a_picture_is_made_of() -> None:
    source = image_source("data:image/png;base64,c2VjcmV0", "url")

    assert "c2VjcmV0" not in repr(source)
    assert "secret" not in repr(ImageSource("url", url="https://x.test/a?sig=secret"))


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a", "GIF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
    ],
)
def test_a_kind_is_known_by_its_first_bytes(head: bytes, format: str) -> None:
    assert image_format(head, "url") == format


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<svg xmlns='x'>", "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><svg>', "SVG"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"\x1aE\xdf\xa3", "video"),
        (b"RIFF\0\0\0\0WAVE", "recording"),
        (b"ID3\x04", "recording"),
        (b"%PDF-1.7", "PDF"),
        (b"II*\0", "TIFF"),
        (b"<!DOCTYPE html>", "web page"),
        (b"hello", "no picture"),
        (b"", "no picture"),
    ],
)
def test_other_kinds_are_refused_by_name(head: bytes, name: str) -> None:
    with pytest.raises(ImageRefused, match=name):
        image_format(head, "url")
