"""How bodies name documents and collections, and how answers cite them. Offsets are code points."""

from typing import Annotated

from pydantic import BaseModel, Field

MAX_SOURCES = 100  # documents of one request

DocumentId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,63}$")]
CollectionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
DocumentIds = Annotated[list[DocumentId], Field(min_length=1, max_length=MAX_SOURCES)]


class CitationResponse(BaseModel):
    """A quote that stands in block `block` of a document, word for word, from `start` up to `end`.
    `number` is that of the marks in the answer."""

    number: int
    document: str
    name: str
    page: int
    block: int
    start: int
    end: int
    quote: str
