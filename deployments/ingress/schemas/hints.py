"""Fields that OpenAI's clients send and that change nothing here: accepted, and named.

In: a parsed body. Out: the names of fields whose values ask for something that this server does not
do. They reach the client in the response header `Mobula-Ignored` (http/ignored_fields.py).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel


class HintedBody(BaseModel):
    """`hints` maps the name of a field to the values that ask for nothing."""

    hints: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def ignored(self) -> list[str]:
        """The hints of this body that ask for something, in the order of `hints`."""
        given = self.model_fields_set
        if given.isdisjoint(self.hints):
            return []
        return [
            name
            for name, idle in self.hints.items()
            if name in given and getattr(self, name) not in idle
        ]
