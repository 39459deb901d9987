"""`$ref`: JSON pointers within a schema's own document."""

from typing import Any
from urllib.parse import unquote


def resolve(document: Any, reference: str) -> Any:
    """The schema that `reference` (`#`, `#/$defs/name`) names. Raises LookupError."""
    if not reference.startswith("#"):
        raise LookupError("only references within the schema are followed")
    path = unquote(reference[1:])
    if path and not path.startswith("/"):
        raise LookupError("anchors are not followed")
    found = document
    for step in path.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise LookupError("it leads nowhere")
    return found
