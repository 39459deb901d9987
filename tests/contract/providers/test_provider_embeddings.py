"""Embedding models of providers over a real connection."""

import json
from typing import Any

import numpy as np
import pytest

from cluster.resilience.failure_class import UpstreamFailed
from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.providers.provider_embedder import ProviderEmbedder
from tests.contract.providers.calls import provider_models
from tests.upstream_server.content_faults import text
from tests.upstream_server.requests import CALLER
from tests.upstream_server.server import UpstreamServer


def settings(upstream: UpstreamServer, **more: Any) -> dict[str, Any]:
    return {"id": "e", "engine": "openai", "base_url": upstream.url, "source": "up", **more}


async def embed(served: ProviderEmbedder, *texts: str, **fields: Any) -> Embeddings:
    return await served.embed(EmbedRequest("r", CALLER, "e", texts, **fields))


async def test_a_vector_for_each_text_in_their_order(upstream: UpstreamServer) -> None:
    async with provider_models(embeddings=(settings(upstream),)) as providers:
        found = await embed(providers.embedders["e"], "one", "two")

    assert found.vectors.dtype == np.float32
    assert found.vectors[:, 0].tolist() == [0.0, 1.0], "the upstream begins with the number"
    assert found.tokens > 0


async def test_many_texts_go_in_several_calls(upstream: UpstreamServer) -> None:
    async with provider_models(embeddings=(settings(upstream, batch=2),)) as providers:
        found = await embed(providers.embedders["e"], "a", "b", "c", "d", "e")

    assert found.vectors.shape[0] == 5
    assert [len(request.json["input"]) for request in upstream.requests] == [2, 2, 1]


async def test_shorter_vectors_are_asked_for_where_the_model_has_them(
    upstream: UpstreamServer,
) -> None:
    async with provider_models(
        embeddings=(settings(upstream), settings(upstream, id="d", dimensions=True))
    ) as providers:
        with pytest.raises(UnsupportedParameter):
            await embed(providers.embedders["e"], "one", dimensions=4)
        await embed(providers.embedders["d"], "one", dimensions=4)

    assert upstream.requests[-1].json["dimensions"] == 4


def rows(*vectors: Any, **more: Any) -> bytes:
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json.dumps({"data": data, **more}).encode()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", rows(), rows([1.0]), rows([1.0], [1.0, 2.0]), rows([], []),
     rows([1e300], [1.0]), rows(["a"], ["b"]), rows("!", "!"), rows("AAA=", "AAAA"),
     rows([1.0], [1.0], [1.0]), b'{"error": {"message": "no"}}',
     b'{"data": [{"embedding": [1], "index": 0}, {"embedding": [1], "index": 0}]}'],
)  # fmt: skip
async def test_what_are_no_vectors_for_the_texts_is_refused(
    upstream: UpstreamServer, body: bytes
) -> None:
    upstream.default = text(body)
    once = {"resilience": {"retries": 0}}
    async with provider_models(embeddings=(settings(upstream, **once),)) as providers:
        with pytest.raises(UpstreamFailed):
            await embed(providers.embedders["e"], "one", "two")


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -4}, {"prompt_tokens": 10**9}, "x"])
async def test_tokens_that_are_not_told_or_absurd_are_estimated(
    upstream: UpstreamServer, usage: Any
) -> None:
    upstream.default = text(rows([1.0], usage=usage))
    async with provider_models(embeddings=(settings(upstream),)) as providers:
        found = await embed(providers.embedders["e"], "x" * 40)

    assert found.tokens == 10


async def test_vectors_in_base64_are_read(upstream: UpstreamServer) -> None:
    upstream.default = text(rows("AACAPwAAAEA="))
    async with provider_models(embeddings=(settings(upstream),)) as providers:
        found = await embed(providers.embedders["e"], "one")

    assert found.vectors.tolist() == [[1.0, 2.0]]
