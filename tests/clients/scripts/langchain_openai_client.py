"""LangChain's integration of OpenAI."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from checks import KEY, MODEL, POST_SCHEMA, QUESTION, URL, check, run

chat = ChatOpenAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=0, max_tokens=64)


class Post(BaseModel):
    """A post."""

    emojis: bool


@tool
def weather(celsius: bool) -> str:
    """The weather."""
    return f"sunny {celsius}"


@check
def invoke_and_stream() -> None:
    assert chat.invoke(QUESTION).content
    assert "".join(chunk.content for chunk in chat.stream(QUESTION))


@check
def structured_output_by_default() -> None:
    assert isinstance(chat.with_structured_output(Post).invoke(QUESTION), Post)


@check
def structured_output_by_function_calling() -> None:
    structured = chat.with_structured_output(Post, method="function_calling")
    assert isinstance(structured.invoke(QUESTION), Post)


@check
def structured_output_by_json_mode() -> None:
    schema = chat.bind(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "post", "schema": POST_SCHEMA},
        }
    )
    assert schema.invoke(QUESTION).content.startswith("{")


@check
def tools_whole_loop() -> None:
    history = [HumanMessage("Weather in Rome?")]
    first = chat.bind_tools([weather], tool_choice="any").invoke(history)
    call = first.tool_calls[0]
    history += [first, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert chat.bind_tools([weather], tool_choice="none").invoke(history).content


@check
def responses_api() -> None:
    by_responses = ChatOpenAI(
        model=MODEL, base_url=URL, api_key=KEY, max_retries=0, use_responses_api=True
    )
    assert by_responses.invoke(QUESTION).text


@check
def completions_of_two_prompts() -> None:
    model = OpenAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=0, max_tokens=8)
    assert len(model.generate(["Good", "Bad"]).generations) == 2


@check
def embeddings_of_texts() -> None:
    embeddings = OpenAIEmbeddings(
        model="minilm", base_url=URL, api_key=KEY, check_embedding_ctx_length=False
    )
    assert len(embeddings.embed_query("hello")) == 384


run()
