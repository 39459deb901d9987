"""What tags a request may have, in its header and in its body."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.ingress.http.usage_tags import TAGS_FIELD, body_tags, header_tags


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ([b"beta"], ("beta",)),
        ([b"beta, checkout"], ("beta", "checkout")),
        ([b" beta ,,checkout,beta"], ("beta", "checkout")),
        ([b"a", b"b,c"], ("a", "b", "c")),
        ([b""], ()),
        ([b"x" * 64], ("x" * 64,)),
        ([b"!~(a=1)"], ("!~(a=1)",)),
    ],
)
def test_tags_of_headers(values: list[bytes], tags: tuple[str, ...]) -> None:
    assert header_tags([(TAGS_FIELD, value) for value in values] + [(b"x", b"y")]) == tags


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        pytest.param(b"a,b,c,d,e,f", 5, id="six"),
        pytest.param(b"x" * 65, 64, id="long"),
        pytest.param(b"two words", None, id="a space"),
        pytest.param("ü".encode(), None, id="not ASCII"),
        pytest.param(b"a\x00", None, id="a control character"),
    ],
)
def test_a_header_that_is_refused_names_itself_and_the_limit(
    value: bytes, limit: int | None
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        header_tags([(TAGS_FIELD, value)])

    assert refusal.value.extensions.get("param") == "Mobula-Tags"
    assert refusal.value.extensions.get("limit") == limit


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [
        ({}, ("known",)),
        ({"tags": None}, ("known",)),
        ({"tags": "a, b"}, ("known", "a", "b")),
        ({"tags": ["a", "known", "b"]}, ("known", "a", "b")),
        (SimpleNamespace(tags=["a"]), ("known", "a")),
        (SimpleNamespace(tags=None), ("known",)),
    ],
)
def test_tags_of_bodies_follow_those_of_headers(metadata: Any, tags: tuple[str, ...]) -> None:
    assert body_tags(metadata, ("known",)) == tags


@pytest.mark.parametrize(
    "given",
    [5, {"a": 1}, [1], [["a"]], ["a,b"], [""], ["a b"], ["a", "b", "c", "d", "e"], "x" * 65],
    ids=str,
)
def test_bodies_are_held_to_the_same(given: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        body_tags({"tags": given}, ("known",))

    assert refusal.value.extensions["param"] == "metadata.tags"
