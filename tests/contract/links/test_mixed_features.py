"""Ingress and model replicas of different versions side by side: features, versions of frames.

Each pair agrees on what both offer; a pair that cannot, goes by handle.
"""

import asyncio
from collections import Counter
from contextlib import aclosing
from dataclasses import replace

import pytest

from deployments.clients.link.options import ACCEPT, FEATURES, JOIN, LinkOptions
from deployments.contracts.links import LinkOffer
from tests.cluster.polling import eventually
from tests.contract.links.linked_models import LinkedModel
from tests.contract.links.scripted_replica import ScriptedReplica, request

ACCEPTS, JOINS, NONE = frozenset({ACCEPT}), frozenset({JOIN}), frozenset[str]()
FEATURE_SETS = (FEATURES, ACCEPTS, JOINS, NONE)
WORDS = 40


def offering(features: frozenset[str]) -> LinkOptions:
    return LinkOptions(features=features)


def agreed(model: LinkedModel, replica: str) -> frozenset[str] | None:
    """The features of the link to a replica; None: there is none."""
    connection = model.pool.find(replica)
    return None if connection is None else connection._state.features


@pytest.mark.parametrize("ours", FEATURE_SETS)
async def test_replicas_of_different_features_serve_side_by_side(ours: frozenset[str]) -> None:
    theirs = dict(zip("abcd", FEATURE_SETS, strict=True))
    options = {name: offering(features) for name, features in theirs.items()}
    model = LinkedModel(*theirs, ours=offering(ours), theirs=options)
    await model.start()
    try:
        for name, features in theirs.items():
            assert agreed(model, name) == ours & features
        calls = [model.text.generate(request("hello")) for _ in range(40)]
        streams = [read(model) for _ in range(40)]
        answers = await asyncio.gather(*calls, *streams)
        assert set(answers[40:]) == set(theirs)
        assert model.pool.stats().by_handle == 0
    finally:
        await model.close()


async def read(model: LinkedModel) -> str:
    """The replica that gave a whole stream."""
    async with aclosing(model.text.stream(request(f"{WORDS} words"))) as chunks:
        texts = [chunk.text async for chunk in chunks]
    assert texts[:-1] == [f"{number} " for number in range(WORDS)]
    return texts[-1]


class Load:
    """Whole answers and streams of one ingress, one after the other, until it is stopped."""

    def __init__(self, model: LinkedModel) -> None:
        self.answered: Counter[str] = Counter()  # by replica
        self._model = model
        self._stopped = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask(number % 2 == 0)) for number in range(6)]

    async def goes_on(self, *replicas: str) -> None:
        """Until each of them has answered some more."""
        before = self.answered.copy()
        await eventually(lambda: all(self.answered[n] >= before[n] + 5 for n in replicas))

    async def stop(self) -> None:
        """Raises what a request raised."""
        self._stopped.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self, streams: bool) -> None:
        while not self._stopped.is_set():
            if streams:
                self.answered[await read(self._model)] += 1
            else:
                whole = await self._model.text.generate(request("hello"))
                self.answered[whole.choices[0].text.split(":")[0]] += 1


async def test_a_roll_between_two_ingress_and_two_model_replicas_fails_nothing() -> None:
    """Every pair of the four agrees on something else, before, during and after."""
    theirs = {"a": offering(FEATURES), "b": offering(JOINS)}
    first = LinkedModel("a", "b", ours=offering(ACCEPTS), theirs=theirs)
    second = LinkedModel(ours=offering(FEATURES), beside=first)
    models = [first, second]
    for model in models:
        await model.start()
    assert [agreed(first, name) for name in "ab"] == [ACCEPTS, NONE]
    assert [agreed(second, name) for name in "ab"] == [FEATURES, JOINS]
    loads = [Load(model) for model in models]

    def by_handle() -> list[int]:
        return [model.pool.stats().by_handle for model in models]

    async def serve(*names: str) -> None:
        """What the routers tell: these replicas, and no other."""
        for model in models:
            model.list(*names)
        await eventually(lambda: all(model.pool.stats().links == len(names) for model in models))
        before = by_handle()
        for load in loads:
            await load.goes_on(*names)
        assert by_handle() == before

    await serve("a", "b")
    first.replicas["c"], theirs["c"] = ScriptedReplica("c"), offering(NONE)
    await serve("a", "b", "c")
    await serve("b", "c")
    await eventually(lambda: first.endpoints["a"].offers == 0)
    del first.replicas["a"]
    first.replicas["d"], theirs["d"] = ScriptedReplica("d"), offering(ACCEPTS)
    await serve("b", "c", "d")
    await serve("c", "d")
    await eventually(lambda: first.endpoints["b"].offers == 0)
    del first.replicas["b"]

    third = LinkedModel(ours=offering(ACCEPTS), beside=first)
    await third.start()
    assert [agreed(third, name) for name in "cd"] == [NONE, ACCEPTS]
    models.append(third)
    loads.append(Load(third))
    await serve("c", "d")
    for model, load in zip(models, loads, strict=True):
        await load.stop()
        assert model.outstanding == 0
        await model.pool.close()
    await first.close()
    assert first.running == 0


async def test_a_replica_of_another_version_of_frames_serves_beside_others() -> None:
    """By handle, and each gets its share."""

    def of_tomorrow(offer: LinkOffer) -> LinkOffer:
        return replace(offer, version=offer.version + 1)

    model = LinkedModel("a", "b", theirs={"a": offering(NONE)})
    model.through["b"] = of_tomorrow
    await model.start(linked=False)
    try:
        await eventually(lambda: model.pool.stats().links == 1 and model.pool.stats().failed > 0)
        load = Load(model)
        await load.goes_on("a", "b")
        await load.stop()
        assert model.handle.calls >= load.answered["b"] > 0
        assert model.outstanding == model.running == 0
    finally:
        await model.close()
