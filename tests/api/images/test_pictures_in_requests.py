"""Pictures in the bodies of chats, responses, messages, captions and posts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.tenants.plan import Plan
from deployments.contracts.images import DecodedImage, ReadImages, ReadImagesRequest
from deployments.images.errors import ImageRefused
from deployments.ingress.http.app import create_app
from tests.api.fake_services import Fakes, services_over
from tests.api.fakes import Records, WordsModel
from tests.api.web import client_of

DATA = "data:image/png;base64,"
RED = {"type": "image_url", "image_url": {"url": DATA + "cmVk"}}
BLUE = {"type": "image_url", "image_url": {"url": DATA + "Ymx1ZQ==", "detail": "low"}}


class ColourReader:
    """Every picture is 30 x 20 pixels, whose digest is its base64."""

    def __init__(self) -> None:
        self.requests: list[ReadImagesRequest] = []

    async def read_images(self, request: ReadImagesRequest) -> ReadImages:
        self.requests.append(request)
        await asyncio.sleep(0)
        if any(source.encoded == "YmFk" for source in request.sources):
            raise ImageRefused(request.sources[0].param, "is damaged")
        return ReadImages(
            tuple(
                [
                    DecodedImage(30, 20, (each.encoded or each.url).encode(), b"\0" * 1_800)
                    for each in request.sources
                ]
            )
        )


@pytest.fixture
def reader() -> ColourReader:
    return ColourReader()


@pytest.fixture
def model() -> WordsModel:
    model = WordsModel()
    model.capabilities = frozenset({"images"})
    return model


@pytest.fixture
async def client(
    model: WordsModel, reader: ColourReader, records: Records, plan: Plan, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    fakes = Fakes(model, records=records, plan=plan, image_reader=reader)
    async with client_of(
        create_app(services_over(fakes, tmp_path, list[bytes]().append))
    ) as client:
        yield client


async def chat(client: httpx.AsyncClient, *parts: Any, **more: Any) -> httpx.Response:
    body = {"model": "words", "messages": [{"role": "user", "content": list(parts)}], **more}
    return await client.post("/v1/chat/completions", json=body)


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


async def test_pictures_stand_between_the_texts_as_they_were_sent(
    client: httpx.AsyncClient, model: WordsModel, reader: ColourReader
) -> None:
    response = await chat(client, text("this "), RED, text("or this?"), BLUE)

    assert response.status_code == 200
    [request] = model.requests
    [message] = request.messages
    assert (message.content, message.images) == ("this or this?", (5, 13))
    assert [image.digest for image in request.images] == [b"cmVk", b"Ymx1ZQ=="]
    assert request.image_sources == ()
    [reading] = reader.requests
    assert [source.detail for source in reading.sources] == ["auto", "low"]
    assert (reading.max_edge, reading.as_pixels, reading.as_jpeg) == (512, True, False)


async def test_pictures_are_counted_in_usage(client: httpx.AsyncClient, records: Records) -> None:
    await chat(client, text("what?"), RED, BLUE)
    await chat(client, text("what?"))

    assert [amounts.images for _, _, amounts in records.usage] == [2, 0]


async def test_a_stream_has_them_too(client: httpx.AsyncClient, model: WordsModel) -> None:
    response = await chat(client, text("what?"), RED, stream=True)

    assert "three" in response.text
    assert len(model.requests[0].images) == 1


async def test_a_model_without_eyes_refuses_by_the_field(
    client: httpx.AsyncClient, model: WordsModel, reader: ColourReader
) -> None:
    model.capabilities = frozenset()

    response = await chat(client, text("what?"), RED)

    error = response.json()["error"]
    assert response.status_code == 400
    assert error["param"].startswith("messages[0].content[1].image_url")
    assert "no pictures" in error["message"]
    assert "no model here does" in error["message"]
    assert (model.requests, reader.requests) == ([], [])


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"type": "image_url", "image_url": {"url": DATA + "YmFk"}}, "damaged"),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,AA=="}}, "svg"),
        ({"type": "image_url", "image_url": {"url": "cat.png"}}, "neither"),
        ({"type": "image_url", "image_url": {}}, "url or a file_id"),
        ({"type": "image_url", "image_url": {"file_id": "../a"}}, "not the id"),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, "no input_audio"),
    ],
)
async def test_what_is_no_picture_is_400_and_names_its_place(
    client: httpx.AsyncClient, model: WordsModel, part: dict[str, Any], why: str
) -> None:
    response = await chat(client, text("what?"), part)

    error = response.json()["error"]
    assert response.status_code == 400
    assert error["param"].startswith("messages[0].content[1]")
    assert why in error["message"]
    assert model.requests == []


async def test_only_users_show_pictures(client: httpx.AsyncClient) -> None:
    messages = [{"role": "assistant", "content": [RED]}, {"role": "user", "content": "so?"}]

    response = await client.post(
        "/v1/chat/completions", json={"model": "words", "messages": messages}
    )

    assert response.status_code == 400
    assert "user" in response.json()["error"]["message"]


async def test_more_than_twenty_are_refused(client: httpx.AsyncClient) -> None:
    response = await chat(client, *[RED] * 21)

    assert response.status_code == 400
    assert "20" in response.json()["error"]["message"]


async def test_responses_and_messages_take_them_in_their_own_form(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    parts = [
        {"type": "input_text", "text": "what?"},
        {"type": "input_image", "image_url": DATA + "cmVk", "detail": "high"},
    ]
    blocks = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cmVk"}},
        {"type": "image", "source": {"type": "url", "url": "https://pictures.test/a.png"}},
        {"type": "text", "text": "what?"},
    ]

    response = await client.post(
        "/v1/responses", json={"model": "words", "input": [{"role": "user", "content": parts}]}
    )
    message = await client.post(
        "/v1/messages",
        json={
            "model": "words",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": blocks}],
        },
    )

    assert (response.status_code, message.status_code) == (200, 200)
    first, second = model.requests
    assert (first.messages[0].content, first.messages[0].images) == ("what?", (5,))
    assert (second.messages[0].content, second.messages[0].images) == ("what?", (0, 0))
    digests = [image.digest for image in second.images]
    assert digests == [b"cmVk", b"https://pictures.test/a.png"]


async def test_counting_tokens_of_pictures_is_an_estimate(client: httpx.AsyncClient) -> None:
    blocks = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cmVk"}}
    ]
    counted = await client.post(
        "/v1/messages/count_tokens",
        json={"model": "words", "messages": [{"role": "user", "content": blocks}]},
    )

    assert counted.json() == {"input_tokens": 1_600, "estimated": True}


@pytest.mark.parametrize("route", ["captions", "posts"])
async def test_captions_and_posts_are_written_about_pictures(
    client: httpx.AsyncClient, model: WordsModel, reader: ColourReader, route: str
) -> None:
    body = {"images": [{"url": DATA + "cmVk"}], "variants": 3, "model": "words"}

    response = await client.post(f"/api/v1/{route}", json=body)

    assert response.status_code == 200
    assert len(model.requests) == 3
    assert len(reader.requests) == 1
    user = model.requests[0].messages[1]
    assert user.images == (0,)
    assert "what this picture shows" in user.content


async def test_a_picture_of_a_batch_that_cannot_be_used_fails_with_its_item(
    client: httpx.AsyncClient,
) -> None:
    items = [{"topic": "tea", "images": [{"url": "cat.png"}]}, {"topic": "tea", "variants": 1}]

    response = await client.post("/api/v1/captions/batch", json={"items": items})

    failed, written = response.json()["results"]
    assert (failed["status"], written["status"]) == ("failed", "ok")
    assert "items.0.images.0" in failed["error"]["detail"]
