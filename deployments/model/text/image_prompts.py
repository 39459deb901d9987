"""Prompts with pictures: messages in, the text of the prompt with the model's placeholders out.

Chat templates of models that take pictures read a message's content as a list of parts, and write
their own placeholder for a part of type `image`. Knows no engine.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cluster.runtime.problems import PromptTooLong, UnsupportedParameter
from deployments.contracts.engine import Engine, ImageEngine, ImagePrompt
from deployments.contracts.generation import GenerateRequest, Message, uses_tools
from deployments.model.text.chat import ChatTemplate

_MARK = "mobula-content"


def message_parts(message: Message, clean: Callable[[str], str]) -> dict[str, Any]:
    """The message as templates take it; `clean` removes what a caller may not write."""
    parts: list[dict[str, Any]] = []
    start = 0
    for place in message.images:
        if place > start:
            parts.append({"type": "text", "text": clean(message.content[start:place])})
            start = place
        parts.append({"type": "image"})
    if start < len(message.content) or not parts:
        parts.append({"type": "text", "text": clean(message.content[start:])})
    return {"role": message.role, "content": parts}


def reads_only_parts(template: ChatTemplate) -> bool:
    """Whether the template reads a content that is a list of parts, and none that is a text."""
    parts = [{"type": "text", "text": _MARK}]
    return not _writes_mark(template, _MARK) and _writes_mark(template, parts)


def _writes_mark(template: ChatTemplate, content: Any) -> bool:
    try:
        return _MARK in template.render([{"role": "user", "content": content}])
    except Exception:  # noqa: BLE001  a template may fail in any way at what it does not read
        return False


async def encode_image_prompt(
    request: GenerateRequest,
    engine: Engine,
    render: Callable[[Sequence[Message]], str],
    model: str,
    context_length: int,
) -> ImagePrompt:
    """Raises UnsupportedParameter for an engine that takes no pictures, and for tools beside them;
    InvalidRequest from the template and for pictures that the model does not take; PromptTooLong.
    """
    if not isinstance(engine, ImageEngine) or "images" not in engine.supports:
        raise UnsupportedParameter("messages", f"model '{model}' takes no pictures.")
    if uses_tools(request.messages, request.tool_settings):
        raise UnsupportedParameter("tools", f"model '{model}' takes no tools beside pictures.")
    prompt = await engine.encode_images(render(request.messages), request.images)
    if len(prompt.ids) >= context_length:
        raise PromptTooLong(model, len(prompt.ids), context_length)
    return prompt
