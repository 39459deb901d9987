"""Each operation over HTTP: answers as values, streams, refusals as the problems they are."""

from typing import Any

import pytest
from starlette.types import ASGIApp

from cluster.runtime import problems
from mobula_client import (
    InvalidRequest,
    Malformed,
    ModelFailed,
    Overloaded,
    Problem,
    PromptTooLong,
    Unauthenticated,
    UnknownModel,
)
from tests.api.fakes import CONTEXT, LettersEmbedder, WordsModel
from tests.api.python_client.conftest import Client, MakeClient, call, transport_of


async def test_chat_answers_and_streams_the_same_text(mobula: Client) -> None:
    whole = await call(mobula, "chat", "hello", model="words")
    texts = await call(mobula, "stream_chat", "hello", model="words")

    assert whole.text == "".join(texts) == "one two three"
    assert (whole.finish_reason, whole.raw["usage"]["completion_tokens"]) == ("stop", 3)


async def test_chat_takes_messages_and_options(mobula: Client, model: WordsModel) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    answer = await call(mobula, "chat", messages, model="words", max_tokens=2, seed=None)

    assert answer.text == "one two"
    assert len(model.requests[0].messages) == 2


async def test_content_comes_ranked_streamed_and_in_batches(mobula: Client) -> None:
    caption = await call(mobula, "caption", "a garden", variants=2)
    post = await call(mobula, "post", draft="we opened a shop", platform="x")
    events = await call(mobula, "stream_caption", "a garden", variants=2)
    briefs = [{"topic": "tea"}, {"topic": "tea", "platform": "myspace"}]
    captions = await call(mobula, "caption_batch", briefs)
    posts = await call(mobula, "post_batch", briefs)

    assert caption.best == caption.variants[0] == caption.raw["variants"][0]["text"]
    assert post.raw["platform"] == "x"
    assert (events[0][0], events[-1][0]) == ("started", "completed")
    assert [result["status"] for result in captions] == ["ok", "failed"]
    assert [result["status"] for result in posts] == ["ok", "failed"]


async def test_one_vector_a_text(mobula: Client, embedder: LettersEmbedder) -> None:
    assert await call(mobula, "embed", ["a bad cab", "d"], model="letters") == [
        [3.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0],
    ]  # fmt: skip
    assert len(await call(mobula, "embed", "a", model="letters")) == 1


async def test_documents_are_ranked_and_texts_judged(mobula: Client) -> None:
    ranked = await call(mobula, "rerank", "tea", ["stones", {"text": "tea"}], model="cross")
    judged = await call(mobula, "moderate", ["I will kill you", "hello"])
    by_model = await call(mobula, "moderate", "spam", model="judge")

    assert [each["index"] for each in ranked] == [1, 0]
    assert ranked[0]["document"] == {"text": "tea"}
    assert [each["flagged"] for each in judged] == [True, False]
    assert by_model[0]["categories"]["spam"]


async def test_texts_are_analysed_and_summarized(mobula: Client) -> None:
    found = await call(mobula, "analyze_text", ["Hello #tea", ""], ["hashtags"])
    one = await call(mobula, "analyze_text", "Hello #tea", ["hashtags"], language="en")
    summary = await call(mobula, "summarize_text", "We open. Come by today, friends.", sentences=1)
    rewritten = await call(mobula, "rewrite_text", "We open today, friends.", tone="witty")
    translated = await call(mobula, "translate_text", "We open.", "de")

    assert [each["hashtags"]["value"]["tags"] for each in found] == [["tea"], []]
    assert one["hashtags"]["supported"]
    assert summary["text"] == "Come by today, friends."
    assert rewritten["object"] == "text.rewriting"
    assert translated["object"] == "text.translation"


async def test_texts_and_chats_become_tokens_and_text_again(mobula: Client) -> None:
    tokens = await call(mobula, "tokenize", "ab", model="words", add_special_tokens=False)
    chat = await call(mobula, "tokenize", [{"role": "user", "content": "b"}], model="words")

    assert (tokens, chat) == ([97, 98], [2, 98])
    assert await call(mobula, "detokenize", tokens, model="words") == "ab"


@pytest.mark.parametrize(
    ("method", "arguments", "options", "kind", "status"),
    [
        pytest.param("chat", ["hello"], {"model": "gpt-9"}, UnknownModel, 404, id="model"),
        pytest.param(
            "chat", ["word " * (CONTEXT + 1)], {"model": "words"}, PromptTooLong, 400, id="long"
        ),
        pytest.param("chat", ["hello"], {"model": "words", "n": 99}, Malformed, 400, id="field"),
        pytest.param("caption", ["tea"], {"platform": "myspace"}, InvalidRequest, 400, id="brief"),
        pytest.param("stream_chat", ["hello"], {"model": "gpt-9"}, UnknownModel, 404, id="stream"),
        pytest.param("caption_batch", [7], {}, Malformed, 422, id="no list"),
        pytest.param("chat", ["hello"], {"x": object()}, Malformed, 422, id="no JSON"),
    ],
)
async def test_a_refusal_is_raised_as_its_own_problem(
    mobula: Client, method: str, arguments: Any, options: Any, kind: type[Problem], status: int
) -> None:
    with pytest.raises(kind) as caught:
        await call(mobula, method, *arguments, **options)

    assert (type(caught.value), caught.value.status) == (kind, status)
    assert str(caught.value) == caught.value.detail


async def test_a_problem_names_the_field_and_the_request(mobula: Client) -> None:
    with pytest.raises(Malformed) as caught:
        await call(mobula, "chat", "hello", model="words", n=99)

    assert caught.value.param == "n"
    assert str(caught.value.request_id).startswith("req_")


async def test_a_forged_key_is_refused(make_client: MakeClient, app: ASGIApp) -> None:
    mobula = make_client(transport_of(app), "mob_forged")

    with pytest.raises(Unauthenticated):
        await call(mobula, "caption", "tea")
    with pytest.raises(Unauthenticated):
        await call(mobula, "chat", "hello")


@pytest.mark.parametrize(
    ("method", "options"), [("stream_chat", {"model": "words"}), ("stream_caption", {})]
)
async def test_a_stream_that_fails_raises_what_it_ended_with(
    mobula: Client, model: WordsModel, method: str, options: Any
) -> None:
    model.fail_after = 2

    with pytest.raises(ModelFailed):
        await call(mobula, method, "hello", **options)


async def test_an_overloaded_model_says_when_to_come_back(
    make_client: MakeClient, app: ASGIApp, model: WordsModel
) -> None:
    model.problem = problems.Overloaded("Too busy.", retry_after_s=7)

    with pytest.raises(Overloaded) as caught:
        await call(make_client(transport_of(app), timeout_s=5), "chat", "hello", model="words")
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan"), "1"])
def test_a_timeout_that_is_no_time_is_refused(
    make_client: MakeClient, app: ASGIApp, timeout_s: Any
) -> None:
    with pytest.raises(InvalidRequest):
        make_client(transport_of(app), timeout_s=timeout_s)
