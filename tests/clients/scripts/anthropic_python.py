"""Anthropic's own client for Python."""

import anthropic

from checks import KEY, MODEL, QUESTION, ROOT, WEATHER_SCHEMA, check, run

api = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0, timeout=60)
messages = [{"role": "user", "content": QUESTION}]
tool = {"name": "weather", "description": "The weather", "input_schema": WEATHER_SCHEMA}


@check
def create() -> None:
    answer = api.messages.create(model=MODEL, messages=messages, max_tokens=24, system="Be kind")
    assert answer.content[0].text
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.usage.output_tokens > 0


@check
def own_content_back() -> None:
    first = api.messages.create(model=MODEL, messages=messages, max_tokens=24)
    history = [
        *messages,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "Shorter"},
    ]
    assert api.messages.create(model=MODEL, messages=history, max_tokens=16).content


@check
def stream() -> None:
    with api.messages.stream(model=MODEL, messages=messages, max_tokens=24) as events:
        text = "".join(events.text_stream)
        assert text == events.get_final_message().content[0].text


@check
def tools_whole_loop() -> None:
    first = api.messages.create(
        model=MODEL,
        messages=messages,
        tools=[tool],
        tool_choice={"type": "tool", "name": "weather"},
        max_tokens=64,
    )
    assert first.stop_reason == "tool_use"
    use = next(block for block in first.content if block.type == "tool_use")
    assert use.input["city"] in ("Paris", "Rome")
    history = [
        *messages,
        {"role": "assistant", "content": first.content},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}],
        },
    ]
    last = api.messages.create(
        model=MODEL, messages=history, tools=[tool], tool_choice={"type": "none"}, max_tokens=16
    )
    assert last.content


@check
def count_tokens() -> None:
    assert api.messages.count_tokens(model=MODEL, messages=messages).input_tokens > 5


@check
def list_models() -> None:
    assert MODEL in [model.id for model in api.models.list()]


run()
