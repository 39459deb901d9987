"""PDFs written byte by byte, for what no library writes: encrypted, cyclic, or with fonts of codes.

In: objects. Out: a file. Encryption is RC4 with 40 bits (PDF 1.4, 3.5 "Encryption", revision 2).
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_ID = b"0123456789abcdef"


def raw_pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Object N is `objects[N - 1]`; the first is the catalogue."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join([b"%010d 00000 n \n" % place for place in places])
    out += b"trailer\n<< /Size %d /Root 1 0 R " % (len(objects) + 1) + trailer + b" >>\n"
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(content), entries) + content + b"\nendstream"


def packed_stream(content: bytes) -> bytes:
    return stream(zlib.compress(content, 9), b"/Filter /FlateDecode")


FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf_of_text(*lines: str, font: bytes = FONT, further: Sequence[bytes] = ()) -> bytes:
    """One page with these lines in Helvetica. `further` are objects from number 6 on."""
    shown = b"".join([f"({line}) Tj T*\n".encode("latin-1") for line in lines])
    return pdf_of_contents(stream(b"BT /F1 12 Tf 14 TL 50 700 Td\n" + shown + b"ET"), font, further)


def pdf_of_contents(contents: bytes, font: bytes = FONT, further: Sequence[bytes] = ()) -> bytes:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>"
    )
    tree = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", tree, page, contents, font, *further])


def pdf_of_empty_pages(pages: int) -> bytes:
    kids = b" ".join([b"%d 0 R" % number for number in range(3, pages + 3)])
    tree = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    return raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", tree, *[page] * pages])


def pdf_in_circles() -> bytes:
    """Its tree of pages is its own branch."""
    tree = b"<< /Type /Pages /Count 1000 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"
    return raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", tree])


def pdf_of_codes(texts: Sequence[str], letters: Mapping[str, int] | None) -> bytes:
    """Lines whose letters are codes of a font that says which they are by `letters`; None: it does
    not say."""
    codes = {letter: 33 + at for at, letter in enumerate(sorted(set("".join(texts))))}
    shown = [bytes([codes[letter] for letter in text]).hex().encode() for text in texts]
    lines = b"".join([b"<%s> Tj T*\n" % line for line in shown])
    contents = stream(b"BT /F1 12 Tf 14 TL 50 700 Td\n" + lines + b"ET")
    names = b" ".join([b"%d /g%d" % (code, code) for code in codes.values()])
    widths = b" ".join([b"500"] * 95)
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 700] /FontMatrix [.001 0 0 .001 0 0] "
        b"/FirstChar 33 /LastChar 127 /Widths [%s] /CharProcs << >> "
        b"/Encoding << /Type /Encoding /Differences [%s] >> %s >>"
    )
    meaning = b"" if letters is None else b"/ToUnicode 6 0 R"
    pairs = [
        b"<%02x> <%s>" % (codes[letter], letter.encode("utf-16-be").hex().encode())
        for letter in codes
    ]
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        b"1 begincodespacerange <00> <ff> endcodespacerange %d beginbfchar %s endbfchar endcmap "
        b"CMapName currentdict /CMap defineresource pop end end"
    ) % (len(pairs), b"\n".join(pairs))
    return pdf_of_contents(contents, font % (widths, names, meaning), [stream(table)])


def encrypted_pdf(text: str, password: str) -> bytes:
    """It opens with `password`, which is the user's and the owner's."""
    padded = (password.encode("latin-1") + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    rights = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(padded + owner + rights + _ID).digest()[:5]
    user = _rc4(key, _PADDING)
    contents = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode("latin-1")
    own = hashlib.md5(key + (4).to_bytes(3, "little") + b"\0\0").digest()[:10]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        stream(_rc4(own, contents)),
        FONT,
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>"
        % (owner.hex().encode(), user.hex().encode()),
    ]
    ids = b"<%s>" % _ID.hex().encode()
    return raw_pdf(objects, b"/Encrypt 6 0 R /ID [%s %s]" % (ids, ids))


def _rc4(key: bytes, data: bytes) -> bytes:
    state, at = list(range(256)), 0
    for index in range(256):
        at = (at + state[index] + key[index % len(key)]) % 256
        state[index], state[at] = state[at], state[index]
    out, one, other = bytearray(), 0, 0
    for byte in data:
        one = (one + 1) % 256
        other = (other + state[one]) % 256
        state[one], state[other] = state[other], state[one]
        out.append(byte ^ state[(state[one] + state[other]) % 256])
    return bytes(out)
