"""smolagents: the model and its tool calls (an agent's prompt is longer than nano's context)."""

from smolagents import OpenAIServerModel, tool
from smolagents.models import ChatMessage, MessageRole

from checks import KEY, MODEL, QUESTION, URL, check, run

model = OpenAIServerModel(model_id=MODEL, api_base=URL, api_key=KEY, max_tokens=48)


@tool
def weather(celsius: bool) -> str:
    """The weather.

    Args:
        celsius: in degrees Celsius.
    """
    return f"sunny {celsius}"


@check
def model_call() -> None:
    message = ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": QUESTION}])
    assert model.generate([message]).content


@check
def tool_call() -> None:
    message = ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": "Weather?"}])
    answer = model.generate([message], tools_to_call_from=[weather])
    assert answer.tool_calls[0].function.name == "weather"


run()
