"""AutoGen."""

from autogen_core.models import ModelFamily, UserMessage
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

from checks import KEY, MODEL, QUESTION, URL, check, run

info = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "structured_output": True,
    "family": ModelFamily.UNKNOWN,
}


def _client() -> OpenAIChatCompletionClient:
    return OpenAIChatCompletionClient(
        model=MODEL, base_url=URL, api_key=KEY, model_info=info, max_retries=0, max_tokens=48
    )


def weather(celsius: bool) -> str:
    return f"sunny {celsius}"


@check
async def chat_and_stream() -> None:
    client = _client()
    message = UserMessage(content=QUESTION, source="user")
    assert (await client.create([message])).content
    assert [piece async for piece in client.create_stream([message])]


@check
async def tool() -> None:
    tool = FunctionTool(weather, description="The weather", strict=True)
    answer = await _client().create(
        [UserMessage(content="Weather?", source="user")], tools=[tool], tool_choice="required"
    )
    assert answer.content[0].name == "weather"


run()
