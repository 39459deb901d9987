"""Answers as values, and the bytes that they are read from."""

import array
import base64
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mobula_client.problems import problem_in

Event = tuple[str | None, dict[str, Any]]
ENDED = frozenset({"succeeded", "partial", "failed", "canceled"})  # states that a job ends in


@dataclass(frozen=True)
class ChatResponse:
    """The first choice's text; `raw` is the whole `chat.completion`."""

    text: str
    finish_reason: str
    raw: dict[str, Any]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "ChatResponse":
        choice = raw["choices"][0]
        return cls(choice["message"]["content"] or "", choice["finish_reason"], raw)

    @property
    def message(self) -> dict[str, Any]:
        """The first choice's message as it is, to be sent back in the next turn."""
        return dict(self.raw["choices"][0]["message"])

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls that the first choice asks for: `id` and `function` (`name`, `arguments`)."""
        return list(self.message.get("tool_calls") or ())


@dataclass(frozen=True)
class ContentResponse:
    """Variants' texts, best first; `raw` has their scores, reasons and the usage."""

    variants: tuple[str, ...]
    raw: dict[str, Any]

    @property
    def best(self) -> str:
        return self.variants[0]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "ContentResponse":
        return cls(tuple(variant["text"] for variant in raw["variants"]), raw)


class EventReader:
    """Server-sent events of a call, line by line. Raises the problem of an error event."""

    def __init__(self) -> None:
        self._name: str | None = None

    def read(self, line: str) -> Event | None:
        """The event that this line completes, if it completes one."""
        if line.startswith("event: "):
            self._name = line[7:]
        elif line.startswith("data: ") and line != "data: [DONE]":
            name, self._name = self._name, None
            data = json.loads(line[6:])
            if name == "error" or (name is None and "error" in data):
                raise problem_in(data)
            return name, data
        return None


def first_choice_texts(chunk: Mapping[str, Any]) -> Iterator[str]:
    """The text of a `chat.completion.chunk`'s first choice."""
    for choice in chunk["choices"]:
        if choice["index"] == 0 and choice["delta"].get("content"):
            yield choice["delta"]["content"]


def vectors(raw: Mapping[str, Any]) -> list[list[float]]:
    """The vectors of an embeddings answer whose encoding is base64: little-endian float32."""
    return [_floats(base64.b64decode(item["embedding"])) for item in raw["data"]]


def _floats(data: bytes) -> list[float]:
    values = array.array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
