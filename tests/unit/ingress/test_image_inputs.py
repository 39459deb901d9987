"""Who gets pictures, in which form, and how often they are read."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Deadline, SystemClock
from cluster.runtime.problems import UnsupportedParameter
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import Plan
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.contracts.generation import GenerateRequest, Message, ModelCard, Sampling
from deployments.contracts.images import (
    DecodedImage,
    ImageSource,
    ReadImages,
    ReadImagesRequest,
)
from deployments.images.errors import ImagesUnavailable
from deployments.ingress.context import AdmittedRequest, ModelWaitTimer
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.image_inputs import ImageInputs, moved_places

CLOCK = SystemClock()
CALLER = Caller("acme", "key", frozenset())


@dataclass
class LocalModel:
    """A model whose card says what it takes."""

    id: str
    capabilities: frozenset[str] = frozenset()

    async def card(self) -> ModelCard:
        edge = 640 if self.capabilities else 0
        return ModelCard(
            *(self.id, "e", "s", "r", 100, 0), capabilities=self.capabilities, max_image_edge=edge
        )


class ProviderModel(LocalModel):
    is_external = True


@dataclass
class Reader:
    requests: list[ReadImagesRequest] = field(default_factory=list)

    async def read_images(self, request: ReadImagesRequest) -> ReadImages:
        self.requests.append(request)
        await asyncio.sleep(0)
        return ReadImages(
            tuple([DecodedImage(1, 1, each.encoded.encode()) for each in request.sources])
        )


EYES = frozenset({"images"})
MODELS: dict[str, Any] = {
    "blind": LocalModel("blind"),
    "local": LocalModel("local", EYES),
    "mixed": LocalModel("mixed", EYES),
    "remote": ProviderModel("remote", EYES),
}


@pytest.fixture
def models() -> ModelRegistry:
    fallback = {"mixed": ResilienceSpec(fallback=("remote", "blind"))}
    return ModelRegistry(MODELS, CLOCK, resilience=fallback)


@pytest.fixture
def reader() -> Reader:
    return Reader()


def admitted() -> AdmittedRequest:
    permit: Any = None
    return AdmittedRequest(
        *("req", CALLER, Plan(id="default"), Deadline(CLOCK.monotonic() + 30, CLOCK), 0),
        *(Priority.STANDARD, NO_DIRECTIVES, ModelWaitTimer(CLOCK)),
        permit=permit,
    )


def request(model: str, *sources: ImageSource) -> GenerateRequest:
    sources = sources or (ImageSource("p", encoded="a"),)
    messages = (Message("user", "look", images=(0,) * len(sources)),)
    return GenerateRequest("r", CALLER, model, Sampling(), messages, image_sources=sources)


@pytest.mark.parametrize(
    ("model", "forms"),
    [("local", (True, False)), ("remote", (False, True)), ("mixed", (True, True))],
)
async def test_models_of_the_cluster_get_pixels_and_providers_jpegs(
    models: ModelRegistry, reader: Reader, model: str, forms: tuple[bool, bool]
) -> None:
    read = await ImageInputs(models, reader).read(request(model), admitted())

    [reading] = reader.requests
    assert (reading.as_pixels, reading.as_jpeg) == forms
    assert reading.max_edge == 640
    assert (len(read.images), read.image_sources) == (1, ())


async def test_what_one_request_shows_several_times_is_read_once(
    models: ModelRegistry, reader: Reader
) -> None:
    inputs, caller = ImageInputs(models, reader), admitted()

    await asyncio.gather(*[inputs.read(request("local"), caller) for _ in range(3)])

    assert len(reader.requests) == 1


async def test_providers_get_many_pictures_in_several_readings(
    models: ModelRegistry, reader: Reader
) -> None:
    sources = [ImageSource("p", encoded=str(number)) for number in range(6)]

    read = await ImageInputs(models, reader).read(request("remote", *sources), admitted())

    assert [len(each.sources) for each in reader.requests] == [4, 2]
    assert [image.digest for image in read.images] == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_what_is_behind_a_reference_may_change_so_bytes_alone_answer_nothing(
    models: ModelRegistry, reader: Reader
) -> None:
    inline, by_url = admitted(), admitted()

    await ImageInputs(models, reader).read(request("local"), inline)
    source = ImageSource("p", url="https://x.test/a.png")
    await ImageInputs(models, reader).read(request("local", source), by_url)

    assert (inline.is_repeatable, by_url.is_repeatable) == (True, False)


async def test_a_model_that_takes_none_names_those_that_do(
    models: ModelRegistry, reader: Reader
) -> None:
    await models.cards()

    with pytest.raises(
        UnsupportedParameter, match="'blind' takes no pictures; models that do: local"
    ):
        await ImageInputs(models, reader).read(request("blind"), admitted())
    assert reader.requests == []


async def test_without_a_reader_it_is_501(models: ModelRegistry) -> None:
    with pytest.raises(ImagesUnavailable, match="media"):
        await ImageInputs(models).read(request("local"), admitted())


async def test_the_wait_for_pictures_is_no_work_of_the_ingress(
    models: ModelRegistry, reader: Reader
) -> None:
    caller = admitted()

    await ImageInputs(models, reader).read(request("local"), caller)

    assert [name for name, *_ in caller.timer.stages or ()] == ["images"]
    assert caller.timer.waited_s() > 0


@pytest.mark.parametrize(
    ("before", "after", "places", "moved"),
    [
        ("call 555 now", "call [phone] now", (0, 5, 8, 12), (0, 5, 12, 16)),
        ("a 1 b 2 c", "a [x] b [y] c", (0, 2, 5, 9), (0, 2, 11, 13)),
        ("same", "same", (0, 2, 4), (0, 2, 4)),
        ("gone", "", (0, 4), (0, 0)),
        ("aaaa", "aa", (1, 4), (1, 2)),
    ],
)
def test_pictures_stay_in_order_beside_words_that_a_guardrail_changed(
    before: str, after: str, places: tuple[int, ...], moved: tuple[int, ...]
) -> None:
    result = moved_places(before, after, places)

    assert result == moved
    assert list(result) == sorted(result)
