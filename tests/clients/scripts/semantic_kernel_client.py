"""Semantic Kernel."""

from openai import AsyncOpenAI
from semantic_kernel.connectors.ai.open_ai import (
    OpenAIChatCompletion,
    OpenAIChatPromptExecutionSettings,
)
from semantic_kernel.contents import ChatHistory

from checks import KEY, MODEL, QUESTION, URL, check, run


@check
async def chat_and_stream() -> None:
    service = OpenAIChatCompletion(
        ai_model_id=MODEL, async_client=AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
    )
    settings = OpenAIChatPromptExecutionSettings(max_tokens=24)
    history = ChatHistory()
    history.add_user_message(QUESTION)
    first = await service.get_chat_message_content(history, settings)
    history.add_message(first)
    history.add_user_message("Shorter")
    pieces = service.get_streaming_chat_message_content(history, settings)
    assert "".join([str(piece) async for piece in pieces])


run()
