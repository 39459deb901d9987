"""`/api/v1/text/...`: analysis whole and streamed, bad input, and what a model may say."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.tenants.units import UsageAmounts
from deployments.contracts.text_analysis import (
    MAX_CHARACTERS,
    MAX_TEXTS,
    AnalyzeRequest,
    TextAnalysis,
)
from deployments.ingress.http.app import create_app
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.schemas.text import AnalyzeTextResponse, TextWritingResponse
from deployments.text.analysis import text_operations
from tests.api.fake_services import Fakes, services_over
from tests.api.fakes import Records, WordsModel
from tests.api.web import client_of

ANALYZE, SUMMARIZE = "/api/v1/text/analyze", "/api/v1/text/summarize"
REWRITE, TRANSLATE = "/api/v1/text/rewrite", "/api/v1/text/translate"
POST = "Our rooftop bar opens on Friday! Book at hello@example.com #coffee"
QUICK = ["statistics", "language", "readability", "pii", "hashtags"]
FAMILIES = "👨‍👩‍👧" * 100
INVENTED = "The bar opens on Friday with 99 cakes by Ottolenghi."
LONG = "The bar opens on Friday. It has coffee and cake. The coffee comes from Peru. Bring friends."


async def analyze(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post(ANALYZE, json={"operations": QUICK, **body})


def parsed(answer: httpx.Response) -> AnalyzeTextResponse:
    return AnalyzeTextResponse.model_validate_json(answer.raise_for_status().content)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]


async def test_one_text_has_a_result_for_each_operation(
    client: httpx.AsyncClient, records: Records
) -> None:
    answer = parsed(await analyze(client, text=POST))

    assert answer.items is None
    assert answer.results is not None
    assert list(answer.results) == QUICK
    assert answer.results["language"].value["code"] == "en"
    [mail] = answer.results["pii"].spans or []
    assert (POST[mail.start : mail.end], mail.kind) == ("hello@example.com", "email")
    assert all(result.by.partition("@")[2] for result in answer.results.values())
    assert answer.usage.characters == len(POST)
    assert records.usage == [("acme", "text", UsageAmounts(characters=len(POST)))]
    assert records.lines[-1].action == "analyze_text"


async def test_many_texts_have_their_results_in_order(client: httpx.AsyncClient) -> None:
    answer = parsed(await analyze(client, texts=["", POST, "Hallo du, wie geht es dir heute?"]))

    assert answer.results is None
    assert answer.items is not None
    found = [item.results["language"].value for item in answer.items]
    assert found[0] is None
    assert [each["code"] for each in found[1:]] == ["en", "de"]


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_a_stream_has_one_event_an_operation_with_progress(
    client: httpx.AsyncClient, accept: str
) -> None:
    body = {"text": POST, "operations": QUICK}
    answer = await client.post(ANALYZE, json=body, headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(accept)
    if accept.endswith("ndjson"):
        events = [(line.pop("event"), line) for line in lines(answer)]
    else:
        blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
        events = [(name[7:], json.loads(data[6:])) for name, data in blocks]
    names = [name for name, _ in events]
    assert names == ["started", *["operation_result"] * len(QUICK), "completed"]
    results = {event["operation"]: event for name, event in events if "operation" in event}
    assert set(results) == set(QUICK)
    progress = [event["progress"] for name, event in events if name == "operation_result"]
    assert progress == [{"done": each + 1, "total": len(QUICK)} for each in range(len(QUICK))]
    assert results["hashtags"]["result"]["value"]["tags"] == ["coffee"]


class SlowAnalyzer:
    """Holds every call back until it is cancelled."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        self.open.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


