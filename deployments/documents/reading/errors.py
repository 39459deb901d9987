"""The problems of documents that are read.

InvalidRequest 400
  DocumentRefused  415 document-refused    not a document of a format that is read; says what it is
  DocumentTooLarge 422 document-too-large  over a limit; names field and limit
  DocumentDamaged  422 document-damaged    cannot be read, or crashed its parser
  DocumentLocked   422 document-locked     encrypted, and the password is missing or wrong
DeadlineExceeded
  ReadingTimeout   504 reading-timeout     the time for reading ran out

A child is not trusted: its refusal is rebuilt from WIRE by name.
"""

from collections.abc import Mapping
from typing import Any

from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, Problem

MAX_DETAIL = 300


class DocumentRefused(InvalidRequest):
    """`why` is a clause that ends without a full stop."""

    status, slug, title = 415, "document-refused", "The file is not a document that is read"

    def __init__(self, why: str) -> None:
        super().__init__(f"The file {why}.")


class DocumentTooLarge(InvalidRequest):
    """`field` names the limit, `limit` is its value, `got` the measured one, where it is known."""

    status, slug, title = 422, "document-too-large", "The document is over a limit"

    def __init__(self, field: str, limit: float, got: float | None = None) -> None:
        found = "is over the limit" if got is None else f"is {got:.15g}"
        super().__init__(f"{field}: {found}; the limit is {limit:.15g}.", field=field, limit=limit)


class DocumentDamaged(InvalidRequest):
    status, slug, title = 422, "document-damaged", "The document is damaged"

    def __init__(self, why: str = "cannot be read") -> None:
        super().__init__(f"The document {why}.")


class DocumentLocked(InvalidRequest):
    status, slug, title = 422, "document-locked", "The document is encrypted"

    def __init__(self, why: str = "is encrypted, and opens with its password only") -> None:
        super().__init__(f"The document {why}.", field="password")


class ReadingTimeout(DeadlineExceeded):
    slug, title = "reading-timeout", "Reading the document took too long"


WIRE: Mapping[str, type[InvalidRequest]] = {
    kind.__name__: kind
    for kind in (DocumentRefused, DocumentTooLarge, DocumentDamaged, DocumentLocked)
}


def to_wire(problem: InvalidRequest) -> dict[str, Any]:
    """As a child writes it."""
    extensions = {name: problem.extensions.get(name) for name in ("field", "limit")}
    return {"kind": type(problem).__name__, "detail": problem.detail, **extensions}


def from_wire(data: Mapping[str, Any]) -> InvalidRequest:
    """The problem of a child's answer. Texts are truncated; what is unknown is damage."""
    kind = WIRE.get(str(data.get("kind")), DocumentDamaged)
    problem = kind.__new__(kind)
    field, limit = data.get("field"), data.get("limit")
    extensions: dict[str, Any] = {}
    if isinstance(field, str):
        extensions["field"] = field[:40]
    if isinstance(limit, int | float):
        extensions["limit"] = limit
    Problem.__init__(problem, str(data.get("detail"))[:MAX_DETAIL], **extensions)
    return problem
