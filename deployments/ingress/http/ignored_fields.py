"""Fields of a body that had no effect, and the response header that names them.

In: a body that was validated with unknown fields allowed. Out: `Mobula-Ignored: top_q,
messages.0.x`: dotted names, of bounded number and length; the only sign of a misspelled field.
"""

import re
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

IGNORED_FIELDS = b"mobula-ignored"  # the header
MAX_NAMES = 16  # in the header; further ones are counted
MAX_NAME = 100  # characters
_LEAVES = frozenset({str, int, float, bool, type(None), dict})  # isinstance of a model is slow
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def unknown_fields(body: BaseModel) -> Iterator[str]:
    """Dotted names of fields at any depth that the body's schema does not have."""
    yield from body.model_extra or ()
    for name, value in body.__dict__.items():
        if type(value) not in _LEAVES:
            for rest in _unknown_within(value):
                yield f"{name}.{rest}"


def _unknown_within(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            if type(each) not in _LEAVES:
                for rest in _unknown_within(each):
                    yield f"{index}.{rest}"
    elif isinstance(value, BaseModel):
        yield from unknown_fields(value)


def ignored_value(names: Sequence[str]) -> bytes:
    """The header's value for one name or more. Further ones than MAX_NAMES are counted: `+3`."""
    shown = [_printable(name) for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        shown.append(f"+{len(names) - MAX_NAMES}")
    return ", ".join(shown).encode()


def _printable(name: str) -> str:
    cut = name if len(name) <= MAX_NAME else name[: MAX_NAME - 3] + "..."
    return _UNSAFE.sub("?", cut) or "?"