async def test_a_client_that_leaves_ends_the_analysis(tmp_path: Path, records: Records) -> None:
    analyzer = SlowAnalyzer()
    fakes = Fakes(records=records, analyzer=analyzer)
    app = create_app(services_over(fakes, tmp_path, lambda line: None))
    async with client_of(app) as client:
        call = asyncio.create_task(analyze(client, text=POST, stream=True))
        await analyzer.open.wait()
        call.cancel()
        await asyncio.wait_for(analyzer.cancelled.wait(), 5)
    assert records.usage == []


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "", "text"),
        ({"text": POST, "texts": [POST]}, "", "text"),
        ({"texts": []}, "/texts", "1"),
        ({"texts": ["a"] * (MAX_TEXTS + 1)}, "/texts", "64"),
        ({"text": "a" * (MAX_CHARACTERS + 1)}, "/text", "100000"),
        ({"text": "a\x00b"}, "/text", "U+0000"),
        ({"texts": ["fine", "\x1b[2J"]}, "/texts/1", "U+001B"),
        ({"text": POST, "operations": ["mood"]}, "/operations/0", "statistics"),
        ({"text": POST, "operations": []}, "/operations", "1"),
        ({"text": POST, "options": {"entities": {}}}, "", "entities"),
        ({"text": POST, "options": {"mood": {}}}, "/options", "statistics"),
        ({"text": POST, "language": "English"}, "/language", "pattern"),
        ({"text": POST, "shoe": 1}, "/shoe", "permitted"),
        ({"text": 1}, "/text", "string"),
    ],
)
async def test_bad_bodies_are_refused_by_field(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str, words: str
) -> None:
    answer = await analyze(client, **body)

    assert answer.status_code == 422
    [fault, *_] = answer.json()["errors"]
    assert fault["pointer"].startswith(pointer)
    assert words in fault["detail"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"text": "\\ud800 alone", "operations": ["statistics"]}', 422),
        (b'{"text": "\xff", "operations": ["statistics"]}', 422),
        (b'{"text": "' + b"a" * (10 << 20) + b'"}', 413),
    ],
    ids=["lone surrogate", "not UTF-8", "a line of 10 MB"],
)
async def test_bytes_that_are_no_text_are_refused(
    client: httpx.AsyncClient, raw: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post(ANALYZE, content=raw, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🎉",
        "word " * (MAX_CHARACTERS // 5),
        "Привет мир καλημέρα 世界 hello",
        "\n\t\r\n",
        "👨‍👩‍👧" * 100,
    ],
    ids=["empty", "one emoji", "the longest", "mixed scripts", "space", "families"],
)
async def test_any_text_is_answered(client: httpx.AsyncClient, text: str) -> None:
    answer = parsed(await analyze(client, text=text))
    assert answer.results is not None
    assert all(result.supported or result.reason for result in answer.results.values())


async def test_what_is_not_installed_says_so_and_alone_it_is_501(
    client: httpx.AsyncClient,
) -> None:
    some = parsed(await analyze(client, text=POST, operations=["statistics", "keywords"]))
    assert some.results is not None
    assert not some.results["keywords"].supported
    assert "embeddings" in (some.results["keywords"].install or "")

    none = await analyze(client, text=POST, operations=["keywords"])
    assert none.status_code == 501
    assert none.json()["type"].endswith("not-installed")


async def test_a_language_that_is_not_known_is_not_judged(client: httpx.AsyncClient) -> None:
    answer = parsed(await analyze(client, text="今日はとても良い天気ですね。"))
    assert answer.results is not None
    assert not answer.results["readability"].supported
    assert "'ja'" in (answer.results["readability"].reason or "")


async def test_every_operation_is_documented_in_the_schema(openapi: dict[str, Any]) -> None:
    body = openapi["components"]["schemas"]["AnalyzeTextRequest"]["properties"]["operations"]
    assert body["items"]["enum"] == list(text_operations())


async def test_without_the_deployment_it_is_501(tmp_path: Path) -> None:
    services = services_over(Fakes(), tmp_path, lambda line: None)
    pipeline = AnalysisPipeline(None, services.embedding_pipeline, Records())
    app = create_app(replace(services, analysis_pipeline=pipeline))
    async with client_of(app) as client:
        answer = await analyze(client, text=POST)
    assert answer.status_code == 501
    assert "text.enabled" in answer.json()["install"]


def written(answer: httpx.Response) -> TextWritingResponse:
    return TextWritingResponse.model_validate_json(answer.raise_for_status().content)


async def test_a_summary_is_made_of_the_texts_own_sentences(client: httpx.AsyncClient) -> None:
    answer = written(await client.post(SUMMARIZE, json={"text": LONG, "sentences": 2}))

    assert answer.method == "extractive"
    assert answer.text == " ".join(span.text for span in answer.spans)
    assert [LONG[span.start : span.end] for span in answer.spans] == [
        span.text for span in answer.spans
    ]
    assert len(answer.spans) == 2
    assert answer.usage.total_tokens == 0


async def test_a_model_may_say_what_the_text_says(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["The", "bar", "opens", "on", "Friday", "with", "coffee", "from", "Peru."]
    answer = written(await client.post(SUMMARIZE, json={"text": LONG, "method": "model"}))

    assert (answer.method, answer.by, answer.fallback) == ("model", "words", None)
    assert answer.usage.completion_tokens > 0
    [request] = model.requests
    assert LONG in request.messages[-1].content


@pytest.mark.parametrize("path", [SUMMARIZE, REWRITE])
async def test_a_model_that_invents_is_answered_by_extraction(
    client: httpx.AsyncClient, model: WordsModel, path: str
) -> None:
    model.words = [
        "The",
        "bar",
        "opens",
        "on",
        "Friday",
        "with",
        "99",
        "cakes",
        "by",
        "Ottolenghi.",
    ]
    answer = written(await client.post(path, json={"text": LONG, "method": "model"}))

    assert answer.method == "extractive"
    assert answer.fallback is not None
    assert {span.text for span in answer.fallback.ungrounded} == {"99", "Ottolenghi"}
    assert "99" in answer.fallback.reason
    assert "99" not in (answer.text or "")


async def test_a_rewriting_is_asked_for_with_style_and_instruction(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["The", "bar", "opens", "on", "Friday!"]
    body = {"text": LONG, "tone": "witty", "instruction": "Use exclamation marks.", "stream": True}
    answer = await client.post(REWRITE, json=body)

    assert "event: completed" in answer.text
    assert '"method":"model"' in answer.text
    prompt = model.requests[0].messages[-1].content
    assert "Use exclamation marks." in prompt
    unknown = await client.post(REWRITE, json=body | {"style": "nobody's"})
    assert "allowed" in unknown.text


async def test_a_translation_keeps_numbers_and_addresses(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["Die", "Bar", "öffnet", "am", "Freitag."]
    body = {"text": "The bar opens on Friday.", "to": "de"}
    assert written(await client.post(TRANSLATE, json=body)).text == "Die Bar öffnet am Freitag."

    model.words = ["Die", "Bar", "öffnet", "um", "9", "am", "Freitag."]
    answer = written(await client.post(TRANSLATE, json=body))
    assert answer.text is None
    assert answer.fallback is not None
    assert [span.text for span in answer.fallback.ungrounded] == ["9"]
