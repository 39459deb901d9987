"""What an upstream answers, whatever API it is asked through.

In: the body of a request. Out: an `UpstreamAnswer` that both wires can write.
"""

from dataclasses import dataclass
from typing import Any

WORDS = "one two three four five"
PROMPT_TOKENS = 7
CACHED_TOKENS = 3
VECTOR = (0.25, -0.5, 0.125)


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One call of a tool; `arguments` is written as it stands, JSON or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """The choices are equal. `output_tokens` counts one of them."""

    text: str = WORDS
    calls: tuple[UpstreamCall, ...] = ()
    reasoning: str = ""
    finish: str = "stop"  # OpenAI's word
    input_tokens: int = PROMPT_TOKENS
    cached_tokens: int = CACHED_TOKENS
    output_tokens: int = 5
    reasoning_tokens: int = 0

    @property
    def pieces(self) -> list[str]:
        """The text as a stream has it: a word each."""
        words = self.text.split(" ")
        return [word if at == 0 else f" {word}" for at, word in enumerate(words)]


def answer_to(body: dict[str, Any]) -> UpstreamAnswer:
    """Five words, fewer where `max_tokens` says so; a call where a tool is demanded."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 5
    if _demands_tool(body):
        tool = body["tools"][0]
        name = tool.get("function", tool)["name"]
        call = UpstreamCall("call_1", name, '{"city": "Bern"}')
        return UpstreamAnswer("", (call,), finish="tool_calls")
    words = WORDS.split()[:limit]
    finish = "stop" if len(words) == len(WORDS.split()) else "length"
    return UpstreamAnswer(" ".join(words), finish=finish, output_tokens=len(words))


def _demands_tool(body: dict[str, Any]) -> bool:
    choice = body.get("tool_choice")
    if not body.get("tools"):
        return False
    return choice in ("required", "any") or (
        isinstance(choice, dict) and choice.get("type") in ("function", "any", "tool")
    )
