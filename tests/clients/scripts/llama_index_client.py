"""LlamaIndex's client of servers like OpenAI's."""

from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from checks import KEY, MODEL, QUESTION, URL, check, run

settings = {"model": MODEL, "api_base": URL, "api_key": KEY, "max_retries": 0, "max_tokens": 48}
settings |= {"context_window": 1024}


class Post(BaseModel):
    """A post."""

    emojis: bool


@check
def chat() -> None:
    model = OpenAILike(**settings, is_chat_model=True)
    assert model.chat([ChatMessage(role="user", content=QUESTION)]).message.content
    assert list(model.stream_chat([ChatMessage(role="user", content=QUESTION)]))


@check
def complete() -> None:
    assert OpenAILike(**settings).complete("Good coffee is").text


@check
def structured_output_by_functions() -> None:
    model = OpenAILike(**settings, is_chat_model=True, is_function_calling_model=True)
    structured = model.as_structured_llm(Post)
    answer = structured.chat([ChatMessage(role="user", content=QUESTION)])
    assert isinstance(answer.raw, Post)


run()
