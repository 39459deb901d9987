"""What the handle client sends and returns, as plain values: bodies, and readings of responses.

In: arguments of its methods, responses of the HTTP API. Out: JSON bodies; texts, vectors, results.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.runtime.problems import Malformed

Prompt = str | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


def chat_body(prompt: Prompt, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(prompt, str):
        messages: list[Any] = [{"role": "user", "content": prompt}]
    else:
        messages = to_list(prompt, "messages")
    return {"model": model, "messages": messages, **options}


def to_list(given: Any, field: str) -> list[Any]:
    """Raises Malformed for a value that is not iterable."""
    try:
        return list(given)
    except TypeError:
        raise Malformed.at(f"/{field}", "must be a list", "list_type") from None


def delta_texts(chunk: Mapping[str, Any]) -> list[str]:
    return [
        choice["delta"]["content"]
        for choice in chunk["choices"]
        if choice["index"] == 0 and choice["delta"].get("content")
    ]


def vectors(raw: dict[str, Any]) -> NDArray[np.float32]:
    rows = [base64.b64decode(item["embedding"]) for item in raw["data"]]
    return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1).astype(np.float32)


def results(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return list(raw["results"])


def analysis_body(
    texts: str | Sequence[str],
    operations: Sequence[str] | None,
    options: Mapping[str, Any] | None,
    language: str | None,
) -> dict[str, Any]:
    """What `analyze_text` takes; fields that were left out are not there."""
    body: dict[str, Any] = (
        {"text": texts} if isinstance(texts, str) else {"texts": to_list(texts, "texts")}
    )
    given = {"operations": operations, "options": options, "language": language}
    return body | {name: value for name, value in given.items() if value is not None}


def analysis_results(answer: Mapping[str, Any]) -> Any:
    """By operation, or a list of that."""
    items = answer.get("items")
    return answer["results"] if items is None else [item["results"] for item in items]
