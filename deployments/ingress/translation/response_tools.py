"""Tools of OpenAI's Responses API: those of the chat that a response is, and as answers repeat
them.

In: a request. Out: functions of a chat. The tool `file_search` runs before the chat
(file_search.py), so a chat has functions only.
"""

from collections.abc import Sequence
from typing import Any

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.ingress.schemas.responses import (
    AllowedTools,
    BuiltInTool,
    FileSearchTool,
    ResponseCreate,
    ResponseFunctionTool,
    ResponseToolChoice,
    ToolName,
)

_SEARCH = "file_search"
_Functions = list[ResponseFunctionTool]


def chat_tools(body: ResponseCreate) -> tuple[list[dict[str, Any]] | None, Any]:
    """`tools` and `tool_choice` of the chat. Raises UnsupportedParameter, InvalidRequest."""
    functions: _Functions = []
    searches = False
    for index, tool in enumerate(body.tools or ()):
        if isinstance(tool, BuiltInTool):
            why = f"tools of type '{tool.type[:50]}' are not here; describe a function."
            raise UnsupportedParameter(f"tools[{index}]", why)
        if isinstance(tool, ResponseFunctionTool):
            functions.append(tool)
        else:
            searches = True
    if searches and (not functions or _names_search(body.tool_choice)):
        return None, None
    functions, choice = _chosen(functions, body.tool_choice)
    return [_chat_tool(tool) for tool in functions] or None, choice


def shown_tool(tool: ResponseFunctionTool | FileSearchTool | BuiltInTool) -> dict[str, Any]:
    """As an answer repeats it."""
    shown = tool.model_dump()
    if isinstance(tool, ResponseFunctionTool):
        shown["strict"] = bool(tool.strict)
    return shown


def shown_choice(body: ResponseCreate) -> Any:
    """As an answer repeats it."""
    choice = body.tool_choice
    if choice is None:
        return "auto"
    return choice if isinstance(choice, str) else choice.model_dump(exclude_none=True)


def _names_search(choice: ResponseToolChoice | None) -> bool:
    """Whether the search is all that is allowed."""
    if isinstance(choice, AllowedTools):
        return all(tool.type == _SEARCH for tool in choice.tools)
    return isinstance(choice, ToolName) and choice.type == _SEARCH


def _chosen(functions: _Functions, choice: ResponseToolChoice | None) -> tuple[_Functions, Any]:
    """Those that may be called, and the chat's `tool_choice`."""
    if isinstance(choice, AllowedTools):
        return _allowed(functions, choice), choice.mode
    if isinstance(choice, ToolName):
        if choice.type != "function" or choice.name is None:
            why = f"tools of type '{choice.type[:50]}' are not here; name a function."
            raise UnsupportedParameter("tool_choice", why)
        return functions, {"type": "function", "function": {"name": choice.name}}
    return functions, choice


def _allowed(functions: Sequence[ResponseFunctionTool], choice: AllowedTools) -> _Functions:
    allowed = {tool.name for tool in choice.tools if tool.type == "function"}
    missing = allowed - {tool.name for tool in functions}
    if missing or not allowed:
        name = next(iter(missing), None)
        raise InvalidRequest(
            f"tool_choice.tools: no function is named {name!r}.", param="tool_choice.tools"
        )
    return [tool for tool in functions if tool.name in allowed]


def _chat_tool(tool: ResponseFunctionTool) -> dict[str, Any]:
    function = tool.model_dump(exclude={"type"}, exclude_none=True)
    return {"type": "function", "function": function}
