"""Tags: what may be one, and how many a request has."""

import pytest

from cluster.invalidation.tags import MAX_LENGTH, MAX_TAGS, check_tag, parse_tags
from cluster.invalidation.target import ALL, EVERYBODY, TENANT, Target, check_target
from cluster.runtime.problems import InvalidRequest


@pytest.mark.parametrize("tag", ["a", "post:17", "A-Z_a.z/0-9", "x" * MAX_LENGTH])
def test_a_tag_is_a_short_plain_word(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    ["", "x" * (MAX_LENGTH + 1), "a b", "a,b", "ä", "a\n", "a\x00", "a*", "%", "\ud800", "１"],
)
def test_anything_else_is_refused_by_name_and_limit(tag: str) -> None:
    with pytest.raises(InvalidRequest, match="prefix: is 1 to 100") as refused:
        check_tag(tag, "prefix")

    assert refused.value.param == "prefix"
    assert refused.value.extensions["limit"] == MAX_LENGTH


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", ()),
        ("  ", ()),
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        (" b ,\ta", ("b", "a")),
        ("a,b,a", ("a", "b")),
    ],
)
def test_a_header_lists_tags_in_order_and_each_once(header: str, tags: tuple[str, ...]) -> None:
    assert parse_tags(header) == tags


@pytest.mark.parametrize("header", ["a,", ",", "a,,b", "a b", "a;b", "x" * 101])
def test_a_header_with_a_tag_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_tags(header)

    assert refused.value.param == "Mobula-Cache-Tags"


def test_a_header_has_a_most() -> None:
    most = [f"t{number}" for number in range(MAX_TAGS)]
    assert parse_tags(",".join(most)) == tuple(most)

    with pytest.raises(InvalidRequest, match="at most 16 tags") as refused:
        parse_tags(",".join([*most, "more"]))
    assert refused.value.extensions["limit"] == MAX_TAGS


@pytest.mark.parametrize(
    ("tenant", "target", "param"),
    [
        ("acme", Target("tag", "no spaces"), "tag"),
        ("acme", Target("prefix", ""), "prefix"),
        ("acme", Target("model", ""), "model"),
        ("acme", Target("model", "x" * 201), "model"),
        ("acme", Target("model", "a\nb"), "model"),
        ("acme", ALL, "everything"),
        (EVERYBODY, TENANT, "everything"),
        (EVERYBODY, Target("tag", "a"), "tag"),
        (EVERYBODY, Target("prefix", "a"), "prefix"),
    ],
)
def test_a_target_that_is_none_is_refused(tenant: str, target: Target, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_target(tenant, target)

    assert refused.value.param == param


def test_targets() -> None:
    check_target("acme", Target("tag", "post:17"))
    check_target("acme", Target("model", "Qwen/Qwen3-0.6B"))
    check_target("acme", TENANT)
    check_target(EVERYBODY, ALL)
    check_target(EVERYBODY, Target("model", "nano"))
