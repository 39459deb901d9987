"""What may name a file, and where its bytes lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.blobs.paths import MAX_PATH, location, location_to_place, new_location, validate_path
from cluster.runtime.problems import InvalidRequest


@pytest.mark.parametrize("path", ["a", "a/b", "videos/1/Source.MP4", "a..b/...", "-", "a" * 300])
def test_a_path_is_taken_as_it_is(path: str) -> None:
    assert validate_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", ".", "a/.", "a b", "ä", "a\x00", "a\n"]
    + ["@a", "~", "a\\b", "a%2e", "a" * 301],
)
def test_what_is_no_path_is_refused_by_its_field_and_limit(path: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate_path(path)
    assert refused.value.param == "path"
    assert refused.value.extensions["limit"] == MAX_PATH


@given(st.text(max_size=40))
def test_no_path_leads_out_of_its_folder(path: str) -> None:
    try:
        parts = validate_path(path).split("/")
    except InvalidRequest:
        return
    assert all(part not in ("", ".", "..") for part in parts)


def test_a_location_leads_back_to_its_place() -> None:
    place = new_location()

    assert location_to_place(location("acme", place)) == place
    assert new_location() != place


@pytest.mark.parametrize("tenant", ["", "Acme", "a/b", "..", "a" * 64, "acme\n"])
def test_what_is_no_tenants_id_has_no_location(tenant: str) -> None:
    with pytest.raises(ValueError, match="no tenant's id"):
        location(tenant, new_location())


@pytest.mark.parametrize(
    "found",
    ["t/acme/ab/notes", "t/acme/" + "a" * 32, f"t/acme/ff/{'a' * 32}", f"x/a/aa/{'a' * 32}"],
)
def test_an_object_of_somebody_else_is_no_place(found: str) -> None:
    assert location_to_place(found) is None
