"""What the handle client (cluster/client.py) returns of chats and of written content."""

from dataclasses import dataclass
from typing import Any


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
