"""The real all-MiniLM-L6-v2 behind the Embedder contract."""

import asyncio
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from cluster.tenants.caller import Caller, Scope
from deployments.contracts.embedding import EmbedRequest, Vectors
from deployments.contracts.tokenization import TokenizeRequest
from deployments.model.embeddings.model_files import find_embedding_model
from deployments.model.embeddings.serving import EmbeddingModel, load_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec

CALLER = Caller("acme", "key", frozenset({Scope.GENERATE}))
MIXED = (
    "coffee",
    "A rooftop coffee bar opens on Friday, with live music until midnight.",
    "Kaffee auf dem Dach ☕️ – ab Freitag!",
    "屋上のコーヒーバー",
    "word " * 200,
)


@pytest.fixture(scope="module")
def minilm(engine: str, home: Path) -> EmbeddingModel:
    spec = EmbeddingSpec(id="minilm", matryoshka=(64,), engine=engine)
    return load_embedding_model(spec, home, SystemClock())


def wish(*texts: str, dimensions: int | None = None) -> EmbedRequest:
    return EmbedRequest("r", CALLER, "minilm", texts, timeout_s=60.0, dimensions=dimensions)


async def vectors(model: EmbeddingModel, *texts: str) -> Vectors:
    return (await model.embed(wish(*texts))).vectors


async def test_vectors_are_float32_of_length_one(minilm: EmbeddingModel) -> None:
    found = await minilm.embed(wish(*MIXED))

    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(MIXED), 384)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        (
            "Write a caption about a coffee shop",
            "Compose an Instagram post on a new café",
            "How do I reset my router password?",
        ),
        (
            "The dog is playing in the garden",
            "A puppy runs around the yard",
            "Interest rates rose by half a point",
        ),
        (
            "Our summer sale starts on Monday",
            "From Monday everything is cheaper this summer",
            "The recipe needs three eggs and some flour",
        ),
    ],
)
async def test_what_means_the_same_is_nearer(
    minilm: EmbeddingModel, text: str, near: str, far: str
) -> None:
    one, two, three = await vectors(minilm, text, near, far)

    assert one @ two > one @ three + 0.3


async def test_a_batch_gives_what_single_texts_give(minilm: EmbeddingModel) -> None:
    together = await vectors(minilm, *MIXED)
    alone = np.concatenate([await vectors(minilm, text) for text in MIXED])

    assert np.sum(together * alone, axis=1).min() > 0.99999


async def test_the_same_batch_gives_the_same_bits(minilm: EmbeddingModel) -> None:
    first, second = await vectors(minilm, *MIXED), await vectors(minilm, *MIXED)

    np.testing.assert_array_equal(first, second)


async def test_calls_at_the_same_time_get_their_own_vectors(minilm: EmbeddingModel) -> None:
    alone = [await vectors(minilm, text) for text in MIXED]
    together = await asyncio.gather(*(vectors(minilm, text) for text in MIXED))

    for one, other in zip(alone, together, strict=True):
        assert float((one @ other.T).item()) > 0.99999


async def test_tokens_are_those_of_the_models_tokenizer(minilm: EmbeddingModel) -> None:
    found = await minilm.embed(wish("hello world", "hello"))

    assert found.tokens == 4 + 3  # [CLS] hello world [SEP], [CLS] hello [SEP]


async def test_an_empty_text_is_refused(minilm: EmbeddingModel) -> None:
    with pytest.raises(InvalidRequest, match=r"input\.1 is empty"):
        await minilm.embed(wish("a", ""))


async def test_a_text_beyond_the_models_length_is_refused_not_cut(minilm: EmbeddingModel) -> None:
    await minilm.embed(wish("word " * 254))
    with pytest.raises(InvalidRequest, match=r"input\.1 has 257 tokens.* takes 256") as refused:
        await minilm.embed(wish("a", "word " * 255))

    assert refused.value.param == "input.1"


async def test_stated_sizes_are_cut_and_of_length_one_again(minilm: EmbeddingModel) -> None:
    whole = await minilm.embed(wish("coffee", dimensions=384))
    short = await minilm.embed(wish("coffee", dimensions=64))

    expected = whole.vectors[:, :64] / np.linalg.norm(whole.vectors[:, :64])
    np.testing.assert_allclose(short.vectors, expected, atol=1e-5)


