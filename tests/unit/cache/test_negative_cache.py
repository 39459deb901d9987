"""Refusals that are remembered for a moment."""

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest
from deployments.cache.policy import REFUSAL_S, NegativeCache


def test_a_refusal_is_raised_again_until_it_expires_and_for_its_own_key_only() -> None:
    clock = ManualClock()
    refusals = NegativeCache(clock)
    refusals.entries[b"key"] = (clock.monotonic() + REFUSAL_S, InvalidRequest("too long"))

    refusals.check(b"another key")
    with pytest.raises(InvalidRequest, match="too long"):
        refusals.check(b"key")

    clock.advance(REFUSAL_S)
    refusals.check(b"key")
    assert refusals.entries == {}
