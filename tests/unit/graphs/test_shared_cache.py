"""Which tier the response cache shares, by the configuration and the Redis that there is."""

import pytest

from graphs.cache import shared_tier
from graphs.cache_args import CacheArgs

ONE = "redis://host:6379/0"
CLUSTER = "redis+cluster://host-1:6379,host-2:6379"


@pytest.mark.parametrize(
    ("url", "ingresses", "tier"),
    [
        ("", 1, "off"),
        ("", 2, "embedded"),
        (ONE, 1, "redis"),
        (CLUSTER, 1, "off"),
        (CLUSTER, 2, "embedded"),
    ],
)
def test_by_itself(monkeypatch: pytest.MonkeyPatch, url: str, ingresses: int, tier: str) -> None:
    monkeypatch.setenv("MOBULA_REDIS_URL", url)

    assert shared_tier(CacheArgs(), ingresses) == tier


@pytest.mark.parametrize(
    ("url", "problem"), [("", "is not set"), (CLUSTER, "names a Redis Cluster")]
)
def test_a_redis_that_is_none_for_the_cache_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    monkeypatch.setenv("MOBULA_REDIS_URL", url)

    with pytest.raises(ValueError, match=f"cache.shared is redis, but MOBULA_REDIS_URL {problem}"):
        shared_tier(CacheArgs(shared="redis"), 2)
