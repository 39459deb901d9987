"""Classifiers with random weights behind the Classifier contract, on every engine."""

from pathlib import Path

import numpy as np
import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest
from cluster.tenants.caller import Caller, Scope
from deployments.contracts.classification import ClassifyRequest
from deployments.model.classification.serving import ClassifierModel, load_classifier
from deployments.model.classification.spec import ClassifierSpec
from tests.engines.encoders.small_models import make_classifier

CALLER = Caller("acme", "key", frozenset({Scope.GENERATE}))
LONG = "red green tea leaves stones . " * 20


def request(*texts: str, query: str | None = None, timeout_s: float = 60.0) -> ClassifyRequest:
    return ClassifyRequest("r", CALLER, "m", texts, query, timeout_s)


def load(folder: Path, home: Path, engine: str, **spec: object) -> ClassifierModel:
    settings = {"id": "m", "source": str(folder), "engine": engine, **spec}
    return load_classifier(ClassifierSpec.model_validate(settings), home, SystemClock())


@pytest.fixture(scope="module")
def ranking_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("ranking"), "LABEL_0")


@pytest.fixture(scope="module")
def judging_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judging")
    return make_classifier(folder, "insult", "violence", "clean", multi_label=True)


@pytest.fixture(scope="module")
def ranker(ranking_folder: Path, home: Path, engine: str) -> ClassifierModel:
    return load(ranking_folder, home, engine)


@pytest.fixture(scope="module")
def judge(judging_folder: Path, home: Path, engine: str) -> ClassifierModel:
    categories = {"insult": "harassment"}
    return load(judging_folder, home, engine, task="moderation", categories=categories)


async def test_pairs_get_the_scores_of_the_cross_encoder(
    ranker: ClassifierModel, ranking_folder: Path
) -> None:
    from sentence_transformers import CrossEncoder

    texts = ("red tea", "green leaves . stones", "knife")
    expected = CrossEncoder(str(ranking_folder), device="cpu").predict(
        [("green tea", text) for text in texts]
    )

    found = await ranker.classify(request(*texts, query="green tea"))

    np.testing.assert_allclose(found.scores[:, 0], expected, atol=1e-3)
    assert found.labels == ("relevance",)
    assert found.tokens == 3 * (3 + 2) + 2 + 4 + 1


async def test_a_batch_gives_what_single_pairs_give(ranker: ClassifierModel) -> None:
    texts = ("red tea", LONG, "knife")
    together = await ranker.classify(request(*texts, query="tea"))
    alone = [(await ranker.classify(request(text, query="tea"))).scores[0] for text in texts]

    np.testing.assert_allclose(together.scores, np.stack(alone), atol=1e-5)


async def test_a_query_without_room_for_a_document_is_refused(ranker: ClassifierModel) -> None:
    with pytest.raises(InvalidRequest, match="query has 15 tokens; model 'm' takes 16") as refused:
        await ranker.classify(request("tea", query="tea " * 13))

    assert refused.value.param == "query"


async def test_labels_become_categories_and_others_are_left_out(judge: ClassifierModel) -> None:
    found = await judge.classify(request("red tea", "knife"))

    assert found.labels == ("harassment", "violence")
    assert found.scores.shape == (2, 2)
    assert ((found.scores > 0) & (found.scores < 1)).all()


async def test_the_end_of_a_long_text_counts_as_its_beginning_does(judge: ClassifierModel) -> None:
    parts = await judge.classify(request(*[" ".join(LONG.split()[at : at + 14]) for at in (0, 14)]))
    whole = await judge.classify(request(" ".join(LONG.split()[:28])))

    np.testing.assert_allclose(whole.scores[0], parts.scores.max(axis=0), atol=1e-5)


async def test_an_empty_text_is_refused(judge: ClassifierModel) -> None:
    with pytest.raises(InvalidRequest, match=r"input\.1 is empty"):
        await judge.classify(request("a", ""))


async def test_the_deadline_holds(judge: ClassifierModel) -> None:
    with pytest.raises(DeadlineExceeded):
        await judge.classify(request("a", timeout_s=1e-9))


async def test_the_card_says_what_it_is_for(
    ranker: ClassifierModel, judge: ClassifierModel, engine: str
) -> None:
    card = await ranker.card()

    assert (card.engine, card.context_length, card.capabilities) == (
        engine, 16, frozenset({"rerank"}),
    )  # fmt: skip
    assert (await judge.card()).capabilities == {"moderation"}


async def test_every_call_is_accounted_for(judge: ClassifierModel) -> None:
    load = await judge.load()

    assert load.submitted == load.finished + load.cancelled + load.failed
    assert (load.running, load.waiting, load.handlers) == (0, 0, 0)


def test_a_ranking_model_has_one_output(judging_folder: Path, home: Path, engine: str) -> None:
    with pytest.raises(RuntimeError, match="3 outputs"):
        load(judging_folder, home, engine)
