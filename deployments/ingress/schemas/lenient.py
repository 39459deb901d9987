"""Bases of bodies, and of their parts, that accept what this server does not know or do.

In: a parsed body. Out: the names of hints that have no effect. With those of unknown fields they
reach the client in the response header `Mobula-Ignored` (http/ignored_fields.py).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

RequestedModel = Annotated[
    str,
    Field(
        max_length=100,
        examples=["nano"],
        description="A model's id, or another of the names that /v1/models lists. Left out, empty "
        "or `default`: the tenant's default model.",
    ),
]


class LenientPart(BaseModel):
    """Members that are not known are ignored: clients send parts back as they got them."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class HintedBody(BaseModel):
    """`hints` maps the name of a field that changes nothing here to the values that ask for
    nothing.
    """

    hints: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def idle_hints(self) -> list[str]:
        """The hints of this body that ask for something, in the order of `hints`."""
        given = self.model_fields_set
        return [
            name
            for name, idle in self.hints.items()
            if name in given and getattr(self, name) not in idle
        ]
