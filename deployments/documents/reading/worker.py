"""Sandboxed child: reads one document with the parser of its format.

In: the name of a file in the working folder, what its sender called it, and bounds. Out: its facts
and blocks as files (part_files.py), or the problem.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from cluster.runtime.problems import InvalidRequest
from deployments.documents.reading.archive import office_format
from deployments.documents.reading.errors import DocumentDamaged, DocumentTooLarge, to_wire
from deployments.documents.reading.formats import HEAD_BYTES, signed_format, text_format
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.source import SourceFile
from deployments.sandbox.child import run_child

_MODULE = "deployments.documents.reading.{}"
_PARSERS = {
    "pdf": "pdf",
    "docx": "docx_blocks",
    "pptx": "pptx_blocks",
    "html": "html_blocks",
    "markdown": "markdown_blocks",
    "text": "plain_blocks",
}


def read_document(request: dict[str, Any]) -> dict[str, Any]:
    """The child's answer."""
    source = SourceFile(
        path=Path(request["source"]),
        password=request["password"],
        ocr=request["ocr"],
        first_page=request["first_page"],
        max_pages=request["max_pages"],
    )
    parts = PartFiles(request["max_characters"], source.first_page)
    try:
        format = _format(source.path, request["name"], request["media_type"])
        import_module(_MODULE.format(_PARSERS[format])).read(source, parts)
        parts.end()
    except InvalidRequest as problem:
        return {"problem": to_wire(problem)}
    except RecursionError:
        return {"problem": to_wire(DocumentTooLarge("nesting", 1_000))}
    except MemoryError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RuntimeError) as error:
        return {"problem": to_wire(_damage(error))}
    return {}


def _format(path: Path, name: str, media_type: str) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    match signed_format(head):
        case "pdf":
            return "pdf"
        case "zip":
            return office_format(path)
        case _:
            return text_format(head, name, media_type)


def _damage(error: Exception) -> DocumentDamaged:
    """Parsers raise nearly everything for damaged files."""
    return DocumentDamaged(f"is damaged or cut off ({type(error).__name__})")


if __name__ == "__main__":
    run_child(read_document)
