"""What `Cache-Status`, `Age` and `Vary` say of one answer, and of several behind one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.cache import CacheOutcome
from deployments.ingress.http.cache_headers import cache_status_headers

HIT = CacheOutcome(None, "l1", age_s=3.9, ttl_s=20.2)
STALE = CacheOutcome(None, "l2-stale", age_s=90.0, ttl_s=-0.5)
MISS = CacheOutcome("miss", stored=True)
JOINED = CacheOutcome("miss", stored=True, collapsed=True)
BYPASS = CacheOutcome("bypass", "no-store")
# A List of one Item; its parameters are Booleans, Integers, Tokens or Strings (RFC 9651).
ITEM = re.compile(
    r"mobula(?:;[a-z*][a-z0-9_.*-]*"
    r'(?:=(?:-?[0-9]{1,15}|[A-Za-z*][!#$%&\'*+.^_`|~:/A-Za-z0-9-]*|"(?:[ !#-\[\]-~]|\\["\\])*"))?)*'
)


def fields(*served: CacheOutcome) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in cache_status_headers(served)}


@pytest.mark.parametrize(
    ("served", "status"),
    [
        pytest.param([HIT], "mobula;hit;ttl=20;detail=l1", id="a hit"),
        pytest.param([STALE], "mobula;hit;ttl=-1;detail=l2-stale", id="a stale hit"),
        pytest.param([MISS], "mobula;fwd=miss;stored", id="a miss"),
        pytest.param([CacheOutcome("miss")], "mobula;fwd=miss", id="a miss that is not kept"),
        pytest.param([JOINED], "mobula;fwd=miss;stored;collapsed", id="joined another's"),
        pytest.param([BYPASS], "mobula;fwd=bypass;detail=no-store", id="not cacheable"),
        pytest.param(
            [CacheOutcome("request", stored=True)], "mobula;fwd=request;stored", id="no-cache"
        ),
        pytest.param([HIT, HIT], "mobula;hit;ttl=20;detail=l1", id="hits"),
        pytest.param([HIT, STALE], 'mobula;hit;ttl=-1;detail="l1 l2-stale"', id="unlike hits"),
        pytest.param(
            [HIT, MISS, MISS], 'mobula;fwd=miss;stored;detail="1 of 3 calls hit"', id="one hit"
        ),
        pytest.param([MISS, CacheOutcome("stale")], "mobula;fwd=miss", id="not all stored"),
        pytest.param([MISS, JOINED], "mobula;fwd=miss;stored", id="not all joined"),
    ],
)
def test_the_status_sums_up_what_happened(served: list[CacheOutcome], status: str) -> None:
    assert fields(*served)["cache-status"] == status


def test_only_a_hit_has_an_age_and_it_is_that_of_the_oldest() -> None:
    assert fields(HIT)["age"] == "3"
    assert fields(HIT, STALE)["age"] == "90"
    assert "age" not in fields(HIT, MISS)
    assert fields(CacheOutcome(None, "l1", age_s=-2.0))["age"] == "0"


def test_an_answer_that_hangs_on_a_key_varies_with_the_credential() -> None:
    assert fields(HIT)["vary"] == fields(MISS)["vary"] == fields(HIT, BYPASS)["vary"]
    assert fields(HIT)["vary"] == "Authorization"
    assert "vary" not in fields(BYPASS)


def test_nothing_is_said_where_no_model_was_called() -> None:
    assert cache_status_headers([]) == []


@given(st.text(), st.floats(allow_nan=False), st.sampled_from([None, "bypass", "miss"]))
def test_the_status_is_well_formed_whatever_it_tells(detail: str, ttl: float, why: str) -> None:
    status = fields(CacheOutcome(why, detail, ttl_s=ttl))["cache-status"]  # type: ignore[arg-type]

    assert ITEM.fullmatch(status), status
