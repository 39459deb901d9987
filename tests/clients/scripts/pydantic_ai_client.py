"""Pydantic AI."""

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from checks import KEY, MODEL, QUESTION, URL, check, run

provider = OpenAIProvider(base_url=URL, api_key=KEY)
model = OpenAIChatModel(MODEL, provider=provider)
settings = ModelSettings(max_tokens=64)


class Post(BaseModel):
    emojis: bool


@check
def text() -> None:
    assert Agent(model, model_settings=settings).run_sync(QUESTION).output


@check
def output_type_by_tool() -> None:
    agent = Agent(model, output_type=ToolOutput(Post), model_settings=settings)
    assert isinstance(agent.run_sync(QUESTION).output, Post)


@check
def output_type_natively() -> None:
    agent = Agent(model, output_type=NativeOutput(Post), model_settings=settings)
    assert isinstance(agent.run_sync(QUESTION).output, Post)


@check
def responses_model() -> None:
    by_responses = OpenAIResponsesModel(MODEL, provider=provider)
    assert Agent(by_responses, model_settings=settings).run_sync(QUESTION).output


@check
async def stream() -> None:
    async with Agent(model, model_settings=settings).run_stream(QUESTION) as result:
        assert [piece async for piece in result.stream_text()]


run()
