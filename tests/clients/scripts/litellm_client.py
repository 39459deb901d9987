"""LiteLLM's SDK and its Router."""

import litellm
from pydantic import BaseModel

from checks import KEY, MODEL, QUESTION, URL, WEATHER_SCHEMA, check, run

messages = [{"role": "user", "content": QUESTION}]
settings = {"api_base": URL, "api_key": KEY, "max_tokens": 32, "num_retries": 0}
tool = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}


class Post(BaseModel):
    emojis: bool


@check
def completion_and_stream() -> None:
    for name in (f"openai/{MODEL}", f"hosted_vllm/{MODEL}"):
        assert litellm.completion(name, messages, **settings).choices[0].message.content
    assert list(litellm.completion(f"openai/{MODEL}", messages, stream=True, **settings))


@check
def tools() -> None:
    answer = litellm.completion(
        f"openai/{MODEL}", messages, tools=[tool], tool_choice="required", **settings
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"


@check
def response_format() -> None:
    answer = litellm.completion(f"openai/{MODEL}", messages, response_format=Post, **settings)
    assert Post.model_validate_json(answer.choices[0].message.content)


@check
def responses_and_anthropic_messages() -> None:
    by_responses = litellm.responses(
        input=QUESTION, model=f"openai/{MODEL}", api_base=URL, api_key=KEY, max_output_tokens=24
    )
    assert by_responses.output
    by_messages = litellm.completion(
        f"anthropic/{MODEL}",
        messages,
        api_base=URL.removesuffix("/v1"),
        api_key=KEY,
        max_tokens=24,
    )
    assert by_messages.choices[0].message.content


@check
def embedding() -> None:
    answer = litellm.embedding("openai/minilm", input=["a"], api_base=URL, api_key=KEY)
    assert len(answer.data[0]["embedding"]) == 384


@check
def moderation() -> None:
    answer = litellm.moderation("hello", model="rules", api_base=URL, api_key=KEY)
    assert answer.results


@check
def router_with_a_dead_deployment() -> None:
    entries = [
        {"model_name": "chat", "litellm_params": {"model": f"openai/{MODEL}", **settings}},
        {
            "model_name": "chat",
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": "http://127.0.0.1:9/v1",
                "api_key": "x",
            },
        },
    ]
    router = litellm.Router(model_list=entries, num_retries=3, cooldown_time=30)
    for _ in range(4):
        assert router.completion("chat", messages).choices[0].message.content


run()
