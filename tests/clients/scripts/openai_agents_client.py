"""OpenAI Agents SDK, with its default (responses) and with the chat model."""

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from checks import KEY, MODEL, QUESTION, URL, check, run

set_tracing_disabled(True)
settings = ModelSettings(max_tokens=400)


def _client() -> AsyncOpenAI:
    """Of each check its own: a client belongs to one event loop."""
    return AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)


@function_tool
def weather(celsius: bool) -> str:
    """The weather."""
    return f"sunny {celsius}"


@check
def default_model() -> None:
    set_default_openai_client(_client())
    agent = Agent(name="Writer", model=MODEL, model_settings=settings)
    assert Runner.run_sync(agent, QUESTION).final_output


@check
async def default_model_streamed() -> None:
    set_default_openai_client(_client())
    agent = Agent(name="Writer", model=MODEL, model_settings=settings)
    result = Runner.run_streamed(agent, QUESTION)
    async for _ in result.stream_events():
        pass
    assert result.final_output


@check
def chat_model() -> None:
    model = OpenAIChatCompletionsModel(MODEL, _client())
    agent = Agent(name="Writer", model=model, model_settings=settings)
    assert Runner.run_sync(agent, QUESTION).final_output


@check
def tool_loop_ends_with_an_answer() -> None:
    set_default_openai_client(_client())
    forced = ModelSettings(max_tokens=400, tool_choice="required")
    agent = Agent(name="Writer", model=MODEL, tools=[weather], model_settings=forced)
    result = Runner.run_sync(agent, "Weather in Rome?", max_turns=4)
    assert result.final_output
    assert any("call" in type(item).__name__.lower() for item in result.new_items)


run()
