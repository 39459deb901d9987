"""A model of two replicas behind each transport."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.links.linked_models import HandledModel, LinkedModel


@pytest.fixture(params=[LinkedModel, HandledModel], ids=["link", "serve"])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[LinkedModel | HandledModel]:
    served = request.param("a", "b")
    await served.start()
    yield served
    await served.close()
