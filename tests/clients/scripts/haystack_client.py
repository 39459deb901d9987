"""Haystack."""

from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

from checks import KEY, MODEL, QUESTION, URL, check, run

key = Secret.from_token(KEY)
weather = Tool(
    name="weather",
    description="The weather",
    parameters={
        "type": "object",
        "properties": {"celsius": {"type": "boolean"}},
        "required": ["celsius"],
        "additionalProperties": False,
    },
    function=lambda celsius: f"sunny {celsius}",
)


@check
def chat() -> None:
    generator = OpenAIChatGenerator(
        api_key=key, model=MODEL, api_base_url=URL, generation_kwargs={"max_tokens": 24}
    )
    first = generator.run([ChatMessage.from_user(QUESTION)])["replies"][0]
    history = [ChatMessage.from_user(QUESTION), first, ChatMessage.from_user("Shorter")]
    assert generator.run(history)["replies"][0].text


@check
def tools() -> None:
    generator = OpenAIChatGenerator(
        api_key=key,
        model=MODEL,
        api_base_url=URL,
        tools=[weather],
        generation_kwargs={"max_tokens": 48, "tool_choice": "required"},
    )
    assert generator.run([ChatMessage.from_user("Weather?")])["replies"][0].tool_calls


@check
def embedder() -> None:
    embedder = OpenAITextEmbedder(api_key=key, model="minilm", api_base_url=URL)
    assert len(embedder.run("hello")["embedding"]) == 384


run()
