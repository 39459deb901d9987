"""OpenAI's own client for Python."""

import json
import time

import openai
from pydantic import BaseModel

from checks import KEY, MODEL, POST_SCHEMA, QUESTION, ROOT, URL, WEATHER_SCHEMA, check, run, tone

api = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=60)
messages = [{"role": "user", "content": QUESTION}]
PLACE = "/v1/chat/completions"
tool = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}


class Post(BaseModel):
    emojis: bool
    likes: bool


@check
def chat_and_own_message_back() -> None:
    first = api.chat.completions.create(model=MODEL, messages=messages, max_tokens=24)
    history = [*messages, first.choices[0].message, {"role": "user", "content": "Shorter"}]
    second = api.chat.completions.create(model=MODEL, messages=history, max_tokens=16)
    assert second.choices[0].message.content
    history[1] = first.choices[0].message.model_dump()
    assert api.chat.completions.create(model=MODEL, messages=history, max_tokens=16).choices


@check
def stream_with_usage() -> None:
    stream = api.chat.completions.create(
        model=MODEL,
        messages=messages,
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[-1].usage is not None
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@check
def unknown_fields_are_named() -> None:
    raw = api.chat.completions.with_raw_response.create(
        model=MODEL, messages=messages, max_tokens=8, extra_body={"foo": 1, "min_p": 0.1}
    )
    assert "foo" in raw.headers["mobula-ignored"]
    assert "min_p" not in raw.headers["mobula-ignored"]


@check
def hints_and_long_outputs() -> None:
    answer = api.chat.completions.create(
        model=MODEL,
        messages=messages,
        max_tokens=4096,
        reasoning_effort="low",
        verbosity="low",
        service_tier="flex",
        store=True,
        stop=["\n\n"],
    )
    assert answer.choices[0].finish_reason in ("stop", "length")


@check
def json_schema() -> None:
    answer = api.chat.completions.create(
        model=MODEL,
        messages=messages,
        max_tokens=64,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "post", "schema": POST_SCHEMA, "strict": True},
        },
    )
    assert set(json.loads(answer.choices[0].message.content)) == {"tone", "emojis"}


@check
def parse_into_a_class() -> None:
    answer = api.chat.completions.parse(
        model=MODEL, messages=messages, max_tokens=64, response_format=Post
    )
    assert isinstance(answer.choices[0].message.parsed, Post)


@check
def tools_whole_loop() -> None:
    history = [{"role": "user", "content": "Weather in Rome?"}]
    first = api.chat.completions.create(
        model=MODEL, messages=history, tools=[tool], tool_choice="required", max_tokens=64
    )
    call = first.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments)["city"] in ("Paris", "Rome")
    history += [
        first.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    last = api.chat.completions.create(
        model=MODEL, messages=history, tools=[tool], tool_choice="none", max_tokens=16
    )
    assert last.choices[0].message.content


@check
def tools_streamed() -> None:
    stream = api.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        max_tokens=64,
        stream=True,
    )
    deltas = [c.choices[0].delta.tool_calls for c in stream if c.choices]
    calls = [call for each in deltas for call in each or ()]
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments or "" for call in calls))


@check
def responses() -> None:
    first = api.responses.create(model=MODEL, input=QUESTION, max_output_tokens=24)
    assert first.output_text
    second = api.responses.create(
        model=MODEL, input="Shorter", previous_response_id=first.id, max_output_tokens=24
    )
    assert second.output_text
    assert api.responses.retrieve(first.id).output_text == first.output_text
    api.responses.delete(first.id)


@check
def responses_streamed() -> None:
    with api.responses.stream(model=MODEL, input=QUESTION, max_output_tokens=400) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text


@check
def completions_with_lists() -> None:
    answer = api.completions.create(model=MODEL, prompt=["Good", "Bad"], max_tokens=4)
    assert [choice.index for choice in answer.choices] == [0, 1]


@check
def embeddings() -> None:
    answer = api.embeddings.create(model="minilm", input=["a", "b"], dimensions=384)
    assert [len(item.embedding) for item in answer.data] == [384, 384]


@check
def moderations() -> None:
    assert api.moderations.create(input="hello").results[0].flagged is False


@check
def azure_paths_and_key_header() -> None:
    azure = openai.AzureOpenAI(
        azure_endpoint=ROOT, api_key=KEY, api_version="2024-10-21", max_retries=0
    )
    answer = azure.chat.completions.create(model=MODEL, messages=messages, max_tokens=8)
    assert answer.choices[0].message.content


@check
def a_wrong_base_url_gets_a_hint() -> None:
    wrong = openai.OpenAI(base_url=ROOT, api_key=KEY, max_retries=0)
    try:
        wrong.chat.completions.create(model=MODEL, messages=messages)
    except openai.NotFoundError as error:
        assert "/v1/chat/completions" in str(error), str(error)
    else:
        raise AssertionError("no error")


@check
def files_and_batches() -> None:
    body = {"model": MODEL, "messages": messages, "max_tokens": 8}
    lines = [
        json.dumps({"custom_id": name, "method": "POST", "url": PLACE, "body": body})
        for name in ("a", "b")
    ]
    file = api.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = api.batches.create(input_file_id=file.id, endpoint=PLACE, completion_window="24h")
    for _ in range(300):
        if batch.status == "completed":
            break
        assert batch.status != "failed", batch.errors
        time.sleep(0.2)
        batch = api.batches.retrieve(batch.id)
    text = api.files.content(batch.output_file_id).text
    assert [json.loads(line)["custom_id"] for line in text.splitlines()] == ["a", "b"]
    assert api.batches.cancel(batch.id).status == "completed"
    assert batch.id in [each.id for each in api.batches.list(limit=1)]
    assert api.files.delete(file.id).deleted


@check
def transcriptions_of_a_recording_without_words() -> None:
    def transcribe(**options: object) -> object:
        file = ("tone.wav", tone())
        return api.audio.transcriptions.create(model="whisper-1", file=file, **options)

    assert transcribe().text == ""
    verbose = transcribe(response_format="verbose_json", timestamp_granularities=["word"])
    assert (verbose.text, verbose.words, round(verbose.duration)) == ("", [], 1)
    assert transcribe(response_format="vtt").strip() == "WEBVTT"
    assert [event.type for event in transcribe(stream=True)] == ["transcript.text.done"]
    english = api.audio.translations.create(model="whisper-1", file=("tone.wav", tone()))
    assert english.text == ""


@check
def bad_input_is_400() -> None:
    try:
        api.chat.completions.create(model=MODEL, messages=[])
    except openai.BadRequestError as error:
        assert error.param
    else:
        raise AssertionError("no error")


run()