async def test_other_sizes_are_refused_by_name(minilm: EmbeddingModel) -> None:
    with pytest.raises(UnsupportedParameter, match="'dimensions' is not supported.* 64, 384"):
        await minilm.embed(wish("coffee", dimensions=65))


async def test_token_ids_give_the_vector_of_their_text(minilm: EmbeddingModel) -> None:
    text = await minilm.embed(wish("A rooftop coffee bar", "hello"))
    asked = [
        TokenizeRequest("r", CALLER, "minilm", each) for each in ("A rooftop coffee bar", "hello")
    ]
    ids = [(await minilm.tokenization.tokenize(each)).ids for each in asked]
    request = EmbedRequest("r", CALLER, "minilm", (), token_ids=tuple(ids))

    found = await minilm.embed(request)

    np.testing.assert_allclose(found.vectors, text.vectors, atol=1e-5)
    assert found.tokens == text.tokens


async def test_ids_of_another_tokenizer_are_refused_by_place(minilm: EmbeddingModel) -> None:
    ids = ((101, 102), (101, 99_999))
    with pytest.raises(InvalidRequest, match=r"input\.1\.1 is token 99999; .* 30522") as refused:
        await minilm.embed(EmbedRequest("r", CALLER, "minilm", (), token_ids=ids))

    assert (refused.value.param, refused.value.extensions["limit"]) == ("input.1.1", 30_521)


async def test_too_many_ids_are_refused(minilm: EmbeddingModel) -> None:
    with pytest.raises(InvalidRequest, match=r"input\.0 has 257 tokens"):
        await minilm.embed(EmbedRequest("r", CALLER, "minilm", (), token_ids=((101,) * 257,)))


async def test_a_long_text_is_cut_where_that_is_asked_for(minilm: EmbeddingModel) -> None:
    long, cut = "word " * 400, "word " * 254
    request = EmbedRequest("r", CALLER, "minilm", (long, "x" * 80_000), truncate=True)

    found = await minilm.embed(request)

    assert found.vectors[0] @ (await vectors(minilm, cut))[0] > 0.99999


async def test_a_type_without_a_prompt_changes_nothing(minilm: EmbeddingModel) -> None:
    request = EmbedRequest("r", CALLER, "minilm", ("hello",), input_types=("search_query",))

    np.testing.assert_array_equal(
        (await minilm.embed(request)).vectors, await vectors(minilm, "hello")
    )


async def test_the_card_says_what_it_is(minilm: EmbeddingModel, engine: str) -> None:
    card = await minilm.card()

    assert card.engine == engine
    assert (card.id, card.source, card.context_length) == ("minilm", "minilm", 256)
    assert card.parameters == 22_713_728
    assert "embeddings" in card.capabilities


async def test_every_call_is_accounted_for(minilm: EmbeddingModel) -> None:
    load = await minilm.load()

    assert load.submitted == load.finished + load.cancelled + load.failed
    assert (load.running, load.waiting, load.handlers) == (0, 0, 0)


def test_the_revision_follows_the_pooling(tmp_path: Path) -> None:
    packaged = find_embedding_model(EmbeddingSpec(id="minilm"))
    for path in packaged.folder.rglob("*"):
        target = tmp_path / path.relative_to(packaged.folder)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    copied = EmbeddingSpec(id="copy", source=str(tmp_path))
    assert find_embedding_model(copied).revision

    before = find_embedding_model(copied).revision
    pooling = tmp_path / "1_Pooling" / "config.json"
    changed = {**json.loads(pooling.read_text()), "pooling_mode_cls_token": True}
    pooling.unlink()
    pooling.write_text(json.dumps(changed))

    assert find_embedding_model(copied).revision != before


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./neither"])
def test_a_folder_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find_embedding_model(EmbeddingSpec(id="lost", source=source))


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no modules\.json"):
        find_embedding_model(EmbeddingSpec(id="plain", source=str(tmp_path)))


async def test_answers_survive_pickling(minilm: EmbeddingModel) -> None:
    found = await minilm.embed(wish("hello", "world"))

    again = pickle.loads(pickle.dumps(found, protocol=5))

    assert (again.tokens, again.model) == (found.tokens, found.model)
    np.testing.assert_array_equal(again.vectors, found.vectors)
