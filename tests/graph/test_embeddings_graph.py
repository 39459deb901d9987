"""Embeddings, ranking, analysis, tokens and moderation through the whole graph in Serve's local
testing mode, by the installed model."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.problems import InvalidRequest, UnknownModel
from cluster.runtime.settings import Settings
from graphs.app import build
from graphs.args import AppArgs

ARGS = {
    "models": [{"id": "echo", "engine": "echo"}],
    "embeddings": [{"id": "minilm"}],
    "moderation": {"rules": {"spam": ["buy now"]}},
    "video": {"enabled": False},
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBULA_HOME", str(home))
        key = bootstrap(home, Settings())
        assert key is not None
        yield key


@pytest.fixture(scope="module")
def handle(key: str) -> DeploymentHandle:
    return serve.run(build(AppArgs.model_validate(ARGS)), _local_testing_mode=True)


async def test_texts_become_vectors(handle: DeploymentHandle, key: str) -> None:
    body = orjson.dumps({"model": "minilm", "input": ["hello world", "hello"]})

    answer = await handle.call.remote(key, "embeddings", body, 30.0)

    assert [len(item["embedding"]) for item in answer["data"]] == [384, 384]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


async def test_problems_of_the_replica_keep_their_type(handle: DeploymentHandle, key: str) -> None:
    body = orjson.dumps({"model": "minilm", "input": "word " * 400})

    refusal = await handle.call.remote(key, "embeddings", body, 30.0)

    assert isinstance(refusal, InvalidRequest)
    assert "takes 256" in refusal.detail


async def test_documents_are_ranked(handle: DeploymentHandle, key: str) -> None:
    documents = ["Interest rates rose by half a point", "A café opens on the roof"]
    body = {"model": "minilm", "query": "coffee bar", "documents": documents, "top_n": 1}

    answer = await handle.call.remote(key, "rerank", orjson.dumps(body), 30.0)

    assert [each["index"] for each in answer["results"]] == [1]


async def test_texts_are_analysed_with_vectors_of_the_served_model(
    handle: DeploymentHandle, key: str
) -> None:
    texts = ["I love our new rooftop bar, it is wonderful!", "The food was horrible, I hate it."]
    asked = {"texts": texts, "operations": ["sentiment", "keywords", "hashtags"]}

    answer = await handle.call.remote(key, "analyze_text", orjson.dumps(asked), 30.0)

    results = [item["results"] for item in answer["items"]]
    labels = [each["sentiment"]["value"]["label"] for each in results]
    assert labels == ["positive", "negative"]
    assert "rooftop bar" in str(results[0]["keywords"]["value"])
    assert answer["usage"] == {"characters": sum(map(len, texts))}


@pytest.mark.parametrize("model", ["minilm", "echo"])
async def test_a_text_becomes_tokens_and_text_again(
    handle: DeploymentHandle, key: str, model: str
) -> None:
    asked = {"model": model, "prompt": "hello world", "add_special_tokens": False}
    answer = await handle.call.remote(key, "tokenize", orjson.dumps(asked), 30.0)
    ids = {"model": model, "tokens": answer["tokens"]}
    back = await handle.call.remote(key, "detokenize", orjson.dumps(ids), 30.0)

    assert answer["count"] == len(answer["tokens"]) > 0
    assert back == {"prompt": "hello world"}


async def test_texts_are_judged_by_the_rules_of_the_configuration(
    handle: DeploymentHandle, key: str
) -> None:
    body = orjson.dumps({"input": ["buy now", "hello"]})

    answer = await handle.call.remote(key, "moderations", body, 30.0)

    assert [each["flagged"] for each in answer["results"]] == [True, False]


async def test_a_text_model_does_not_embed(handle: DeploymentHandle, key: str) -> None:
    body = orjson.dumps({"model": "echo", "input": "hello"})

    refusal = await handle.call.remote(key, "embeddings", body, 30.0)

    assert isinstance(refusal, UnknownModel)
    assert "minilm" in refusal.detail


def test_an_id_names_one_model_of_either_kind() -> None:
    twice = {"models": [{"id": "same", "engine": "echo"}], "embeddings": [{"id": "same"}]}

    with pytest.raises(ValueError, match="each id may appear once; twice: same"):
        AppArgs.model_validate(twice)
