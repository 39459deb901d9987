"""One embedding model for many calls: what is sent together, and what is remembered."""

import asyncio
from typing import Any

import numpy as np
import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import ModelFailed
from cluster.tenants.caller import Caller
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.text_analysis import AnalyzeRequest
from deployments.text import embedding as module
from deployments.text.embedding import BatchedEmbedder


class Model:
    """Its vectors are as long as their texts."""

    def __init__(self) -> None:
        self.requests: list[EmbedRequest] = []
        self.error: Exception | None = None

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        rows = np.array([[len(text), 0.0] for text in request.texts], dtype=np.float32)
        return Embeddings(rows, len(rows), request.model)


def request(tenant: str = "acme", **more: Any) -> AnalyzeRequest:
    return AnalyzeRequest("id", Caller(tenant, "key", frozenset()), ("a",), ("topics",), **more)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def batches(model: Model) -> BatchedEmbedder:
    return BatchedEmbedder(model, "minilm", SystemClock())


async def test_calls_at_once_are_one_call_of_the_model(
    model: Model, batches: BatchedEmbedder
) -> None:
    first, second = await asyncio.gather(
        batches.of(request()).embed(["long text", "b"]),
        batches.of(request()).embed(["b", "short"]),
    )
    assert [each.texts for each in model.requests] == [("b", "short", "long text")]
    assert model.requests[0].truncate
    assert first.shape == second.shape == (2, 2)
    assert np.allclose(np.linalg.norm(first, axis=1), 1)


async def test_a_vector_is_remembered_for_its_tenant_only(
    model: Model, batches: BatchedEmbedder
) -> None:
    for tenant in ("acme", "acme", "other"):
        await batches.of(request(tenant)).embed(["same"])
    assert [each.caller.tenant for each in model.requests] == ["acme", "other"]


async def test_a_failure_is_raised_and_not_remembered(
    model: Model, batches: BatchedEmbedder
) -> None:
    model.error = ModelFailed("minilm")
    with pytest.raises(ModelFailed):
        await batches.of(request()).embed(["same"])
    model.error = None
    assert len(await batches.of(request()).embed(["same"])) == 1


async def test_a_caller_that_leaves_ends_nothing_for_others(
    model: Model, batches: BatchedEmbedder
) -> None:
    leaving = asyncio.create_task(batches.of(request()).embed(["same"]))
    await asyncio.sleep(0)
    staying = asyncio.create_task(batches.of(request()).embed(["same"]))
    leaving.cancel()
    assert len(await staying) == 1
    assert len(model.requests) == 1


async def test_memory_is_bounded(
    model: Model, batches: BatchedEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    await batches.of(request()).embed(["a", "bb", "ccc"])
    await batches.of(request()).embed(["a"])
    assert [each.texts for each in model.requests] == [("a", "bb", "ccc"), ("a",)]
