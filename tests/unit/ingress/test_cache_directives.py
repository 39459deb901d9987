"""What callers may say about the cache, and what is refused by name."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.cache import NO_DIRECTIVES, Directives
from deployments.ingress.http.cache_headers import parse_directives


def said(*headers: tuple[str, str]) -> Directives:
    return parse_directives([(name.encode(), value.encode("latin-1")) for name, value in headers])


def test_a_request_that_says_nothing_costs_no_new_value() -> None:
    assert said(("accept", "*/*"), ("cookie", "no-store")) is NO_DIRECTIVES


@pytest.mark.parametrize(
    ("value", "wishes"),
    [
        ("no-store", {"no_store": True}),
        ("No-Cache", {"no_cache": True}),
        ("only-if-cached", {"only_if_cached": True}),
        ("max-age=0", {"max_age_s": 0.0}),
        ("max-age=60", {"max_age_s": 60.0}),
        ('max-age="60"', {"max_age_s": 60.0}),
        ("max-age=60, max-age=5", {"max_age_s": 5.0}),
        ("max-age=" + "9" * 5000, {"max_age_s": 2.0**31}),
        ("no-cache,max-age=1 ,, no-store", {"no_cache": True, "max_age_s": 1.0, "no_store": True}),
        ("max-stale, min-fresh=3, no-transform, x=y", {}),
        ('x="a, no-store, \\" no-cache", no-store', {"no_store": True}),
        ("", {}),
        (" , ,", {}),
    ],
)
def test_cache_control_is_read_as_the_rfc_writes_it(value: str, wishes: dict[str, Any]) -> None:
    assert said(("cache-control", value)) == Directives(**wishes)


def test_lines_of_one_header_make_one_list() -> None:
    lines = [("cache-control", "no-cache"), ("x", "y"), ("cache-control", "max-age=3")]
    tags = [("mobula-cache-tags", "a,b"), ("mobula-cache-tags", "c")]

    assert said(*lines, *tags) == Directives(no_cache=True, max_age_s=3.0, tags=("a", "b", "c"))


@pytest.mark.parametrize(
    "value",
    ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=soon", 'max-age="', "no-store=1",
     'no-cache="x"', "no store", "max-age = 5", ";;", "caché", "max-age=²"],
)  # fmt: skip
def test_a_malformed_directive_is_refused_by_the_header_s_name(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Cache-Control") as refused:
        said(("cache-control", value))
    assert refused.value.param == "Cache-Control"


def test_sampled_answers_are_cached_on_request() -> None:
    assert said(("mobula-cache", "sampled")).sampled
    assert said(("mobula-cache", " Sampled ")).sampled


@pytest.mark.parametrize("value", ["", "all", "sampled, all", "sampled=1"])
def test_another_word_in_our_own_header_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Mobula-Cache"):
        said(("mobula-cache", value))


@pytest.mark.parametrize("value", ["a b", "é", "a" * 101, ",".join(["a"] * 17), "a,,b"])
def test_tags_outside_their_limits_are_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Mobula-Cache-Tags"):
        said(("mobula-cache-tags", value))


@given(st.binary(max_size=200))
def test_no_bytes_fail_in_any_other_way(value: bytes) -> None:
    for name in (b"cache-control", b"mobula-cache", b"mobula-cache-tags"):
        with contextlib.suppress(InvalidRequest):
            parse_directives([(name, value)])
