"""The recipe of the heads, without its download: reading, splitting, packing, the card."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from deployments.text.heads import FOLDER, load_head
from training.heads.card import render_heads_card
from training.heads.figures import classes_of, macro_f1
from training.heads.held_out import MOST, HeldOutTexts, read_held_out, write_held_out
from training.heads.ratings import KINDS, download_ratings, read_ratings
from training.heads.sentiment import train_sentiment
from training.heads.topics import topic_phrases

LINES = {
    "tweets": "1\t2.5\tSo happy 😀\n5\t-1.5\tSo sad\n",
    "movieReviewSnippets": "7\t0.25\tA film\twith a tab\n",
    "amazonReviewSnippets": "10_1\t-3\tBroken.\n10_2\t1\tCheap.\n11_1\t0\tA box.\n",
    "nytEditorialSnippets": "3_4\t0.1\tThe mayor spoke.\n",
}


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """As the source distribution is built, with other texts."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as data:
        for name, lines in LINES.items():
            add(data, f"hutto_ICWSM_2014/{name}_GroundTruth.txt", lines.encode())
    path = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    with tarfile.open(path, "w:gz") as outer:
        place = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
        add(outer, place, inner.getvalue())
    return path


def test_ratings_are_read_with_their_documents(archive: Path) -> None:
    rated = read_ratings(archive)

    assert {each.kind for each in rated} == set(KINDS)
    assert [each.text for each in rated if each.kind == "tweets"] == ["So happy 😀", "So sad"]
    assert [each.rating for each in rated if each.kind == "products"] == [-3, 1, 0]
    assert any(each.text == "A film\twith a tab" for each in rated)


def test_sentences_of_one_document_are_on_one_side_of_the_split(archive: Path) -> None:
    held_out = {(each.kind, each.document) for each in read_ratings(archive) if each.is_held_out}

    assert held_out == {("tweets", 5), ("products", 10)}


def test_another_archive_than_the_pinned_one_is_refused(archive: Path) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        download_ratings(archive.parent)


def test_held_out_texts_survive_eight_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(MOST + 50, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lexical = rng.random((MOST + 50, 4)).astype(np.float32)
    texts = HeldOutTexts(np.concatenate([vectors, lexical], axis=1), np.arange(MOST + 50.0))

    write_held_out(tmp_path / "held_out.npz", {"tweets": texts.sample()})
    found = read_held_out(tmp_path / "held_out.npz")["tweets"]

    assert len(found.ratings) == MOST
    sampled = texts.sample().features
    assert ((found.features[:, :-4] * sampled[:, :-4]).sum(axis=1) > 0.999).all()
    assert np.array_equal(found.features[:, -4:], sampled[:, -4:])


def test_a_head_learns_what_its_features_say() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(600, 12)).astype(np.float32)
    ratings = 1.5 * features[:, 0] - features[:, 11]

    arrays = train_sentiment(features, ratings, ["tweets", "film"] * 300)
    inputs = np.concatenate([features, np.ones((600, 1), dtype=np.float32)], axis=1)

    found = (inputs @ arrays["weights"].T).argmax(axis=1)
    assert macro_f1(found, classes_of(ratings)) > 0.85
    assert np.corrcoef(inputs @ arrays["rating"], ratings)[0, 1] > 0.99


def test_macro_f1_counts_each_class_the_same() -> None:
    wanted = np.array([0, 0, 0, 0, 1, 2])

    assert macro_f1(wanted, wanted) == 1
    assert macro_f1(np.zeros(6, dtype=int), wanted) == pytest.approx(0.8 / 3)


def test_the_shipped_card_is_that_of_the_shipped_figures() -> None:
    measured = json.loads((FOLDER / "evaluation.json").read_text())

    assert (FOLDER / "README.md").read_text() == render_heads_card(
        measured, len(load_head("topics").labels)
    )


def test_the_shipped_topics_are_those_of_the_data() -> None:
    assert load_head("topics").labels == tuple(topic_phrases())
