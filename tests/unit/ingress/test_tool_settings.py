"""What `tool_choice` and `parallel_tool_calls` of a request mean to a model."""

from typing import Any

import pytest

from deployments.ingress.schemas.openai import ChatRequest
from deployments.ingress.schemas.tools import tool_settings

TOOLS = [{"type": "function", "function": {"name": "weather"}}]
NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, True),
        ("auto", False, False),
        ("required", None, False),
        ("required", True, True),
        (NAMED, None, False),
    ],
)
def test_a_forced_response_makes_several_calls_only_if_asked(
    choice: Any, parallel: bool | None, expected: bool
) -> None:
    body = ChatRequest.model_validate(
        {
            "model": "nano",
            "messages": [{"role": "user", "content": "Weather?"}],
            "tools": TOOLS,
            "tool_choice": choice,
            "parallel_tool_calls": parallel,
        }
    )

    settings = tool_settings(body.tools, body.tool_choice, parallel=body.parallel_tool_calls)

    assert settings is not None
    assert settings.parallel is expected
