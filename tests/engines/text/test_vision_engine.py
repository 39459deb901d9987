"""A tiny model that takes pictures, over transformers, from a request to its text."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Draining, InvalidRequest, UnsupportedParameter
from cluster.tenants.caller import Caller
from deployments.contracts.generation import (
    Completion,
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
    Tool,
    ToolSettings,
)
from deployments.contracts.images import DecodedImage
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import TextModel
from tests.engines.text.tiny_vision_model import IMAGE_TOKEN, IMAGE_TOKENS, make_tiny_vision_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER = Caller("t", "k", frozenset())


def picture(red: int, green: int, blue: int, width: int = 40, height: int = 30) -> DecodedImage:
    pixels = bytes((red, green, blue)) * (width * height)
    return DecodedImage(width, height, bytes((red, green, blue)), pixels)


RED, BLUE = picture(255, 0, 0), picture(0, 0, 255)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TextModel]:
    folder = make_tiny_vision_model(tmp_path_factory.mktemp("tiny-vision"))
    spec = ModelSpec(id="tiny", engine="transformers", source=str(folder), max_image_edge=96)
    loaded = await load_text_model(spec, Path("unused"), SystemClock())
    yield loaded
    await loaded.close()


def request(
    *images: DecodedImage, text: str = "what is it?", places: tuple[int, ...] = (), **fields: object
) -> GenerateRequest:
    places = places or (0,) * len(images)
    return GenerateRequest(
        "r",
        CALLER,
        "tiny",
        Sampling(max_tokens=8, temperature=0.0),
        messages=(Message("user", text, images=places),),
        images=images,
        **fields,  # type: ignore[arg-type]
    )


async def ask(model: TextModel, *images: DecodedImage, **fields: object) -> Completion:
    return await model.generate(request(*images, **fields))  # type: ignore[arg-type]


async def test_the_card_says_that_it_takes_pictures(model: TextModel) -> None:
    card = model.card()

    assert "images" in card.capabilities
    assert card.max_image_edge == 96


async def test_what_it_sees_changes_what_it_writes(model: TextModel) -> None:
    red, again, blue, nothing = [
        (await ask(model, *images)).choices[0].text for images in ([RED], [RED], [BLUE], [])
    ]

    assert red == again
    assert len({red, blue, nothing}) == 3


async def test_a_picture_counts_as_its_tokens(model: TextModel) -> None:
    one, two, three = [
        (await ask(model, *[RED] * count)).usage.prompt_tokens for count in (1, 2, 3)
    ]

    assert (two - one, three - two) == (IMAGE_TOKENS, IMAGE_TOKENS)


async def test_a_stream_writes_the_same(model: TextModel) -> None:
    whole = await ask(model, RED)
    async with aclosing(model.stream(request(RED))) as chunks:
        streamed = "".join([chunk.text async for chunk in chunks])

    assert streamed == whole.choices[0].text


async def test_requests_that_come_together_get_their_own_answers(model: TextModel) -> None:
    alone = [(await ask(model, image)).choices[0].text for image in (RED, BLUE)]
    together = await asyncio.gather(ask(model, RED), ask(model, BLUE), ask(model, RED))

    assert [each.choices[0].text for each in together] == [alone[0], alone[1], alone[0]]


async def test_a_text_cannot_write_the_placeholder_of_a_picture(model: TextModel) -> None:
    forged = await ask(model, text=f"{IMAGE_TOKEN}what is it?")
    plain = await ask(model, text="what is it?")

    assert forged.usage.prompt_tokens == plain.usage.prompt_tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_settings": ToolSettings((Tool("f"),))},
        {"output_format": OutputFormat("regex", "a+")},
    ],
)
async def test_what_does_not_go_with_pictures_is_refused_by_name(
    model: TextModel, fields: dict[str, object]
) -> None:
    with pytest.raises(UnsupportedParameter):
        await ask(model, RED, **fields)


async def test_too_many_pictures_for_the_context_are_refused(model: TextModel) -> None:
    with pytest.raises(InvalidRequest, match="takes 256"):
        await ask(model, *[RED] * 16)


async def test_a_stream_that_is_left_frees_the_engine(model: TextModel) -> None:
    stream = model.stream(request(RED))
    await anext(stream)
    await stream.aclose()
    await ask(model, BLUE)
    stats = model.engine.stats()

    assert stats.submitted == stats.finished + stats.cancelled + stats.failed
    assert stats.handlers == 0
    assert stats.cancelled >= 1


async def test_a_model_of_text_refuses_pictures(tmp_path: Path) -> None:
    echo = await load_text_model(ModelSpec(id="echo", engine="echo"), tmp_path, SystemClock())
    try:
        with pytest.raises(UnsupportedParameter, match="takes no pictures"):
            await echo.generate(request(RED))
    finally:
        await echo.close()


async def test_when_it_stops_open_sequences_end(tmp_path: Path) -> None:
    folder = make_tiny_vision_model(tmp_path)
    spec = ModelSpec(id="tiny", engine="transformers", source=str(folder))
    model = await load_text_model(spec, tmp_path, SystemClock())
    stream = model.stream(request(RED))
    await anext(stream)
    await model.close()

    with pytest.raises(Draining):
        [chunk async for chunk in stream]
