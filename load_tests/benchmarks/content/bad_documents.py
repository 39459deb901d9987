"""Documents that are meant to harm, or are merely broken.

In: nothing. Out: for each its bytes, the name it came by, and what becomes of it: the problem that
refuses it, or words that are read.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from deployments.documents.reading.errors import (
    DocumentDamaged,
    DocumentLocked,
    DocumentRefused,
    DocumentTooLarge,
)
from load_tests.benchmarks.content.raw_pdf import (
    encrypted_pdf,
    packed_stream,
    pdf_in_circles,
    pdf_of_codes,
    pdf_of_contents,
    pdf_of_empty_pages,
    pdf_of_text,
)

HEBREW = "שלום עולם"
_DOCUMENT = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = (
    f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_DOCUMENT}"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/'
    '2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
)


@dataclass(frozen=True, slots=True)
class BadDocument:
    """`refusal` None: it is read, and `words` are among what is; with a refusal they are among its
    detail."""

    make: Callable[[], bytes]
    name: str
    refusal: type[Exception] | None
    words: str = ""
    password: str = ""


def docx_of(document: str, **further: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("word/document.xml", document)
        for name, content in further.items():
            archive.writestr(name, content)
    return file.getvalue()


def document_xml(text: str, declaration: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{declaration}<w:document xmlns:w="{_NAMESPACE}"><w:body><w:p><w:r>'
        f"<w:t>{text}</w:t></w:r></w:p></w:body></w:document>"
    )


def zip_of(names: list[str], content: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def _laughs() -> bytes:
    entities = ['<!ENTITY a0 "ha">']
    entities += [f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 12)]
    declaration = f"<!DOCTYPE w:document [{''.join(entities)}]>"
    return docx_of(document_xml("before &a11; after", declaration))


def _stranger() -> bytes:
    declaration = '<!DOCTYPE w:document [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    return docx_of(document_xml("before &x; after", declaration))


def _bomb() -> bytes:
    return docx_of(document_xml("a" * (160 << 20)))


def _many_small() -> bytes:
    """Each entry is below what its ratio is asked of; together they are too much."""
    return zip_of([f"word/{number}" for number in range(250)], b"a" * 1_000_000)


def _packed_page(megabytes: int) -> bytes:
    lines = b"BT /F1 12 Tf 50 700 Td\n" + b"(a) Tj " * (megabytes * 1_000_000 // 7) + b"\nET"
    return pdf_of_contents(packed_stream(lines))


def _with_password() -> bytes:
    archive = bytearray(docx_of(document_xml("secret")))
    at = 0
    while (at := archive.find(b"PK\1\2", at)) >= 0:
        archive[at + 8] |= 1
        at += 4
    return bytes(archive)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


ZOO: Mapping[str, BadDocument] = {
    "empty": BadDocument(lambda: b"", "a.pdf", DocumentDamaged, "empty"),
    "bytes of chance": BadDocument(
        lambda: bytes(range(256)) * 40, "a.txt", DocumentRefused, "bytes"
    ),
    "a picture as a PDF": BadDocument(
        lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "a.pdf", DocumentRefused, "picture"
    ),
    "an archive as a DOCX": BadDocument(lambda: zip_of(["x"]), "a.docx", DocumentRefused, "ZIP"),
    "an old Office file": BadDocument(
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.doc", DocumentRefused, "Office"
    ),
    "a PDF cut off": BadDocument(lambda: _cut(pdf_of_text("x")), "a.pdf", DocumentDamaged, "PDF"),
    "a false PDF": BadDocument(lambda: b"%PDF-1.7\nnothing", "a.pdf", DocumentDamaged, "PDF"),
    "a PDF with a password": BadDocument(
        lambda: encrypted_pdf("hidden words", "sesame"), "a.pdf", DocumentLocked, "password"
    ),
    "a PDF with another password": BadDocument(
        lambda: encrypted_pdf("hidden words", "sesame"), "a.pdf", DocumentLocked, "wrong", "open"
    ),
    "a PDF with its password": BadDocument(
        lambda: encrypted_pdf("hidden words", "sesame"), "a.pdf", None, "hidden words", "sesame"
    ),
    "10,000 pages": BadDocument(
        partial(pdf_of_empty_pages, 10_000), "a.pdf", DocumentTooLarge, "max_pages"
    ),
    "no pages": BadDocument(partial(pdf_of_empty_pages, 0), "a.pdf", DocumentDamaged, "PDF"),
    "pages in circles": BadDocument(pdf_in_circles, "a.pdf", DocumentDamaged),
    "fonts without Unicode": BadDocument(
        lambda: pdf_of_codes(["some words of no meaning at all"], None), "a.pdf", None
    ),
    "from the right to the left": BadDocument(
        lambda: pdf_of_codes([HEBREW[::-1]] * 2, {}), "a.pdf", None, HEBREW
    ),
    "a DOCX bomb": BadDocument(_bomb, "a.docx", DocumentTooLarge, "compression_ratio"),
    "a DOCX of 250 MB": BadDocument(_many_small, "a.docx", DocumentTooLarge, "unpacked_bytes"),
    "20,000 entries": BadDocument(
        lambda: zip_of([str(number) for number in range(20_000)]),
        "a.docx",
        DocumentTooLarge,
        "zip_entries",
    ),
    "entities that grow": BadDocument(_laughs, "a.docx", DocumentDamaged, "DOCX"),
    "an entity of a file": BadDocument(_stranger, "a.docx", None, "before"),
    "a DOCX cut off": BadDocument(
        lambda: _cut(docx_of(document_xml("x"))), "a.docx", DocumentDamaged, "cut off"
    ),
    "a DOCX with a password": BadDocument(_with_password, "a.docx", DocumentLocked, "password"),
    "a DOCX without a document": BadDocument(
        lambda: docx_of("<x/>"), "a.docx", DocumentDamaged, "damaged"
    ),
    "a page of 40 MB": BadDocument(partial(_packed_page, 40), "a.pdf", DocumentDamaged, "memory"),
    "100,000 elements in each other": BadDocument(
        lambda: b"<html><body>" + b"<div>" * 100_000 + b"x", "a.html", DocumentTooLarge, "nesting"
    ),
    "a text that is too long": BadDocument(
        lambda: b"word " * 5_000_000, "a.txt", DocumentTooLarge, "max_characters"
    ),
}
