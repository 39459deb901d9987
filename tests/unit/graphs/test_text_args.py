"""The section `text` of the configuration: which embedding model it uses, what it reserves."""

from typing import Any

import pytest
from pydantic import ValidationError

from graphs.args import AppArgs
from graphs.options import declared_cpus, text_options
from graphs.rollout_diff import restartable

MINILM = {"id": "small"}  # without a source it is minilm
OTHER = {"id": "other", "source": "intfloat/e5-small-v2"}


def args(**sections: Any) -> AppArgs:
    return AppArgs.model_validate({"models": [{"id": "nano", "num_cpus": 0.5}], **sections})


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [([], ()), ([OTHER], ("other",)), ([OTHER, MINILM], ("small", "other"))],
)
def test_the_model_that_the_heads_know_comes_first(
    embeddings: list[dict[str, Any]], expected: tuple[str, ...]
) -> None:
    assert args(embeddings=embeddings).text_embedders == expected


def test_an_embedder_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"text\.embedder: 'big'.*small"):
        args(embeddings=[MINILM], text={"embedder": "big"})
    assert args(embeddings=[MINILM, OTHER], text={"embedder": "other"}).text.embedder == "other"


def test_it_reserves_little_and_can_be_restarted_and_switched_off() -> None:
    given = args()
    assert text_options(given.text)["num_replicas"] == 1
    assert text_options(given.text)["ray_actor_options"] == {"num_cpus": 0.05}
    assert "text" in restartable(given)
    off = args(text={"enabled": False})
    assert "text" not in restartable(off)
    many = args(text={"replicas": 20, "num_cpus": 0.1})
    assert declared_cpus(many, 4) > declared_cpus(off, 4)
